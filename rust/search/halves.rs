//! Halves: what matters outside of an explanation, by masked images of which every one shows half of the rest.
//!
//! The cells of a lattice are kept in balanced halves ([`Balanced`]). A cell's effect is found in two worlds, with the
//! explanation shown and with it masked; the two estimate the cell's Banzhaf value (Banzhaf 1965) with the explanation as a
//! player. Nothing is random.

use crate::cause::verdict::MEASURED;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::evidence::round::Round;
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::{Grid, Region, rectangles};
use crate::search::balanced::{Balanced, score};

/// In which worlds halves are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// With the explanation shown.
    Shown,
    /// With the explanation shown, and with it masked.
    Both,
}

/// One of the worlds: whether the explanation is shown, and what is asked there, a question a run.
#[derive(Clone, Debug)]
struct World {
    is_shown: bool,
    runs: Vec<Fingerprint>,
}

/// An [`Inquiry`] of one round about halves of the cells of a lattice.
#[derive(Clone, Debug)]
pub struct Halves {
    explanation: Vec<bool>,
    width: usize,
    cells: Vec<Region>,
    balanced: Balanced,
    worlds: Vec<World>,
    round: Round,
    /// What was found, row by row.
    map: Vec<f32>,
    is_done: bool,
}

impl Halves {
    /// About what lies outside of an explanation (its pixels row by row), on a lattice of `side` cells a side.
    ///
    /// # Errors
    /// If the explanation has not the image's size, or the side is out of its range.
    pub fn new(explanation: Vec<bool>, side: u32, beside: Beside, evidence: &Evidence) -> Result<Self, Error> {
        let (height, width) = (evidence.height(), evidence.width());
        require((1..=11).contains(&side), "side", side, "from 1 to 11 cells a side")?;
        require(explanation.len() as u64 == evidence.whole().area(), "kept", explanation.len(), "one value a pixel")?;
        let grid = Grid::new(height, width, side);
        let cells: Vec<Region> = (0..grid.n_blocks()).map(|block| grid.block(block)).collect();
        let balanced = Balanced::new(cells.len());
        let map = vec![0.0; explanation.len()];
        let worlds = match beside {
            Beside::Shown => vec![World { is_shown: true, runs: Vec::new() }],
            Beside::Both => [true, false].map(|is_shown| World { is_shown, runs: Vec::new() }).to_vec(),
        };
        let mut halves = Self {
            explanation,
            width: width as usize,
            cells,
            balanced,
            worlds,
            round: Round::default(),
            map,
            is_done: false,
        };
        halves.ask(evidence);
        if halves.round.is_over(evidence) {
            halves.advance(evidence);
        }
        Ok(halves)
    }

    /// The effects of the cells outside of the explanation, row by row, as shares of the greatest, from -1 to 1: what shows the
    /// label is above 0, what speaks against it below. All are 0 within the explanation, and where not every half was answered.
    #[must_use]
    pub fn heatmap(&self) -> &[f32] {
        &self.map
    }

    /// Whether a run keeps a cell. In the world with the explanation masked the runs are the complements.
    fn keeps(&self, is_shown: bool, run: u32, cell: usize) -> bool {
        self.balanced.keeps(run, cell) == is_shown
    }

    fn ask(&mut self, evidence: &Evidence) {
        let mut worlds = std::mem::take(&mut self.worlds);
        for world in &mut worlds {
            world.runs = self.balanced.runs().map(|run| self.ask_run(world.is_shown, run, evidence)).collect();
        }
        self.worlds = worlds;
    }

    /// Queues the question of a run, and returns it.
    fn ask_run(&mut self, is_shown: bool, run: u32, evidence: &Evidence) -> Fingerprint {
        // The explanation is shown in the one world and masked in the other, whatever the cells say.
        let mut masked: Vec<bool> = self.explanation.iter().map(|&is_in| is_in && !is_shown).collect();
        for (_, region) in self.cells.iter().enumerate().filter(|(cell, _)| !self.keeps(is_shown, run, *cell)) {
            for row in region.top as usize..region.bottom as usize {
                let pixels = row * self.width + region.left as usize..row * self.width + region.right as usize;
                let outside = masked[pixels.clone()].iter_mut().zip(&self.explanation[pixels]);
                outside.filter(|(_, is_in)| !**is_in).for_each(|(is_masked, _)| *is_masked = true);
            }
        }
        let regions = rectangles(&masked, self.width, &evidence.whole());
        let print = evidence.prints().regions(&regions);
        self.round.ask_at(evidence, print, MEASURED, || regions);
        print
    }

