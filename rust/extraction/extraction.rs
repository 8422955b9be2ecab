//! Extraction of a minimal sufficient explanation: a state machine over sets of blocks.
//!
//! An explanation is a minimal set of pixels that is sufficient for the label: with everything else masked, the mutant
//! still passes (paper, Definition 2). It is found in three stages.
//!
//! 1. *Growth.* Blocks are ranked by the heatmap, and the shortest prefix of the ranking that passes is sought, several
//!    lengths at a time, zooming in. Where the search has seen small sets pass, only shorter prefixes than those are asked
//!    for, and the smallest set is taken; not so where a score is asked for, since the hottest blocks keep more of it.
//! 2. *Shrinking*, coarse to fine. On each lattice, groups of kept blocks are left out, each alone, a window of groups at a
//!    time, the worst ranked first. Those of a window that are not missed are put in order, least harmful first, and as many
//!    as possible are dropped together. Windows are wide where most can go and narrow where few can: whatever goes, the rest
//!    of its window has to be asked about again.
//! 3. *Confirmation.* Classifiers are not monotone: what was missed in a larger set may be dropped from a smaller one. On
//!    the finest lattice all blocks are tried again, until leaving out any single one loses the label. The set is 1-minimal.
//!
//! Each stage is written as a plain function that asks for verdicts. A function that lacks one stops there, leaves its
//! questions in the queue, and is run again when the verdicts are in: what it asked before is known then.

use std::cmp::Ordering;

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::region::{Grid, Region};
use crate::question::{Batch, Question};

/// The options of an extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtractionOptions {
    /// Height of the image in pixels.
    pub height: u32,
    /// Width of the image in pixels.
    pub width: u32,
    /// Blocks a side of the finest lattice, over which the explanation is minimal.
    pub cells: u32,
    /// Scores below this do not suffice, whatever the label; 0 asks for the label alone.
    pub min_score: f32,
}

/// How far an extraction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The shortest sufficient prefix of the ranking is being sought.
    Growth,
    /// What is not needed is being dropped.
    Shrinking,
    /// No single block can go.
    Minimal,
    /// Not even the first set was sufficient, or the budget is used up.
    Stopped,
}

/// Prefix lengths that growth asks for at once when it zooms in.
const FAN: usize = 3;
/// Sets that the search has seen pass and that growth asks about, as blocks.
const COVERS: usize = 4;
/// Groups that are left out, each alone, before any of them is dropped: on the coarse lattices, where it matters most which
/// ones go first; on the finest; and of those that were missed before, few of which can go.
const COARSE_WINDOW: usize = 8;
const FINE_WINDOW: usize = 4;
const MISSED_WINDOW: usize = 2;

/// The kept blocks in one square of a lattice, in reading order.
type Group = Vec<usize>;

/// An extraction of one image's explanation.
///
/// Call [`propose`](Self::propose) and [`submit`](Self::submit) until [`is_done`](Self::is_done).
#[derive(Clone, Debug)]
pub struct Extraction {
    min_score: f32,
    grid: Grid,
    evidence: Evidence,
    /// The smallest sets that the search has seen pass, as blocks, the smallest first.
    covers: Vec<Vec<bool>>,
    prints: Vec<Fingerprint>,
    /// Blocks, best first.
    ranking: Vec<usize>,
    /// Place of each block in the ranking.
    rank: Vec<usize>,
    /// The smallest set known to be sufficient.
    kept: Vec<bool>,
    /// What shrinking started from.
    grown: Option<Vec<bool>>,
    /// The blocks that shrinking has dropped, in that order.
    dropped: Vec<usize>,
    /// Sides of the groups of blocks, in blocks, coarse to fine; the last is 1.
    levels: Vec<usize>,
    level: usize,
    /// The groups of the present lattice that are yet to be left out, next first; `None` before the first is.
    untried: Option<Vec<Group>>,
    /// Those that were missed, if of a larger set, with the score that was left.
    missed: Vec<(Group, f32)>,
    /// Whether the groups to be left out are those that were missed before.
    is_confirming: bool,
    /// Whether anything was dropped in this round through the finest lattice.
    has_dropped: bool,
    stage: Stage,
}

