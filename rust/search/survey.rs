//! The survey: what single superpixels do, masked alone or shown alone, and in balanced halves.
//!
//! The paper cuts an image in four and refines what is a cause. A lattice of more superpixels is a partition of the image as
//! well. There is no asking all of its subsets; but each superpixel can be masked alone, in the intact image, or shown
//! alone, in the blank one: the questions of Definition 1 with an empty contingency, and of a sufficient set of one. Labels
//! seldom change by so little. Scores do, and what the score loses by the one and gains by the other orders the whole image
//! evenly, where partitions follow the evidence down. Masked alone a superpixel loses little where others say the same, and
//! shown alone it gains little where it takes several: in balanced halves ([`Balanced`]) of all superpixels each answer tells
//! of both. The kinds of map err differently; their sum is better than any.

use crate::cause::verdict::{MEASURED, Verdict};
use crate::evidence::evidence::Evidence;
use crate::evidence::round::Round;
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::heatmap::{Accumulator, shares};
use crate::pixels::region::{Grid, Region};
use crate::search::balanced::{Balanced, score as counted};

/// What the map has of the gains, as a share of what it has of the losses.
const GAINS: f64 = 0.5;

/// A survey of one image, on lattices of several sizes.
#[derive(Clone, Debug)]
pub struct Survey {
    height: u32,
    width: u32,
    whole: Fingerprint,
    /// Where superpixels are masked alone, and where they are shown alone.
    masked: Vec<Lattice>,
    shown: Vec<Lattice>,
    /// Where balanced halves are shown.
    halved: Vec<Halved>,
}

/// A lattice whose superpixels are shown in balanced halves.
#[derive(Clone, Debug)]
struct Halved {
    grid: Grid,
    balanced: Balanced,
    /// Of each run, the identity of the mutant that is asked about.
    prints: Vec<Fingerprint>,
}

#[derive(Clone, Debug)]
struct Lattice {
    grid: Grid,
    /// Of each superpixel, the identity of the mutant that is asked about.
    prints: Vec<Fingerprint>,
}

impl Survey {
    /// On lattices of so many superpixels a side each, masked alone, shown alone and shown in balanced halves: of the ones then
    /// of the others, the first that take no more questions in all than told.
    #[must_use]
    pub fn new(sides: &Sides<'_>, evidence: &Evidence, most: usize) -> Self {
        let (height, width, prints) = (evidence.height(), evidence.width(), evidence.prints());
        let whole = prints.region(&evidence.whole());
        let mut survey = Self { height, width, whole, masked: Vec::new(), shown: Vec::new(), halved: Vec::new() };
        let kinds = [(sides.masked, Kind::Masked), (sides.shown, Kind::Shown), (sides.halved, Kind::Halved)];
        let mut questions = 0;
        for (side, kind) in kinds.into_iter().flat_map(|(sides, kind)| sides.iter().map(move |side| (*side, kind))) {
            let grid = Grid::new(height, width, side);
            let block = |block| prints.region(&grid.block(block));
            let blocks = 0..grid.n_blocks();
            let balanced = Balanced::new(grid.n_blocks());
            let asked: Vec<Fingerprint> = match kind {
                Kind::Masked => blocks.map(block).collect(),
                Kind::Shown => blocks.map(|one| whole.without(block(one))).collect(),
                Kind::Halved => balanced.runs().map(|run| prints.regions(&rest(&grid, &balanced, run))).collect(),
            };
            questions += asked.len();
            if questions > most {
                break;
            }
            match kind {
                Kind::Masked => survey.masked.push(Lattice { prints: asked, grid }),
                Kind::Shown => survey.shown.push(Lattice { prints: asked, grid }),
                Kind::Halved => survey.halved.push(Halved { prints: asked, grid, balanced }),
            }
        }
        survey
    }

    /// Whether nothing is surveyed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.masked.is_empty() && self.shown.is_empty() && self.halved.is_empty()
    }

    /// Number of questions that it asks.
    #[must_use]
    pub fn n_questions(&self) -> u64 {
        let alone = self.masked.iter().chain(&self.shown).map(|lattice| lattice.prints.len());
        alone.chain(self.halved.iter().map(|lattice| lattice.prints.len())).map(|n| n as u64).sum()
    }

    /// Queues every question whose verdict is not known.
    pub fn ask(&self, round: &mut Round, evidence: &Evidence) {
        for Lattice { grid, prints } in &self.masked {
            for (block, &print) in prints.iter().enumerate() {
                round.ask_at(evidence, print, MEASURED, || vec![grid.block(block)]);
            }
        }
        for Lattice { grid, prints } in &self.shown {
            for (block, &print) in prints.iter().enumerate() {
                round.ask_at(evidence, print, MEASURED, || others(grid, block));
            }
        }
        for Halved { grid, balanced, prints } in &self.halved {
            for (run, &print) in balanced.runs().zip(prints) {
                round.ask_at(evidence, print, MEASURED, || rest(grid, balanced, run));
            }
        }
    }

    /// The map, row by row, from 0 to 1, as a share of its peak: what is lost, the mean over the lattices, half of what is
    /// gained, and effects in balanced halves as far as they are for the label, each as a share of the most on its lattice.
    /// What is not known counts as 0, and so do halves of which one is not known; labels without scores count as all or
    /// nothing.
    #[must_use]
    pub fn map(&self, evidence: &Evidence) -> Vec<f32> {
        let score = |print: Fingerprint| evidence.verdict_at(print, MEASURED).map_or(f32::NAN, |verdict| verdict.score);
        let (intact, blank) = (score(Fingerprint::default()), score(self.whole));
        let lost = |verdict: Verdict| by_score(intact - verdict.score, !verdict.is_passing);
        let gained = |verdict: Verdict| by_score(verdict.score - blank, verdict.is_passing);
        let mut sums = Accumulator::new(self.height, self.width);
        for lattice in &self.masked {
            lattice.add(&mut sums, 1.0 / precise(self.masked.len()), |print| {
                evidence.verdict_at(print, MEASURED).map_or(0.0, lost)
            });
        }
        for lattice in &self.shown {
            let weight = GAINS / precise(self.shown.len());
            lattice.add(&mut sums, weight, |print| evidence.verdict_at(print, MEASURED).map_or(0.0, gained));
        }
        for lattice in &self.halved {
            lattice.add(&mut sums, 1.0 / precise(self.halved.len()), evidence);
        }
        let mut map = sums.mean(1);
        let peak = map.iter().copied().fold(0.0, f32::max);
        if peak > 0.0 {
            map.iter_mut().for_each(|value| *value /= peak);
        }
        map
    }
}

