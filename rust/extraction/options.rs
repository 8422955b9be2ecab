//! The options of an extraction, and its stages.

use crate::error::{Error, require};
use crate::pixels::region::Grid;

/// The blocks over which an extraction is minimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lattice {
    /// So many a side, as even as whole pixels allow.
    Even(u32),
    /// Between lines: where rows of blocks begin and end, and columns, from 0 to the image's height and width.
    Lines(Vec<u32>, Vec<u32>),
}

impl Lattice {
    /// The lattice of an image.
    ///
    /// # Errors
    /// If there are none or too many blocks, or lines do not ascend from 0 to the side.
    pub(crate) fn grid(&self, height: u32, width: u32) -> Result<Grid, Error> {
        match self {
            Self::Even(cells) => {
                check_cells(*cells)?;
                Ok(Grid::new(height, width, *cells))
            }
            Self::Lines(rows, columns) => {
                for (lines, side) in [(rows, height), (columns, width)] {
                    check_cells(u32::try_from(lines.len()).unwrap_or(u32::MAX).saturating_sub(1))?;
                    let is_whole = lines.first() == Some(&0) && lines.last() == Some(&side);
                    let is_right = is_whole && lines.is_sorted_by(|before, after| before < after);
                    let needed = "lines that ascend from 0 to the side of the image";
                    require(is_right, "grid", format!("{lines:?}"), needed)?;
                }
                Ok(Grid::of_lines(rows.clone(), columns.clone()))
            }
        }
    }
}

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
    /// The lattice over which the sets are minimal.
    pub lattice: Lattice,
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