impl Extraction {
    /// Starts an extraction that ranks blocks by the mean of `heatmap` (row by row) over them.
    ///
    /// # Errors
    /// If an option is out of its range or the heatmap has not the image's size.
    pub fn new(options: &ExtractionOptions, heatmap: &[f32], evidence: Evidence) -> Result<Self, Error> {
        let (height, width) = (options.height, options.width);
        require((2..=65535).contains(&height), "height", height, "from 2 to 65535")?;
        require((2..=65535).contains(&width), "width", width, "from 2 to 65535")?;
        require((1..=256).contains(&options.cells), "grid", options.cells, "from 1 to 256 blocks a side")?;
        require(options.min_score >= 0.0, "min_score", options.min_score, "at least 0")?;
        let n_pixels = height as usize * width as usize;
        require(heatmap.len() == n_pixels, "heatmap", heatmap.len(), "one value a pixel")?;
        let grid = Grid::new(height, width, options.cells);
        let prints = Fingerprinter::new(height, width);
        let ranking = rank_blocks(&grid, heatmap, width as usize);
        let mut rank = vec![0; ranking.len()];
        ranking.iter().enumerate().for_each(|(place, &block)| rank[block] = place);
        let mut extraction = Self {
            min_score: options.min_score,
            covers: Vec::new(),
            prints: (0..grid.n_blocks()).map(|block| prints.region(&grid.block(block))).collect(),
            kept: vec![true; grid.n_blocks()],
            is_confirming: false,
            levels: levels(grid.n_rows().max(grid.n_columns())),
            level: 0,
            untried: None,
            missed: Vec::new(),
            has_dropped: false,
            grown: None,
            dropped: Vec::new(),
            stage: Stage::Growth,
            grid,
            evidence,
            ranking,
            rank,
        };
        if options.min_score <= 0.0 {
            extraction.covers = extraction.smallest_covers();
        }
        extraction.advance();
        Ok(extraction)
    }

    /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
    pub fn propose(&mut self, capacity: usize) -> Option<Batch> {
        if self.is_done() { None } else { self.evidence.propose(capacity) }
    }

    /// Takes the verdicts on a batch, in the order of its questions.
    ///
    /// # Errors
    /// If the batch is not in flight or the number of verdicts is wrong.
    pub fn submit(&mut self, id: u64, verdicts: &[Verdict]) -> Result<(), Error> {
        self.evidence.submit(id, verdicts)?;
        if self.evidence.is_round_over() {
            self.advance();
        }
        Ok(())
    }

