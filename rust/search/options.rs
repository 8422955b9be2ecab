//! The options of a search: its worlds, its weightings, its partitions.

use crate::error::{Error, require};
use crate::evidence::sharing::SharingOptions;

/// What is masked, besides its own pieces, while a superpixel is refined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Nothing: the pieces are masked in the otherwise intact image, as in the paper.
    Intact,
    /// The superpixel's contingency: there it is decisive, so its pieces can be told apart.
    Contingency,
    /// All but a smallest set of superpixels that suffices: what is seen there is needed, so its pieces can be told apart.
    Sufficient,
    /// Of every three partitions, the first as in [`Contingency`](Self::Contingency), the others as in
    /// [`Sufficient`](Self::Sufficient).
    Both,
}

/// How a region's responsibility reaches its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// The image weighs 1, a superpixel its share `r / sum(r)` of its parent's weight, spread evenly over its area.
    Shares,
    /// A pixel gets the responsibility of the smallest superpixel around it that was told apart from its siblings.
    Leaf,
    /// The same, times the share of the intact image's score that is at stake: what masking the superpixel takes away, or
    /// what it gives where nothing but a smallest sufficient set is seen. Labels without scores count as a stake of 1.
    Score,
}

/// The options of a search. [`SearchOptions::paper`] has the paper's values.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// Number of random partitions, at least 1.
    pub partitions: u32,
    /// Seed of the random cuts.
    pub seed: u64,
    /// The world in which superpixels are refined.
    pub world: World,
    /// How responsibility reaches the pixels.
    pub weighting: Weighting,
    /// A superpixel lower or narrower than this share of the image is not refined; in (0, 1].
    pub min_side: f64,
    /// Whether superpixels are refined even where all of their partition are equally responsible; not in the paper.
    pub refine_equal: bool,
    /// Cuts are distributed as Beta(a, a) with this `a`, from 1 (uniform) to 64.
    pub concentration: u8,
    /// Partitions that are grown together; the next ones start when these are done. At least 1.
    pub wave: u32,
    /// How verdicts are inferred from those of other partitions; `None` asks every question that is not the same.
    pub sharing: Option<SharingOptions>,
    /// Lattices of so many superpixels a side each, of which every superpixel is masked alone; not in the paper.
    pub survey: Vec<u32>,
    /// Lattices of which every superpixel is shown alone; not in the paper.
    pub shown: Vec<u32>,
    /// Lattices of which balanced halves are shown; not in the paper.
    pub balanced: Vec<u32>,
    /// Of this many partitions, the first ones, the trees are recorded; 0 records nothing.
    pub trees: u32,
    /// Questions that the search may ask itself, of those that the evidence's budget allows.
    pub max_calls: Option<u64>,
}

impl SearchOptions {
    /// The paper's values (Section 5).
    #[must_use]
    pub const fn paper(seed: u64) -> Self {
        Self {
            partitions: 50,
            seed,
            world: World::Intact,
            weighting: Weighting::Shares,
            min_side: 0.1,
            refine_equal: false,
            concentration: 1,
            wave: u32::MAX,
            sharing: None,
            survey: Vec::new(),
            shown: Vec::new(),
            balanced: Vec::new(),
            trees: 0,
            max_calls: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        require((1..=4096).contains(&self.partitions), "partitions", self.partitions, "from 1 to 4096")?;
        require(self.min_side > 0.0 && self.min_side <= 1.0, "min_side", self.min_side, "above 0 and at most 1")?;
        require((1..=64).contains(&self.concentration), "concentration", self.concentration, "from 1 to 64")?;
        require(self.wave >= 1, "wave", self.wave, "at least 1")?;
        let check = |option, sides: &[u32], most, needed| {
            sides.iter().try_for_each(|&side| require((2..=most).contains(&side), option, side, needed))
        };
        check("survey", &self.survey, 32, "from 2 to 32 superpixels a side")?;
        check("shown", &self.shown, 32, "from 2 to 32 superpixels a side")?;
        check("balanced", &self.balanced, 15, "from 2 to 15 superpixels a side")
    }
}