impl Lattice {
    /// Adds what was found of each superpixel, as a share of the most, times a weight.
    fn add(&self, sums: &mut Accumulator, weight: f64, found: impl Fn(Fingerprint) -> f64) {
        add(sums, &self.grid, weight, self.prints.iter().map(|&print| found(print)).collect());
    }
}

impl Halved {
    /// Adds the superpixels' effects, as shares of the most, times a weight; nothing unless every run was answered.
    fn add(&self, sums: &mut Accumulator, weight: f64, evidence: &Evidence) {
        let score = |&print| evidence.verdict_at(print, MEASURED).map(counted);
        if let Some(scores) = self.prints.iter().map(score).collect::<Option<Vec<f64>>>() {
            let effects = self.balanced.effects(&scores);
            add(sums, &self.grid, weight, effects.into_iter().map(|effect| effect.max(0.0)).collect());
        }
    }
}

/// Adds to each block of a lattice its share of the most that was found, times a weight.
fn add(sums: &mut Accumulator, grid: &Grid, weight: f64, found: Vec<f64>) {
    shares(found).into_iter().enumerate().for_each(|(block, share)| sums.add(&grid.block(block), weight * share));
}

/// Superpixels a side of lattices: which are masked alone, which are shown alone, and which in balanced halves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sides<'a> {
    /// Of which every superpixel is masked alone.
    pub masked: &'a [u32],
    /// Of which every superpixel is shown alone.
    pub shown: &'a [u32],
    /// Of which balanced halves are shown.
    pub halved: &'a [u32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Masked,
    Shown,
    Halved,
}

#[expect(clippy::cast_precision_loss, reason = "lattices are few")]
const fn precise(count: usize) -> f64 {
    count as f64
}

/// All of a lattice but one superpixel.
fn others(grid: &Grid, shown: usize) -> Vec<Region> {
    let kept: Vec<bool> = (0..grid.n_blocks()).map(|block| block == shown).collect();
    grid.masked(&kept)
}

/// What a run of balanced halves masks.
fn rest(grid: &Grid, balanced: &Balanced, run: u32) -> Vec<Region> {
    let kept: Vec<bool> = (0..grid.n_blocks()).map(|block| balanced.keeps(run, block)).collect();
    grid.masked(&kept)
}

/// A change of the score, if upwards; without scores, whether the label changed.
fn by_score(change: f32, has_label_changed: bool) -> f64 {
    if change.is_nan() { f64::from(u8::from(has_label_changed)) } else { f64::from(change.max(0.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence::new(8, 8, None).expect("sides in range")
    }

    /// The classifier needs a pixel in the second row and third column of a 4 x 4 lattice over 8 x 8 pixels, and tells no score.
    fn surveyed(masked: &[u32], shown: &[u32], most: usize) -> Vec<f32> {
        surveyed_on(&Sides { masked, shown, halved: &[] }, most)
    }

    fn surveyed_on(sides: &Sides<'_>, most: usize) -> Vec<f32> {
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
        for (masked, shown) in [(&[4][..], &[4][..]), (&[4], &[]), (&[], &[4])] {
            let map = surveyed(masked, shown, usize::MAX);
            let hot: Vec<usize> = (0..64).filter(|&pixel| map[pixel] > 0.0).collect();
            assert_eq!(hot, vec![20, 21, 28, 29]);
            assert!((map[20] - 1.0).abs() < f32::EPSILON);
        }
    }

    #[test]
    fn what_is_lost_counts_twice_what_is_gained() {
        let map = surveyed(&[4], &[2], usize::MAX);
        assert!((map[20] - 1.0).abs() < f32::EPSILON);
        assert!((map[4] - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn halves_that_lack_a_run_say_nothing() {
        let halved = Sides { halved: &[4], ..Sides::default() };
        let map = surveyed_on(&halved, 32);
        assert_eq!((0..64).filter(|&pixel| map[pixel] > 0.0).collect::<Vec<_>>(), vec![20, 21, 28, 29]);
        assert!(Survey::new(&halved, &evidence(), 31).is_empty());
        assert!(Survey::new(&halved, &evidence(), 32).map(&evidence()).iter().all(|&value| value == 0.0));
    }

    #[test]
    fn lattices_that_do_not_fit_the_budget_are_left_out() {
        assert_eq!(surveyed(&[4, 2], &[3], 19), surveyed(&[4], &[], usize::MAX));
        assert_eq!(surveyed(&[4, 2], &[3], 28), surveyed(&[4, 2], &[], usize::MAX));
        assert_ne!(surveyed(&[4, 2], &[3], 29), surveyed(&[4, 2], &[], usize::MAX));
        assert!(Survey::new(&Sides { masked: &[4, 2], ..Sides::default() }, &evidence(), 15).is_empty());
    }
}