    /// Whether the set is minimal, or the extraction had to stop.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Minimal | Stage::Stopped)
    }

    /// How far the extraction has come.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The number of questions handed out, those of the search included.
    #[must_use]
    pub const fn n_calls(&self) -> u64 {
        self.evidence.n_calls()
    }

    /// The blocks of the smallest set known to be sufficient, row by row.
    #[must_use]
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// The blocks of the sufficient set that shrinking started from, row by row, once growth is over.
    #[must_use]
    pub fn grown(&self) -> Option<&[bool]> {
        self.grown.as_deref()
    }

    /// The blocks by the heatmap, best first.
    #[must_use]
    pub fn ranking(&self) -> &[usize] {
        &self.ranking
    }

    /// The blocks by what the extraction found, best first: the kept ones, then those dropped, the last first, then the
    /// rest; the kept ones and the rest by the heatmap.
    ///
    /// Every set that shrinking went through is a prefix of this ranking, and sufficient.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let started = self.grown.as_ref().unwrap_or(&self.kept);
        let (inside, outside): (Vec<usize>, Vec<usize>) = self.ranking.iter().partition(|&&block| started[block]);
        let kept = inside.into_iter().filter(|&block| self.kept[block]);
        kept.chain(self.dropped.iter().rev().copied()).chain(outside).collect()
    }

    /// The lattice of blocks.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    fn advance(&mut self) {
        let is_last = self.evidence.is_exhausted();
        if is_last {
            self.evidence.abandon_round();
        }
        while !self.is_done() {
            let progress = match self.stage {
                Stage::Growth => self.grow(),
                _ => self.shrink(),
            };
            if progress.is_none() {
                if is_last {
                    self.evidence.abandon_round();
                    self.stage = Stage::Stopped;
                }
                return;
            }
        }
    }

    /// Seeks the shortest passing prefix of the ranking, or a smaller set; `None` while it waits for verdicts.
    fn grow(&mut self) -> Option<()> {
        // One after the other: blocks have more pixels than the set, so nearly always the smallest passes.
        let mut cover = None;
        for candidate in self.covers.clone() {
            if self.passes(&candidate)? {
                self.kept.clone_from(&candidate);
                cover = Some(candidate);
                break;
            }
        }
        let mut lengths: Vec<usize> = match &cover {
            None => (0..7).map(|halvings| (self.ranking.len() >> halvings).max(1)).collect(),
            // Seldom does a prefix of half its length pass; if it does, there is time for shorter ones.
            Some(cover) => vec![(cover.iter().filter(|kept| **kept).count() / 2).max(1)],
        };
        lengths.reverse();
        lengths.dedup();
        let (mut failing, mut passing) = (0, None);
        loop {
            let prefixes: Vec<_> = lengths.iter().map(|&length| self.prefix(length)).collect();
            for (length, passes) in lengths.iter().zip(self.pass(&prefixes)?) {
                if passes {
                    passing = Some(*length);
                    break;
                }
                failing = *length;
            }
            let Some(shortest) = passing else {
                match cover {
                    Some(cover) => self.begin_shrinking(cover),
                    None => self.stage = Stage::Stopped,
                }
                return Some(());
            };
            let gap = shortest - failing;
            if gap <= 1 {
                self.begin_shrinking(self.prefix(shortest));
                return Some(());
            }
            self.kept = self.prefix(shortest);
            lengths = (1..=FAN).map(|step| failing + gap * step / (FAN + 1)).collect();
            lengths.retain(|length| (failing + 1..shortest).contains(length));
            lengths.dedup();
            if lengths.is_empty() {
                lengths.push(failing + 1);
            }
        }
    }

    fn begin_shrinking(&mut self, kept: Vec<bool>) {
        self.grown = Some(kept.clone());
        self.kept = kept;
        self.stage = Stage::Shrinking;
    }

    /// The smallest sets that the search has seen pass, as blocks, the smallest first. They are to be asked again, since
    /// blocks have more pixels.
    fn smallest_covers(&self) -> Vec<Vec<bool>> {
        let half = self.prints.len() / 2;
        let n_pixels: u64 = (0..self.grid.n_blocks()).map(|block| self.grid.block(block).area()).sum();
        let masked = |question: &Question| question.masked.iter().map(Region::area).sum::<u64>();
        let mut seen: Vec<_> = self.evidence.passed().iter().map(|question| (masked(question), question)).collect();
        seen.sort_by_key(|&(masked, question)| (std::cmp::Reverse(masked), question.fingerprint));
        let mut covers = Vec::new();
        // Where blocks are not quite even, half of them may have a little more than half of the pixels.
        for (_, question) in seen.into_iter().take_while(|(masked, _)| masked * 3 >= n_pixels) {
            let cover = self.grid.cover(&question.masked);
            let is_small = cover.iter().filter(|kept| **kept).count() <= half;
            if is_small && covers.len() < COVERS && !covers.contains(&cover) {
                covers.push(cover);
            }
            if covers.len() == COVERS {
                break;
            }
        }
        covers.sort_by_key(|cover| cover.iter().filter(|kept| **kept).count());
        covers
    }

    fn prefix(&self, length: usize) -> Vec<bool> {
        self.rank.iter().map(|&place| place < length).collect()
    }

    fn passes(&mut self, set: &[bool]) -> Option<bool> {
        let verdict = self.ask(set)?;
        Some(self.suffices(verdict))
    }

    fn pass(&mut self, sets: &[Vec<bool>]) -> Option<Vec<bool>> {
        let verdicts: Vec<_> = sets.iter().map(|set| self.ask(set)).collect();
        verdicts.into_iter().map(|verdict| Some(self.suffices(verdict?))).collect()
    }

    /// Tries one window of groups of the present lattice, or goes on to the next; `None` while it waits for verdicts.
    fn shrink(&mut self) -> Option<()> {
        let untried = self.untried.take().unwrap_or_else(|| self.groups());
        if untried.is_empty() {
            self.leave_lattice();
            return Some(());
        }
        let done = self.try_window(&untried);
        if done.is_none() {
            self.untried = Some(untried);
        }
        done
    }

    /// Once every group was tried: to the next lattice, or on the finest to the groups that were missed in larger sets.
    fn leave_lattice(&mut self) {
        let is_finest = self.is_finest();
        let mut missed = std::mem::take(&mut self.missed);
        if !is_finest {
            self.level += 1;
        } else if self.has_dropped {
            self.is_confirming = true;
            missed.sort_by(|(left, left_score), (right, right_score)| {
                right_score.total_cmp(left_score).then_with(|| self.place(right).cmp(&self.place(left)))
            });
            self.untried = Some(missed.into_iter().map(|(group, _)| group).collect());
        } else {
            self.stage = Stage::Minimal;
        }
        self.has_dropped = false;
    }

    const fn is_finest(&self) -> bool {
        self.level + 1 == self.levels.len()
    }

    const fn window(&self) -> usize {
        match (self.is_finest(), self.is_confirming) {
            (false, _) => COARSE_WINDOW,
            (true, false) => FINE_WINDOW,
            (true, true) => MISSED_WINDOW,
        }
    }

    /// Leaves out each group of a window alone, and drops as many as can be spared together, least harmful first.
    fn try_window(&mut self, untried: &[Group]) -> Option<()> {
        let (window, later) = untried.split_at(untried.len().min(self.window()));
        let sets: Vec<_> = window.iter().map(|group| self.without(std::slice::from_ref(group))).collect();
        let verdicts: Vec<_> = sets.iter().map(|set| self.ask(set)).collect();
        let verdicts: Vec<Verdict> = verdicts.into_iter().collect::<Option<_>>()?;
        let tried = window.iter().cloned().zip(verdicts);
        let (mut droppable, missed): (Vec<_>, Vec<_>) = tried.partition(|(_, verdict)| self.suffices(*verdict));
        droppable.sort_by(|(left, left_verdict), (right, right_verdict)| {
            let by_score = right_verdict.score.total_cmp(&left_verdict.score);
            by_score.then_with(|| self.place(right).cmp(&self.place(left)))
        });
        let scores: Vec<f32> = droppable.iter().map(|(_, verdict)| verdict.score).collect();
        let droppable: Vec<Group> = droppable.into_iter().map(|(group, _)| group).collect();
        let n_dropped = self.longest_droppable_prefix(&droppable)?;
        self.missed.extend(missed.into_iter().map(|(group, verdict)| (group, verdict.score)));
        let mut rest: Vec<Group> = Vec::new();
        for (place, group) in droppable.into_iter().enumerate() {
            match place.cmp(&n_dropped) {
                Ordering::Less => self.drop(group),
                // The longest prefix ends here because this one was missed.
                Ordering::Equal => self.missed.push((group, scores[place])),
                Ordering::Greater => rest.push(group),
            }
        }
        self.untried = Some(rest.into_iter().chain(later.iter().cloned()).collect());
        Some(())
    }

    fn drop(&mut self, mut group: Group) {
        group.iter().for_each(|&block| self.kept[block] = false);
        group.sort_by_key(|&block| std::cmp::Reverse(self.rank[block]));
        self.dropped.extend(group);
        self.has_dropped = true;
    }

    /// How many of the groups, each droppable alone, can be left out together, from the first on.
    fn longest_droppable_prefix(&mut self, droppable: &[Group]) -> Option<usize> {
        if droppable.is_empty() {
            return Some(0);
        }
        let (mut passing, mut failing) = (1, droppable.len() + 1);
        let mut probe = droppable.len();
        while failing - passing > 1 {
            let smaller = self.without(&droppable[..probe]);
            if self.passes(&smaller)? {
                passing = probe;
            } else {
                failing = probe;
            }
            probe = usize::midpoint(passing, failing);
        }
        Some(passing)
    }

    /// The place of a group in the ranking: that of its best block.
    fn place(&self, group: &Group) -> Option<usize> {
        group.iter().map(|&block| self.rank[block]).min()
    }

    fn without(&self, groups: &[Group]) -> Vec<bool> {
        let mut kept = self.kept.clone();
        groups.iter().flatten().for_each(|&block| kept[block] = false);
        kept
    }

    /// The kept blocks in the groups of the present lattice, the worst ranked first.
    fn groups(&self) -> Vec<Group> {
        let side = self.levels[self.level];
        let columns = self.grid.n_columns();
        let across = columns.div_ceil(side);
        let mut groups: Vec<Group> = vec![Group::new(); self.grid.n_rows().div_ceil(side) * across];
        for (block, _) in self.kept.iter().enumerate().filter(|(_, is_kept)| **is_kept) {
            let (row, column) = (block / columns, block % columns);
            groups[row / side * across + column / side].push(block);
        }
        groups.retain(|group| !group.is_empty());
        groups.sort_by_key(|group| std::cmp::Reverse(self.place(group)));
        groups
    }

    fn ask(&mut self, kept: &[bool]) -> Option<Verdict> {
        let masked = kept.iter().zip(&self.prints).filter(|(is_kept, _)| !**is_kept);
        let print = masked.fold(Fingerprint::default(), |sum, (_, print)| sum.union(*print));
        let grid = &self.grid;
        self.evidence.ask(print, || grid.masked(kept))
    }

    fn suffices(&self, verdict: Verdict) -> bool {
        // A label without a score suffices where no score is asked for.
        verdict.is_passing && (self.min_score <= 0.0 || verdict.score >= self.min_score)
    }
}

