//! Extraction of a minimal sufficient explanation: a state machine over sets of blocks.
//!
//! An explanation is a minimal set of pixels that is sufficient for the label: with everything else masked, the mutant
//! still passes (paper, Definition 2). It is found in three stages.
//!
//! 1. *Growth.* Blocks are ranked by the heatmap, and the shortest prefix of the ranking that passes is sought, several
//!    lengths at a time, zooming in.
//! 2. *Shrinking*, coarse to fine. On each lattice, every group of kept blocks is left out alone; those that are not missed
//!    are put in order, least harmful first, and as many as possible are dropped together. The rest of them are tried again;
//!    a group that was missed is taken to be needed from then on.
//! 3. *Confirmation.* On the finest lattice that is not enough, since classifiers are not monotone: all blocks are tried
//!    again, until leaving out any single one loses the label. The set is 1-minimal.
//!
//! Each stage is written as a plain function that asks for verdicts. A function that lacks one stops there, leaves its
//! questions in the queue, and is run again when the verdicts are in: what it asked before is known then.

use std::collections::HashSet;

use crate::error::{Error, require};
use crate::evidence::{Batch, Evidence, Verdict};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::region::Grid;

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

/// The kept blocks in one square of a lattice.
#[derive(Clone, Debug)]
struct Group {
    key: usize,
    blocks: Vec<usize>,
}

