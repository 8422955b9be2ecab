//! The options of an extraction, and its stages.

use crate::error::{Error, require};

/// The options of an extraction.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtractionOptions {
    /// Blocks a side of the finest lattice, over which the explanation is minimal.
    pub cells: u32,
    /// Scores below this do not suffice, whatever the label; 0 asks for the label alone.
    pub min_score: f32,
}

impl ExtractionOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_cells(self.cells)?;
        require(self.min_score >= 0.0, "min_score", self.min_score, "at least 0")
    }
}

/// The options of an extraction of nested sets.
#[derive(Clone, Debug, PartialEq)]
pub struct NestedOptions {
    /// Blocks a side of the lattice over which the sets are minimal.
    pub cells: u32,
    /// The least score of each set, outermost first, falling; 0 asks for the label alone.
    pub floors: Vec<f64>,
}

impl NestedOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let are_scores = self.floors.iter().all(|floor| floor.is_finite() && *floor >= 0.0);
        let is_falling = !self.floors.is_empty() && self.floors.is_sorted_by(|above, below| above >= below);
        let needed = "one or more scores of at least 0, falling";
        require(are_scores && is_falling, "floors", format!("{:?}", self.floors), needed)
    }
}

pub(crate) fn check_cells(cells: u32) -> Result<(), Error> {
    require((1..=256).contains(&cells), "grid", cells, "from 1 to 256 blocks a side")
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
