//! The survey: what single superpixels do, masked alone and shown alone.
//!
//! The paper cuts an image in four and refines what is a cause. A lattice of more superpixels is a partition of the image as
//! well. There is no asking all of its subsets; but each superpixel can be masked alone, in the intact image, and shown
//! alone, in the blank one: the questions of Definition 1 with an empty contingency, and of a sufficient set of one. Labels
//! seldom change by so little. Scores do, and what the score loses by the one and gains by the other orders the whole image
//! evenly, where partitions follow the evidence down. The two kinds of map err differently; their sum is better than either.

use crate::cause::verdict::Verdict;
use crate::evidence::evidence::Evidence;
use crate::evidence::round::Round;
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::heatmap::Accumulator;
use crate::pixels::region::{Grid, Region};

/// A survey of one image, on lattices of several sizes.
#[derive(Clone, Debug)]
pub struct Survey {
    height: u32,
    width: u32,
    whole: Fingerprint,
    lattices: Vec<Lattice>,
}

#[derive(Clone, Debug)]
struct Lattice {
    grid: Grid,
    /// Of each superpixel, the identity of the mutant that masks it alone, and of the one that shows it alone.
    prints: Vec<(Fingerprint, Fingerprint)>,
}

impl Survey {
    /// On lattices of so many superpixels a side each, the first ones that take no more questions in all than told.
    #[must_use]
    pub fn new(sides: &[u32], evidence: &Evidence, most: usize) -> Self {
        let (height, width, prints) = (evidence.height(), evidence.width(), evidence.prints());
        let mut questions = 0;
        let grids = sides.iter().map(|&side| Grid::new(height, width, side)).take_while(|grid| {
            questions += 2 * grid.n_blocks();
            questions <= most
        });
        let whole = prints.region(&evidence.whole());
        let lattices = grids.map(|grid| Lattice::new(grid, prints, whole)).collect();
        Self { height, width, whole, lattices }
    }

    /// Whether nothing is surveyed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lattices.is_empty()
    }

    /// Number of questions that it asks.
    #[must_use]
    pub fn n_questions(&self) -> u64 {
        self.lattices.iter().map(|lattice| 2 * lattice.prints.len() as u64).sum()
    }

    /// Queues every question whose verdict is not known.
    pub fn ask(&self, round: &mut Round, evidence: &Evidence) {
        for Lattice { grid, prints } in &self.lattices {
            for (block, &(masked, shown)) in prints.iter().enumerate() {
                round.ask(evidence, masked, || vec![grid.block(block)]);
                round.ask(evidence, shown, || others(grid, block));
            }
        }
    }

    /// The map, row by row, from 0 to 1: the mean over the lattices of what is lost and what is gained, each as a share of
    /// the most on its lattice. What is not known counts as 0; labels without scores count as all or nothing.
    #[must_use]
    pub fn map(&self, evidence: &Evidence) -> Vec<f32> {
        let score = |print: Fingerprint| evidence.verdict(print).map_or(f32::NAN, |verdict| verdict.score);
        let (intact, blank) = (score(Fingerprint::default()), score(self.whole));
        let lost = |verdict: Verdict| by_score(intact - verdict.score, !verdict.is_passing);
        let gained = |verdict: Verdict| by_score(verdict.score - blank, verdict.is_passing);
        let mut sums = Accumulator::new(self.height, self.width);
        for Lattice { grid, prints } in &self.lattices {
            let losses = prints.iter().map(|(masked, _)| evidence.verdict(*masked).map_or(0.0, lost)).collect();
            let gains = prints.iter().map(|(_, shown)| evidence.verdict(*shown).map_or(0.0, gained)).collect();
            for (block, (loss, gain)) in shares(losses).into_iter().zip(shares(gains)).enumerate() {
                sums.add(&grid.block(block), f64::midpoint(loss, gain));
            }
        }
        sums.mean(u32::try_from(self.lattices.len()).unwrap_or(u32::MAX))
    }
}

impl Lattice {
    fn new(grid: Grid, prints: &Fingerprinter, whole: Fingerprint) -> Self {
        let both = |block| {
            let print = prints.region(&grid.block(block));
            (print, whole.without(print))
        };
        Self { prints: (0..grid.n_blocks()).map(both).collect(), grid }
    }
}

/// All of a lattice but one superpixel.
fn others(grid: &Grid, shown: usize) -> Vec<Region> {
    let kept: Vec<bool> = (0..grid.n_blocks()).map(|block| block == shown).collect();
    grid.masked(&kept)
}

/// A change of the score, if upwards; without scores, whether the label changed.
fn by_score(change: f32, has_label_changed: bool) -> f64 {
    if change.is_nan() { f64::from(u8::from(has_label_changed)) } else { f64::from(change.max(0.0)) }
}

/// Values as shares of the largest.
fn shares(values: Vec<f64>) -> Vec<f64> {
    let most = values.iter().copied().fold(0.0, f64::max);
    if most > 0.0 { values.into_iter().map(|value| value / most).collect() } else { values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence::new(8, 8, None).expect("sides in range")
    }

    /// The classifier needs a pixel in the second row and third column of a 4 x 4 lattice over 8 x 8 pixels, and tells no score.
    fn surveyed(sides: &[u32], most: usize) -> Vec<f32> {
        let (mut evidence, mut round) = (evidence(), Round::default());
        let survey = Survey::new(sides, &evidence, most);
        evidence.learn_intact(Verdict { is_passing: true, score: 1.0 });
        survey.ask(&mut round, &evidence);
        while let Some(batch) = round.propose(&mut evidence, 5) {
            let verdicts: Vec<_> = batch
                .questions
                .iter()
                .map(|question| {
                    let sees = Region { top: 2, left: 4, bottom: 3, right: 5 };
                    let is_passing = question.masked.iter().all(|region| region.common_area(&sees) == 0);
                    Verdict { is_passing, score: f32::NAN }
                })
                .collect();
            round.submit(&mut evidence, batch.id, &verdicts).expect("the batch is in flight");
        }
        survey.map(&evidence)
    }

    #[test]
    fn the_superpixel_that_is_needed_and_suffices_has_all() {
        let map = surveyed(&[4], usize::MAX);
        let hot: Vec<usize> = (0..64).filter(|&pixel| map[pixel] > 0.0).collect();
        assert_eq!(hot, vec![20, 21, 28, 29]);
        assert!((map[20] - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn lattices_that_do_not_fit_the_budget_are_left_out() {
        assert_eq!(surveyed(&[4, 2], 39), surveyed(&[4], usize::MAX));
        assert_ne!(surveyed(&[4, 2], 40), surveyed(&[4], usize::MAX));
        assert!(Survey::new(&[4, 2], &evidence(), 31).is_empty());
    }
}