/// Blocks by the mean of the heatmap over them, best first; equals in reading order.
#[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
fn rank_blocks(grid: &Grid, heatmap: &[f32], width: usize) -> Vec<usize> {
    let means: Vec<f64> = (0..grid.n_blocks())
        .map(|index| {
            let block = grid.block(index);
            let rows = heatmap.chunks_exact(width).take(block.bottom as usize).skip(block.top as usize);
            let sum: f64 = rows
                .flat_map(|row| &row[block.left as usize..block.right as usize])
                .map(|&value| f64::from(value))
                .sum();
            sum / block.area() as f64
        })
        .collect();
    let mut ranking: Vec<usize> = (0..means.len()).collect();
    ranking.sort_by(|&left, &right| means[right].total_cmp(&means[left]).then(left.cmp(&right)));
    ranking
}

/// Sides of the groups of blocks, from about a sixth of the image down to one block, halving.
fn levels(cells: usize) -> Vec<usize> {
    let coarsest = (cells / 6).max(1).ilog2();
    (0..=coarsest).rev().map(|power| 1 << power).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_halve_down_to_one_block() {
        assert_eq!(levels(28), [4, 2, 1]);
        assert_eq!(levels(56), [8, 4, 2, 1]);
        assert_eq!(levels(5), [1]);
    }
}
