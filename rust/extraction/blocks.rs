//! The blocks that explanations are made of: ranked by a heatmap, and asked about as sets.
//!
//! A set of blocks is sufficient if the mutant that masks all the others passes, with a score that reaches the floor. What
//! seeks such sets ([`Growth`](crate::extraction::growth::Growth), [`Shrinking`](crate::extraction::shrinking::Shrinking)) is
//! handed the blocks and the evidence, and asks here. It is written as plain functions that need verdicts: a function that
//! lacks one stops there, leaves its questions in the round, and is run again when the verdicts are in; what it asked before
//! is known then.

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::round::Round;
use crate::extraction::options::Lattice;
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::heatmap::shares;
use crate::pixels::region::Grid;
use crate::pixels::smoothing::block_means;

/// Some of the blocks, as they are left out together.
pub type Group = Vec<usize>;

/// The blocks of one image.
#[derive(Clone, Debug)]
pub struct Blocks {
    grid: Grid,
    prints: Vec<Fingerprint>,
    /// Blocks, best first.
    ranking: Vec<usize>,
    /// Where each block stands in the ranking.
    ranks: Vec<usize>,
    /// The least score that suffices; 0 asks for the label alone.
    floor: f32,
    round: Round,
}

impl Blocks {
    /// The blocks of a lattice, ranked by the mean over them of a heatmap, which has one value a pixel, row by row.
    #[must_use]
    pub fn new(grid: Grid, heatmap: &[f32], floor: f32, evidence: &Evidence) -> Self {
        let heat = block_means(heatmap, evidence.width() as usize, &grid);
        Self::of_heat(grid, &heat, floor, evidence)
    }

    /// The blocks of a lattice, ranked by these values, one a block.
    #[must_use]
    pub fn of_heat(grid: Grid, heat: &[f64], floor: f32, evidence: &Evidence) -> Self {
        let prints = (0..grid.n_blocks()).map(|block| evidence.prints().region(&grid.block(block))).collect();
        let ranking = rank(heat);
        let mut ranks = vec![0; ranking.len()];
        ranking.iter().enumerate().for_each(|(rank, &block)| ranks[block] = rank);
        Self { grid, prints, ranking, ranks, floor, round: Round::default() }
    }

    /// The blocks of a lattice, ranked by the mean over them of a heatmap, without a floor; and these means, as shares of the
    /// most.
    ///
    /// # Errors
    /// If the lattice is none, or the heatmap has not the image's size or a value that is not finite.
    pub fn by_share(lattice: &Lattice, heatmap: &[f32], evidence: &Evidence) -> Result<(Self, Vec<f64>), Error> {
        let (height, width) = (evidence.height(), evidence.width());
        let grid = lattice.grid(height, width)?;
        let is_whole = heatmap.len() == height as usize * width as usize;
        require(is_whole, "heatmap", heatmap.len(), "one value a pixel")?;
        let is_finite = heatmap.iter().all(|value| value.is_finite());
        require(is_finite, "heatmap", "not finite everywhere", "finite everywhere")?;
        let heat = shares(block_means(heatmap, width as usize, &grid));
        Ok((Self::of_heat(grid, &heat, 0.0, evidence), heat))
    }

    /// Where they lie.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The least score that suffices; 0 asks for the label alone.
    #[must_use]
    pub const fn floor(&self) -> f32 {
        self.floor
    }

    /// The blocks, best first.
    #[must_use]
    pub fn ranking(&self) -> &[usize] {
        &self.ranking
    }

    /// Where a block stands in the ranking, 0 for the best.
    #[must_use]
    pub fn rank(&self, block: usize) -> usize {
        self.ranks[block]
    }

    /// Where a group stands in the ranking: where its best block does.
    #[must_use]
    pub fn rank_of_group(&self, group: &Group) -> Option<usize> {
        group.iter().map(|&block| self.ranks[block]).min()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<bool> {
        vec![true; self.ranks.len()]
    }

    /// The best ones, so many.
    #[must_use]
    pub fn prefix(&self, length: usize) -> Vec<bool> {
        self.ranks.iter().map(|&rank| rank < length).collect()
    }

    /// The verdict on a set, or `None` after queueing its question for this round. Where it does not reach the floor beside one
    /// baseline, others need not have been asked.
    pub fn ask_at(&mut self, evidence: &Evidence, set: &[bool], floor: f64) -> Option<Verdict> {
        let print = self.print(set);
        let grid = &self.grid;
        self.round.ask_at(evidence, print, floor, || grid.masked(set))
    }

    /// The verdict on a set, if it is known for whoever needs a score of at least `floor`.
    #[must_use]
    pub fn known_at(&self, evidence: &Evidence, set: &[bool], floor: f64) -> Option<Verdict> {
        self.round.verdict_at(evidence, self.print(set), floor)
    }

    /// What identifies the mutant in which a set alone is kept.
    fn print(&self, set: &[bool]) -> Fingerprint {
        let masked = set.iter().zip(&self.prints).filter(|(is_kept, _)| !**is_kept);
        masked.fold(Fingerprint::default(), |sum, (_, print)| sum.union(*print))
    }

    /// The verdicts on several sets, once all of them are known.
    pub fn ask_all_at(&mut self, evidence: &Evidence, sets: &[Vec<bool>], floor: f64) -> Option<Vec<Verdict>> {
        let verdicts: Vec<_> = sets.iter().map(|set| self.ask_at(evidence, set, floor)).collect();
        verdicts.into_iter().collect()
    }

    /// The same by the floor of the blocks.
    pub fn ask_all(&mut self, evidence: &Evidence, sets: &[Vec<bool>]) -> Option<Vec<Verdict>> {
        self.ask_all_at(evidence, sets, f64::from(self.floor))
    }

    /// Whether a set is sufficient, once that is known.
    pub fn passes(&mut self, evidence: &Evidence, set: &[bool]) -> Option<bool> {
        let verdict = self.ask_at(evidence, set, f64::from(self.floor))?;
        Some(self.suffices(verdict))
    }

    /// Whether a verdict is that on a sufficient set.
    #[must_use]
    pub fn suffices(&self, verdict: Verdict) -> bool {
        // A label without a score suffices where no score is asked for.
        verdict.is_passing && (self.floor <= 0.0 || verdict.score >= self.floor)
    }

    /// The questions of the present round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// The same, to be changed.
    pub const fn round_mut(&mut self) -> &mut Round {
        &mut self.round
    }
}

/// A set without some groups of blocks.
#[must_use]
pub fn without(set: &[bool], groups: &[Group]) -> Vec<bool> {
    let mut rest = set.to_vec();
    groups.iter().flatten().for_each(|&block| rest[block] = false);
    rest
}

/// Number of blocks in a set.
#[must_use]
pub fn size(set: &[bool]) -> usize {
    set.iter().filter(|is_kept| **is_kept).count()
}

/// Blocks by their heat, best first; equals in reading order.
fn rank(heat: &[f64]) -> Vec<usize> {
    let mut ranking: Vec<usize> = (0..heat.len()).collect();
    ranking.sort_by(|&left, &right| heat[right].total_cmp(&heat[left]).then(left.cmp(&right)));
    ranking
}
