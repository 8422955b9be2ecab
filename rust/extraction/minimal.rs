//! A minimal set of a kind: sufficient beside others, contrastive, necessary, for another label, complete.
//!
//! What is demanded of it is a [`TwoSided`]. A first set that does is [sought](crate::extraction::seeking); [`Peeling`] then
//! takes squares of two by two blocks and single blocks from what was added to the blocks that it began with. At last it takes
//! single blocks from all of it, until none can go without losing what is demanded, or leaving a hole.

use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::extraction::blocks::{Blocks, size};
use crate::extraction::demand::{Hidden, TwoSided};
use crate::extraction::options::{Lattice, Stage};
use crate::extraction::peeling::Peeling;
use crate::extraction::seeking::{Ranked, SQUARE, Surveyed};
use crate::extraction::staged::{Course, Staged};
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::{Grid, Region, rectangles};

/// Units that are left out, each alone, before any of them is dropped, once all were.
const WINDOW: usize = 4;

/// What is looked for, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct MinimalOptions {
    /// The lattice over which the set is minimal.
    pub lattice: Lattice,
    /// The least and the most score that the label may have when the set alone is shown, where that is demanded.
    pub shown: Option<(f64, f64)>,
    /// What has to become of the label when the set is hidden, where that is demanded.
    pub hidden: Option<Hidden>,
    /// Pixels to begin with, row by row; none, or one a pixel of the image.
    pub base: Vec<bool>,
    /// Sets of pixels, row by row, of each of which at most a share may be used again.
    pub taken: Vec<Vec<bool>>,
    /// That share, of blocks; less than 1.
    pub overlap: f64,
    /// Whether squares are surveyed where the ranking leads nowhere.
    pub is_surveyed: bool,
}

/// The search for one minimal set: an [`Inquiry`].
#[derive(Clone, Debug)]
pub struct Minimal {
    course: Course,
    /// The mean heat of each block, as a share of the most.
    heat: Vec<f64>,
    demand: TwoSided,
    is_surveyed: bool,
    phase: Phase,
    grown: Option<Vec<bool>>,
}

/// What is done.
#[derive(Clone, Debug)]
enum Phase {
    Ranked(Ranked),
    Surveyed(Surveyed),
    /// Squares of what was added are dropped.
    Coarse(Peeling<TwoSided>),
    /// Single blocks of it are.
    Added(Peeling<TwoSided>),
    /// Single blocks of all are.
    Fine(Peeling<TwoSided>),
}

impl Minimal {
    /// Starts a search that ranks blocks by the mean of `heatmap` (row by row) over them, from what is known already, the
    /// verdict on the intact image among it.
    ///
    /// # Errors
    /// If an option is out of its range, the heatmap has not the image's size or a value that is not finite, or the verdict on
    /// the intact image is not known.
    pub fn new(options: &MinimalOptions, heatmap: &[f32], evidence: &Evidence) -> Result<Self, Error> {
        let (height, width) = (evidence.height(), evidence.width());
        let n_pixels = height as usize * width as usize;
        let (blocks, heat) = Blocks::by_share(&options.lattice, heatmap, evidence)?;
        require((0.0..1.0).contains(&options.overlap), "overlap", options.overlap, "at least 0 and less than 1")?;
        let Some(intact) = evidence.verdict(Fingerprint::default()) else {
            return Err(Error::OutOfRange { option: "intact", given: "unknown".into(), needed: "known" });
        };
        let covered = |pixels: &[bool]| -> Result<Vec<bool>, Error> {
            require(pixels.len() == n_pixels, "kept", pixels.len(), "one value a pixel")?;
            Ok(blocks_of(pixels, width as usize, &evidence.whole(), blocks.grid()))
        };
        let mut base = vec![false; blocks.grid().n_blocks()];
        if !options.base.is_empty() {
            base = covered(&options.base)?;
        }
        let taken = options.taken.iter().map(|pixels| covered(pixels)).collect::<Result<Vec<_>, _>>()?;
        let closed = closed(&taken, options.overlap, &blocks);
        base.iter_mut().zip(&closed).for_each(|(is_in, is_closed)| *is_in &= !is_closed);
        let demand = TwoSided::new(options.shown, options.hidden, intact, base.clone())?;
        let (phase, is_surveyed) = (Phase::Ranked(Ranked::new(base, closed, &blocks)), options.is_surveyed);
        let mut minimal = Self { course: Course::new(blocks), heat, demand, is_surveyed, phase, grown: None };
        minimal.advance(evidence);
        Ok(minimal)
    }