/// An extraction of one image's explanation.
///
/// Call [`propose`](Self::propose) and [`submit`](Self::submit) until [`is_done`](Self::is_done).
#[derive(Clone, Debug)]
pub struct Extraction {
    min_score: f32,
    grid: Grid,
    evidence: Evidence,
    prints: Vec<Fingerprint>,
    /// Blocks, best first.
    ranking: Vec<usize>,
    /// Place of each block in the ranking.
    rank: Vec<usize>,
    /// The smallest set known to be sufficient.
    kept: Vec<bool>,
    grown: Option<usize>,
    /// Sides of the groups of blocks, in blocks, coarse to fine; the last is 1.
    levels: Vec<usize>,
    level: usize,
    /// The groups of the present lattice that were missed when they were left out, if of a larger set.
    needed: HashSet<usize>,
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
            prints: (0..grid.n_blocks()).map(|block| prints.region(&grid.block(block))).collect(),
            kept: vec![true; grid.n_blocks()],
            levels: levels(grid.n_rows().max(grid.n_columns())),
            level: 0,
            needed: HashSet::new(),
            grown: None,
            stage: Stage::Growth,
            grid,
            evidence,
            ranking,
            rank,
        };
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

    /// Number of blocks in the sufficient prefix of the ranking, once growth is over.
    #[must_use]
    pub const fn grown(&self) -> Option<usize> {
        self.grown
    }

    /// The blocks, best first.
    #[must_use]
    pub fn ranking(&self) -> &[usize] {
        &self.ranking
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

    /// Seeks the shortest passing prefix of the ranking; `None` while it waits for verdicts.
    fn grow(&mut self) -> Option<()> {
        let all = self.ranking.len();
        let mut lengths: Vec<usize> = (0..7).map(|halvings| (all >> halvings).max(1)).collect();
        lengths.reverse();
        lengths.dedup();
        let (mut failing, mut passing) = (0, None);
        loop {
            for (length, passes) in lengths.iter().zip(self.prefixes_pass(&lengths)?) {
                if passes {
                    passing = Some(*length);
                    break;
                }
                failing = *length;
            }
            let Some(shortest) = passing else {
                self.stage = Stage::Stopped;
                return Some(());
            };
            self.kept = self.prefix(shortest);
            self.grown = Some(shortest);
            let gap = shortest - failing;
            if gap <= 1 {
                self.stage = Stage::Shrinking;
                return Some(());
            }
            lengths = (1..=FAN).map(|step| failing + gap * step / (FAN + 1)).collect();
            lengths.retain(|length| (failing + 1..shortest).contains(length));
            lengths.dedup();
            if lengths.is_empty() {
                lengths.push(failing + 1);
            }
        }
    }

    fn prefix(&self, length: usize) -> Vec<bool> {
        self.rank.iter().map(|&place| place < length).collect()
    }

    fn prefixes_pass(&mut self, lengths: &[usize]) -> Option<Vec<bool>> {
        let sets: Vec<_> = lengths.iter().map(|&length| self.prefix(length)).collect();
        let verdicts: Vec<_> = sets.iter().map(|set| self.ask(set)).collect();
        verdicts.into_iter().map(|verdict| Some(self.suffices(verdict?))).collect()
    }

    /// Drops what is not needed on the present lattice; `None` while it waits for verdicts.
    fn shrink(&mut self) -> Option<()> {
        let suspects: Vec<Group> =
            self.groups().into_iter().filter(|group| !self.needed.contains(&group.key)).collect();
        let droppable = self.droppable(&suspects)?;
        let is_finest = self.level + 1 == self.levels.len();
        if !droppable.is_empty() {
            self.kept = self.without_longest_prefix(&droppable)?;
            let missed = suspects.iter().map(|group| group.key);
            self.needed.extend(missed.filter(|key| droppable.iter().all(|group| group.key != *key)));
        } else if !is_finest {
            self.level += 1;
            self.needed.clear();
        } else if self.needed.is_empty() {
            self.stage = Stage::Minimal;
        } else {
            self.needed.clear();
        }
        Some(())
    }

    /// The groups that can be left out alone, least harmful first.
    fn droppable(&mut self, suspects: &[Group]) -> Option<Vec<Group>> {
        let sets: Vec<_> = suspects.iter().map(|group| self.without(std::slice::from_ref(group))).collect();
        let verdicts: Vec<_> = sets.iter().map(|set| self.ask(set)).collect();
        let verdicts: Vec<Verdict> = verdicts.into_iter().collect::<Option<_>>()?;
        let mut droppable: Vec<_> =
            suspects.iter().zip(verdicts).filter(|(_, verdict)| self.suffices(*verdict)).collect();
        let best_place = |group: &Group| group.blocks.iter().map(|&block| self.rank[block]).min();
        droppable.sort_by(|(left, left_verdict), (right, right_verdict)| {
            let by_score = right_verdict.score.total_cmp(&left_verdict.score);
            by_score.then_with(|| best_place(right).cmp(&best_place(left)))
        });
        Some(droppable.into_iter().map(|(group, _)| group.clone()).collect())
    }

    /// The kept set without as many of the droppable groups, from the first on, as it can spare together.
    fn without_longest_prefix(&mut self, droppable: &[Group]) -> Option<Vec<bool>> {
        let (mut passing, mut failing) = (1, droppable.len() + 1);
        let mut probe = droppable.len();
        while failing - passing > 1 {
            let smaller = self.without(&droppable[..probe]);
            let verdict = self.ask(&smaller)?;
            if self.suffices(verdict) {
                passing = probe;
            } else {
                failing = probe;
            }
            probe = usize::midpoint(passing, failing);
        }
        Some(self.without(&droppable[..passing]))
    }

    fn without(&self, groups: &[Group]) -> Vec<bool> {
        let mut kept = self.kept.clone();
        groups.iter().flat_map(|group| &group.blocks).for_each(|&block| kept[block] = false);
        kept
    }

    /// The kept blocks in the groups of the present lattice, in reading order.
    fn groups(&self) -> Vec<Group> {
        let side = self.levels[self.level];
        let columns = self.grid.n_columns();
        let across = columns.div_ceil(side);
        let n_groups = self.grid.n_rows().div_ceil(side) * across;
        let mut groups: Vec<Group> = (0..n_groups).map(|key| Group { key, blocks: Vec::new() }).collect();
        for (block, _) in self.kept.iter().enumerate().filter(|(_, is_kept)| **is_kept) {
            let (row, column) = (block / columns, block % columns);
            groups[row / side * across + column / side].blocks.push(block);
        }
        groups.retain(|group| !group.blocks.is_empty());
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
