//! Nested sufficient sets: one for each floor of the score, each within the one before.
//!
//! The outermost keeps the label and about all of the score, the next one less of it, and the innermost the label alone. About
//! the shortest prefix of the ranked blocks that reaches the first floor is found by zooming, its holes filled;
//! [`Peeling`] takes squares of two by two blocks from it, then single blocks, and goes on from there to lower floors. Each set
//! is minimal: no single block can go without losing label or floor, or leaving a hole.

use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::extraction::blocks::Blocks;
use crate::extraction::compact::filled;
use crate::extraction::judge::Judge;
use crate::extraction::options::{NestedOptions, Stage};
use crate::extraction::peeling::Peeling;
use crate::extraction::staged::{Course, Staged};
use crate::extraction::zoom::points;

/// Of all blocks, the share by which the first set may be longer than the shortest prefix that is sufficient.
const PRECISION: usize = 64;
/// Blocks a side of the squares that are dropped first.
const COARSE: usize = 2;
/// Units that are left out, each alone, before any of them is dropped, once all were.
const WINDOW: usize = 8;

/// An extraction of one image's nested sets: an [`Inquiry`].
#[derive(Clone, Debug)]
pub struct Nested {
    course: Course,
    /// The mean heat of each block, as a share of the most.
    heat: Vec<f64>,
    floors: Vec<f64>,
    phase: Phase,
    grown: Option<Vec<bool>>,
    /// The sets that are done.
    levels: Vec<Vec<bool>>,
}

/// What is done about the present set.
#[derive(Clone, Debug)]
enum Phase {
    /// The verdict on all blocks is sought.
    Beginning,
    /// A prefix of the ranking that is longer than `low` and at most `high`, which suffices.
    Growing { judge: Judge, low: usize, high: usize },
    /// Squares are dropped.
    Coarse { judge: Judge, peeling: Peeling<Judge> },
    /// Single blocks are, floor by floor.
    Fine { judge: Judge, peeling: Peeling<Judge> },
}

impl Nested {
    /// Starts an extraction that ranks blocks by the mean of `heatmap` (row by row) over them, from what is known already.
    ///
    /// # Errors
    /// If an option is out of its range, or the heatmap has not the image's size or a value that is not finite.
    pub fn new(options: NestedOptions, heatmap: &[f32], evidence: &Evidence) -> Result<Self, Error> {
        options.check()?;
        let (blocks, heat) = Blocks::by_share(&options.lattice, heatmap, evidence)?;
        let (floors, phase) = (options.floors, Phase::Beginning);
        let mut nested = Self { course: Course::new(blocks), heat, floors, phase, grown: None, levels: Vec::new() };
        nested.advance(evidence);
        Ok(nested)
    }

    /// The floor, counted from 0, whose set is worked on; the last one at the end.
    #[must_use]
    pub fn level(&self) -> usize {
        self.levels.len().min(self.floors.len() - 1)
    }

    /// The set of each floor, outermost first, and whether it is known to be minimal. Those that are still to be worked on are
    /// the smallest set known to be sufficient.
    #[must_use]
    pub fn levels(&self) -> Vec<(Vec<bool>, bool)> {
        let mut levels: Vec<_> = self.levels.iter().map(|set| (set.clone(), true)).collect();
        if levels.len() < self.floors.len() {
            levels.resize(self.floors.len(), (self.kept(), false));
        }
        levels
    }

    /// The smallest set known to be sufficient for the present floor.
    fn kept(&self) -> Vec<bool> {
        match &self.phase {
            Phase::Beginning => self.course.blocks.all(),
            Phase::Growing { high, .. } => self.prefix(*high),
            Phase::Coarse { peeling, .. } | Phase::Fine { peeling, .. } => peeling.kept(&self.course.blocks),
        }
    }

    /// The best blocks, so many, and the holes among them.
    fn prefix(&self, length: usize) -> Vec<bool> {
        filled(&self.course.blocks.prefix(length), self.course.blocks.grid())
    }

    /// About the shortest sufficient prefix that is longer than `low` and at most `high`.
    fn grow(&mut self, judge: Judge, mut low: usize, mut high: usize, evidence: &Evidence) -> Option<Vec<bool>> {
        let close = (self.heat.len() / PRECISION).max(1);
        while high - low > close {
            let lengths = points(low, high);
            if lengths.is_empty() {
                break;
            }
            let prefixes: Vec<_> = lengths.iter().map(|&length| self.prefix(length)).collect();
            let verdicts = self.course.blocks.ask_all_at(evidence, &prefixes, judge.floor())?;
            (low, high) = match verdicts.into_iter().position(|verdict| judge.suffices(verdict)) {
                None => (lengths[lengths.len() - 1], high),
                Some(0) => (low, lengths[0]),
                Some(first) => (lengths[first - 1], lengths[first]),
            };
            self.phase = Phase::Growing { judge, low, high };
        }
        Some(self.prefix(high))
    }
}

impl Staged for Nested {
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
        let (blocks, heat) = (&mut self.course.blocks, &self.heat);
        match &mut self.phase {
            Phase::Beginning => {
                let all = blocks.all();
                let intact = blocks.ask_at(evidence, &all, self.floors[0])?;
                let judge = Judge::new(intact, self.floors[0]);
                if !judge.suffices(intact) {
                    return Some(Stage::Stopped);
                }
                self.phase = Phase::Growing { judge, low: 0, high: all.len() };
                Some(Stage::Growth)
            }
            &mut Phase::Growing { judge, low, high } => {
                let grown = self.grow(judge, low, high, evidence)?;
                self.grown = Some(grown.clone());
                self.phase = Phase::Coarse { judge, peeling: Peeling::new(grown, COARSE, WINDOW, false) };
                Some(Stage::Shrinking)
            }
            Phase::Coarse { judge, peeling } => {
                let judge = *judge;
                peeling.advance(&judge, heat, blocks, evidence)?;
                self.phase = Phase::Fine { judge, peeling: Peeling::new(peeling.kept(blocks), 1, WINDOW, true) };
                Some(Stage::Shrinking)
            }
            Phase::Fine { judge, peeling } => {
                peeling.advance(judge, heat, blocks, evidence)?;
                self.levels.push(peeling.kept(blocks));
                let Some(&floor) = self.floors.get(self.levels.len()) else { return Some(Stage::Minimal) };
                *judge = judge.with_floor(floor);
                peeling.begin_floor();
                Some(Stage::Shrinking)
            }
        }
    }
}