    /// The smallest set known to do what is demanded; `None` as long as there is none.
    #[must_use]
    pub fn kept(&self) -> Option<Vec<bool>> {
        match &self.phase {
            Phase::Ranked(ranked) => ranked.best(self.grid()),
            Phase::Surveyed(_) => None,
            Phase::Coarse(peeling) | Phase::Added(peeling) | Phase::Fine(peeling) => {
                Some(peeling.kept(&self.course.blocks))
            }
        }
    }
}

impl Staged for Minimal {
    fn course(&self) -> &Course {
        &self.course
    }

    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }

    fn grown(&self) -> Option<&[bool]> {
        self.grown.as_deref()
    }

    fn pursue(&mut self, evidence: &Evidence) -> Option<Stage> {
        let (blocks, heat, demand) = (&mut self.course.blocks, &self.heat, &self.demand);
        let found = match &mut self.phase {
            Phase::Ranked(ranked) => {
                let found = ranked.advance(demand, blocks, evidence)?;
                if found.is_none() && self.is_surveyed {
                    self.phase = Phase::Surveyed(ranked.survey());
                    return Some(Stage::Growth);
                }
                found
            }
            Phase::Surveyed(surveyed) => surveyed.advance(demand, blocks, evidence)?,
            Phase::Coarse(peeling) => {
                peeling.advance(demand, heat, blocks, evidence)?;
                let finer = Peeling::new(peeling.kept(blocks), 1, WINDOW, true);
                let has_base = size(demand.base()) > 0;
                self.phase = if has_base { Phase::Added(finer.holding(demand.base())) } else { Phase::Fine(finer) };
                return Some(Stage::Shrinking);
            }
            Phase::Added(peeling) => {
                peeling.advance(demand, heat, blocks, evidence)?;
                self.phase = Phase::Fine(Peeling::new(peeling.kept(blocks), 1, WINDOW, true));
                return Some(Stage::Shrinking);
            }
            Phase::Fine(peeling) => {
                peeling.advance(demand, heat, blocks, evidence)?;
                return Some(Stage::Minimal);
            }
        };
        let Some(grown) = found else { return Some(Stage::Stopped) };
        self.grown = Some(grown.clone());
        self.phase = if grown == demand.base() {
            Phase::Fine(Peeling::new(grown, 1, WINDOW, true))
        } else {
            Phase::Coarse(Peeling::new(grown, SQUARE, WINDOW, false).holding(demand.base()))
        };
        Some(Stage::Shrinking)
    }
}

/// The blocks with a pixel of a set.
fn blocks_of(pixels: &[bool], width: usize, whole: &Region, grid: &Grid) -> Vec<bool> {
    let outside: Vec<bool> = pixels.iter().map(|is_in| !is_in).collect();
    grid.cover(&rectangles(&outside, width, whole))
}

/// The blocks that must not be used: all but a share of each set taken, of which the best ranked may be used again.
fn closed(taken: &[Vec<bool>], overlap: f64, blocks: &Blocks) -> Vec<bool> {
    let mut closed = vec![false; blocks.grid().n_blocks()];
    for set in taken {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of few"
        )]
        let n_open = (overlap * size(set) as f64) as usize;
        let inside = blocks.ranking().iter().filter(|&&block| set[block]);
        inside.skip(n_open).for_each(|&block| closed[block] = true);
    }
    closed
}