    /// Draws what is known, if all of it is.
    fn draw(&mut self, evidence: &Evidence) {
        let Some(effects) = self.effects(evidence) else { return };
        let outside: Vec<bool> = self.cells.iter().map(|cell| self.reaches_out(cell)).collect();
        let effects =
            effects.into_iter().zip(outside).map(|(effect, is_outside)| if is_outside { effect } else { 0.0 });
        let effects: Vec<f64> = effects.collect();
        let most = effects.iter().fold(0.0, |most: f64, effect| most.max(effect.abs()));
        if most <= 0.0 {
            return;
        }
        for (cell, effect) in self.cells.iter().zip(effects) {
            #[expect(clippy::cast_possible_truncation, reason = "a map has single precision")]
            let share = (effect / most) as f32;
            for row in cell.top as usize..cell.bottom as usize {
                let pixels = row * self.width + cell.left as usize..row * self.width + cell.right as usize;
                let values = self.map[pixels.clone()].iter_mut().zip(&self.explanation[pixels]);
                values.filter(|(_, is_in)| !**is_in).for_each(|(value, _)| *value = share);
            }
        }
    }

    /// Whether a cell has pixels outside of the explanation.
    fn reaches_out(&self, cell: &Region) -> bool {
        let columns = cell.left as usize..cell.right as usize;
        let mut rows = cell.top as usize..cell.bottom as usize;
        rows.any(|row| self.explanation[row * self.width..][columns.clone()].contains(&false))
    }

    /// The sum of each cell's effects in the worlds; `None` unless every run was answered.
    fn effects(&self, evidence: &Evidence) -> Option<Vec<f64>> {
        let mut effects = vec![0.0; self.cells.len()];
        for world in &self.worlds {
            let scores: Option<Vec<f64>> =
                world.runs.iter().map(|&run| evidence.verdict_at(run, MEASURED).map(score)).collect();
            // With the explanation masked the runs are the complements.
            let sign = if world.is_shown { 1.0 } else { -1.0 };
            let found = self.balanced.effects(&scores?);
            effects.iter_mut().zip(found).for_each(|(effect, found)| *effect += sign * found);
        }
        Some(effects)
    }
}

impl Inquiry for Halves {
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
    use crate::cause::verdict::Verdict;

    #[test]
    fn a_cell_that_counts_has_the_greatest_effect() {
        let mut evidence = Evidence::new(10, 10, None).expect("sides in range");
        evidence.learn_intact(Verdict { is_passing: true, score: 0.9 });
        let explanation: Vec<bool> = (0..100).map(|pixel| pixel < 20).collect();
        let mut halves = Halves::new(explanation, 5, Beside::Both, &evidence).expect("options in range");
        let sees = Region { top: 7, left: 7, bottom: 8, right: 8 };
        while let Some(batch) = halves.propose(&mut evidence, 7) {
            let hidden = |regions: &[Region]| regions.iter().any(|region| region.common_area(&sees) > 0);
            let verdicts: Vec<_> = batch
                .questions
                .iter()
                .map(|question| Verdict { is_passing: true, score: if hidden(&question.masked) { 0.1 } else { 0.9 } })
                .collect();
            halves.submit(&mut evidence, batch.id, &verdicts).expect("the batch is in flight");
        }
        assert!(halves.is_done());
        for (pixel, &value) in halves.heatmap().iter().enumerate() {
            let is_seen = (6..8).contains(&(pixel / 10)) && (6..8).contains(&(pixel % 10));
            assert!((value - if is_seen { 1.0 } else { 0.0 }).abs() < 1e-6, "pixel {pixel} has {value}");
        }
    }
}
