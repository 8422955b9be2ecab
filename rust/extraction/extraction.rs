//! Extraction of a minimal sufficient explanation: growth, then shrinking.
//!
//! An explanation is a minimal set of pixels that is sufficient for the label: with everything else masked, the mutant
//! still passes (paper, Definition 2). Blocks are ranked by the heatmap; [`Growth`] finds a small set of them that is
//! sufficient, and [`Shrinking`] drops what it can do without. The set is 1-minimal: no single block can go.

use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::extraction::blocks::Blocks;
use crate::extraction::growth::{Grown, Growth};
use crate::extraction::options::{ExtractionOptions, Stage};
use crate::extraction::shrinking::{Shrinking, sides};
use crate::extraction::staged::{Course, Staged};
use crate::pixels::region::Grid;

/// An extraction of one image's explanation: an [`Inquiry`].
#[derive(Clone, Debug)]
pub struct Extraction {
    course: Course,
    growth: Growth,
    /// What follows on growth.
    shrinking: Option<Shrinking>,
}

impl Extraction {
    /// Starts an extraction that ranks blocks by the mean of `heatmap` (row by row) over them, from what is known already.
    ///
    /// # Errors
    /// If an option is out of its range or the heatmap has not the image's size.
    pub fn new(options: &ExtractionOptions, heatmap: &[f32], evidence: &Evidence) -> Result<Self, Error> {
        options.check()?;
        let (height, width) = (evidence.height(), evidence.width());
        let n_pixels = height as usize * width as usize;
        require(heatmap.len() == n_pixels, "heatmap", heatmap.len(), "one value a pixel")?;
        let blocks = Blocks::new(Grid::new(height, width, options.cells), heatmap, options.min_score, evidence);
        let growth = Growth::new(&blocks, evidence);
        let mut extraction = Self { course: Course::new(blocks), growth, shrinking: None };
        extraction.advance(evidence);
        Ok(extraction)
    }

    /// The blocks of the smallest set known to be sufficient, row by row.
    #[must_use]
    pub fn kept(&self) -> &[bool] {
        self.shrinking.as_ref().map_or_else(|| self.growth.smallest(), Shrinking::kept)
    }

    /// The blocks by the heatmap, best first.
    #[must_use]
    pub fn ranking(&self) -> &[usize] {
        self.course.blocks.ranking()
    }

    /// The blocks by what the extraction found, best first: the kept ones, then those dropped, the last first, then the
    /// rest; the kept ones and the rest by the heatmap.
    ///
    /// Every set that shrinking went through is a prefix of this ranking, and sufficient.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let (kept, started) = (self.kept(), self.grown().unwrap_or_else(|| self.kept()));
        let dropped = self.shrinking.as_ref().map_or(&[][..], Shrinking::dropped);
        let (inside, outside): (Vec<usize>, Vec<usize>) = self.ranking().iter().partition(|&&block| started[block]);
        let kept = inside.into_iter().filter(|&block| kept[block]);
        kept.chain(dropped.iter().rev().copied()).chain(outside).collect()
    }

    /// Where each block stands in that order, 0 for the best, row by row.
    #[must_use]
    pub fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.grid().n_blocks()];
        self.order().into_iter().enumerate().for_each(|(rank, block)| ranks[block] = rank);
        ranks
    }
}

impl Staged for Extraction {
    fn course(&self) -> &Course {
        &self.course
    }

    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }

    fn grown(&self) -> Option<&[bool]> {
        self.shrinking.as_ref().map(Shrinking::started)
    }

    fn pursue(&mut self, evidence: &Evidence) -> Option<Stage> {
        if let Some(shrinking) = &mut self.shrinking {
            return shrinking.advance(&mut self.course.blocks, evidence).map(|()| Stage::Minimal);
        }
        match self.growth.advance(&mut self.course.blocks, evidence)? {
            Grown::Nothing => Some(Stage::Stopped),
            Grown::Sufficient(set) => {
                self.shrinking = Some(Shrinking::new(set, sides(self.grid())));
                Some(Stage::Shrinking)
            }
        }
    }
}
