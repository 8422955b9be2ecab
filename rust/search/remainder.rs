//! The remainder: what still matters once an explanation is gone.
//!
//! With the explanation masked, a label may yet be given, or part of its score be left: other parts of the image speak for it
//! too. Each cell of a lattice is masked besides the explanation, and what the score loses by that is the cell's.

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::evidence::round::Round;
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::{Grid, Region, rectangles};

/// An [`Inquiry`] of one round: an explanation masked alone, and with each cell of a lattice.
#[derive(Clone, Debug)]
pub struct Remainder {
    kept: Vec<bool>,
    width: usize,
    /// The explanation, masked alone.
    base: Fingerprint,
    /// The cells that do not lie within it, and what is asked of each.
    cells: Vec<(Region, Fingerprint)>,
    round: Round,
    /// What was found, row by row.
    map: Vec<f32>,
    is_done: bool,
}

impl Remainder {
    /// About the pixels of an explanation (row by row), on a lattice of `side` cells a side.
    ///
    /// # Errors
    /// If the explanation has not the image's size, or the side is out of its range.
    pub fn new(kept: Vec<bool>, side: u32, evidence: &Evidence) -> Result<Self, Error> {
        let (height, width) = (evidence.height(), evidence.width());
        require((1..=32).contains(&side), "side", side, "from 1 to 32 cells a side")?;
        require(kept.len() as u64 == evidence.whole().area(), "kept", kept.len(), "one value a pixel")?;
        let (grid, columns) = (Grid::new(height, width, side), width as usize);
        let explanation = rectangles(&kept, columns, &evidence.whole());
        let base = evidence.prints().regions(&explanation);
        let mut round = Round::default();
        round.ask(evidence, base, || explanation.clone());
        let rest: Vec<bool> = kept.iter().map(|is_kept| !is_kept).collect();
        let mut cells = Vec::new();
        for cell in (0..grid.n_blocks()).map(|block| grid.block(block)) {
            let beside = rectangles(&rest, columns, &cell);
            if !beside.is_empty() {
                let print = base.union(evidence.prints().regions(&beside));
                round.ask(evidence, print, || [explanation.clone(), beside].concat());
                cells.push((cell, print));
            }
        }
        let map = vec![0.0; kept.len()];
        let mut remainder = Self { kept, width: columns, base, cells, round, map, is_done: false };
        if remainder.round.is_over(evidence) {
            remainder.advance(evidence);
        }
        Ok(remainder)
    }

    /// What the score loses with each cell, once the explanation is masked, as a share of the intact image's score, row by
    /// row; 0 within the explanation, where nothing is lost, and as long as nothing is known. Labels without scores count as
    /// all or nothing.
    #[must_use]
    pub fn heatmap(&self) -> &[f32] {
        &self.map
    }

    /// Draws what is known.
    fn draw(&mut self, evidence: &Evidence) {
        let Some(base) = evidence.verdict(self.base) else { return };
        let intact = evidence.verdict(Fingerprint::default()).map_or(f32::NAN, |verdict| verdict.score);
        let scale = if intact > 0.0 { intact } else { 1.0 };
        for (cell, print) in &self.cells {
            let lost = evidence.verdict(*print).map_or(0.0, |verdict| lost(base, verdict, scale));
            for row in cell.top as usize..cell.bottom as usize {
                let pixels = row * self.width + cell.left as usize..row * self.width + cell.right as usize;
                let values = self.map[pixels.clone()].iter_mut().zip(&self.kept[pixels]);
                values.filter(|(_, is_kept)| !**is_kept).for_each(|(value, _)| *value = lost);
            }
        }
    }
}

/// What is lost between two verdicts.
fn lost(before: Verdict, after: Verdict, scale: f32) -> f32 {
    let change = (before.score - after.score) / scale;
    if change.is_nan() { f32::from(before.is_passing && !after.is_passing) } else { change.max(0.0) }
}

impl Inquiry for Remainder {
    fn is_done(&self) -> bool {
        self.is_done
    }

    fn round(&self) -> &Round {
        &self.round
    }

    fn round_mut(&mut self) -> &mut Round {
        &mut self.round
    }

    fn advance(&mut self, evidence: &Evidence) {
        self.round.abandon();
        self.draw(evidence);
        self.is_done = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_without_the_explanation_is_found() {
        let mut evidence = Evidence::new(8, 8, None).expect("sides in range");
        evidence.learn_intact(Verdict { is_passing: true, score: 0.8 });
        let kept: Vec<bool> = (0..64).map(|pixel| pixel % 8 < 3).collect();
        let mut remainder = Remainder::new(kept, 2, &evidence).expect("options in range");
        let sees = Region { top: 5, left: 5, bottom: 6, right: 6 };
        let mut n_asked = 0;
        while let Some(batch) = remainder.propose(&mut evidence, 3) {
            let score = |hidden: u64| if hidden > 0 { 0.2 } else { 0.6 };
            let hidden = |regions: &[Region]| regions.iter().map(|region| region.common_area(&sees)).sum();
            let verdicts = batch.questions.iter().map(|question| score(hidden(&question.masked)));
            let verdicts: Vec<_> = verdicts.map(|score| Verdict { is_passing: true, score }).collect();
            n_asked += verdicts.len();
            remainder.submit(&mut evidence, batch.id, &verdicts).expect("the batch is in flight");
        }
        assert_eq!((n_asked, remainder.is_done()), (5, true));
        for (pixel, &value) in remainder.heatmap().iter().enumerate() {
            let expected = if pixel / 8 >= 4 && pixel % 8 >= 4 { 0.5 } else { 0.0 };
            assert!((value - expected).abs() < 1e-6, "pixel {pixel}");
        }
    }
}
