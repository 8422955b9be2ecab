//! The search for responsibility: a state machine over many random partitions.
//!
//! Each partition is a tree. Its root is the whole image; a region is cut into four superpixels at a random point, their
//! responsibilities are found by questions to the classifier, and every superpixel that is a cause is cut again, until it
//! is too small or its siblings are all equally responsible (paper, Section 3). The heatmap is the mean over partitions.
//!
//! Trees grow together, a round of questions at a time: the questions of a round are all that the unfinished regions of all
//! partitions need next. So batches are full, a search that is cut short has every partition at about the same depth,
//! and the result depends on the options alone.

use crate::error::{Error, require};
use crate::evidence::{Batch, Evidence, Verdict};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::heatmap::Accumulator;
use crate::region::Region;
use crate::responsibility::{Responsibility, deciding_subsets, responsibilities};
use crate::rng::Path;
use crate::subset::{SUBSETS, SUPERPIXELS, Subset};
use crate::truth_table::TruthTable;

/// What is masked, besides its own pieces, while a superpixel is refined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Nothing: the pieces are masked in the otherwise intact image, as in the paper.
    Intact,
    /// The superpixel's contingency: there it is decisive, so its pieces can be told apart.
    Contingency,
}

/// How a region's responsibility reaches its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// The image weighs 1, a superpixel its share `r / sum(r)` of its parent's weight, spread evenly over its area.
    Shares,
    /// A pixel gets the responsibility of the smallest superpixel around it that was told apart from its siblings.
    Leaf,
}

/// The options of a search. [`SearchOptions::paper`] has the paper's values.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// Height of the image in pixels, at least 2.
    pub height: u32,
    /// Width of the image in pixels, at least 2.
    pub width: u32,
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
}

impl SearchOptions {
    /// The paper's values (Section 5) for an image of the given size.
    #[must_use]
    pub const fn paper(height: u32, width: u32, seed: u64) -> Self {
        Self {
            height,
            width,
            partitions: 50,
            seed,
            world: World::Intact,
            weighting: Weighting::Shares,
            min_side: 0.1,
            refine_equal: false,
            concentration: 1,
            wave: u32::MAX,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let side = "at least 2 pixels and at most 65535, since a cut needs a pixel on either side";
        require((2..=65535).contains(&self.height), "height", self.height, side)?;
        require((2..=65535).contains(&self.width), "width", self.width, side)?;
        require((1..=4096).contains(&self.partitions), "partitions", self.partitions, "from 1 to 4096")?;
        require(self.min_side > 0.0 && self.min_side <= 1.0, "min_side", self.min_side, "above 0 and at most 1")?;
        require((1..=64).contains(&self.concentration), "concentration", self.concentration, "from 1 to 64")?;
        require(self.wave >= 1, "wave", self.wave, "at least 1")
    }
}

/// How far a search has come, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Partitions begun.
    pub partitions: u32,
    /// Regions cut and judged.
    pub refinements: u64,
    /// Verdicts that the responsibilities took.
    pub verdicts: u64,
    /// Rounds of questions.
    pub rounds: u64,
}

impl SearchCounts {
    /// Questions that asking every subset of every region would take.
    #[must_use]
    pub const fn exhaustive(&self) -> u64 {
        self.refinements * (SUBSETS as u64 - 1)
    }
}

/// A region that has been cut and whose superpixels are being judged.
#[derive(Clone, Debug)]
struct Node {
    region: Region,
    path: Path,
    pieces: [Region; SUPERPIXELS],
    prints: [Fingerprint; SUPERPIXELS],
    /// What the world masks: the contingencies of the region and of all regions around it.
    world: Vec<Region>,
    world_print: Fingerprint,
    weight: f64,
    responsibility: f64,
    table: TruthTable,
    size: usize,
}

/// A search over the partitions of one image.
///
/// Call [`propose`](Self::propose) and [`submit`](Self::submit) until [`is_done`](Self::is_done).
#[derive(Clone, Debug)]
pub struct Search {
    options: SearchOptions,
    prints: Fingerprinter,
    evidence: Evidence,
    frontier: Vec<Node>,
    settled: Accumulator,
    counts: SearchCounts,
    is_done: bool,
}

impl Search {
    /// Starts a search from what is known already; the evidence holds the budget of questions.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(options: SearchOptions, evidence: Evidence) -> Result<Self, Error> {
        options.check()?;
        let mut search = Self {
            prints: Fingerprinter::new(options.height, options.width),
            evidence,
            frontier: Vec::new(),
            settled: Accumulator::new(options.height, options.width),
            counts: SearchCounts::default(),
            is_done: false,
            options,
        };
        search.advance();
        Ok(search)
    }

    /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
    pub fn propose(&mut self, capacity: usize) -> Option<Batch> {
        if self.is_done { None } else { self.evidence.propose(capacity) }
    }

    /// Takes the verdicts on a batch, in the order of its questions.
    ///
    /// # Errors
    /// If the batch is not in flight or the number of verdicts is wrong.
    pub fn submit(&mut self, id: u64, verdicts: &[Verdict]) -> Result<(), Error> {
        self.evidence.submit(id, verdicts)?;
        if self.evidence.is_round_over() {
            self.advance();
        }
        Ok(())
    }

    /// Whether every partition is finished, or the budget used up.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// How far the search has come.
    #[must_use]
    pub const fn counts(&self) -> SearchCounts {
        self.counts
    }

    /// The number of questions handed out.
    #[must_use]
    pub const fn n_calls(&self) -> u64 {
        self.evidence.n_calls()
    }

    /// The share of all partitions' area that is settled, from 0 to 1: a rough measure of how much is done.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
    pub fn progress(&self) -> f64 {
        let whole = Region::whole(self.options.height, self.options.width).area() as f64;
        let open: f64 = self.frontier.iter().map(|node| node.region.area() as f64).sum();
        (f64::from(self.counts.partitions) - open / whole) / f64::from(self.options.partitions)
    }

    /// The heatmap as known now, row by row: the mean over the partitions begun.
    ///
    /// A region whose refinement is not finished counts as one that is refined no further.
    #[must_use]
    pub fn heatmap(&self) -> Vec<f32> {
        let mut sums = self.settled.clone();
        for node in &self.frontier {
            sums.add(&node.region, self.value(node.weight, node.responsibility, &node.region));
        }
        sums.mean(self.counts.partitions)
    }

    /// Ends the search and hands on what was asked and answered. Questions in flight are forgotten.
    pub fn finish(&mut self) -> Evidence {
        self.is_done = true;
        let mut evidence = std::mem::take(&mut self.evidence);
        evidence.abandon_round();
        evidence
    }

    /// Uses the verdicts of the last round, and queues the questions of the next.
    fn advance(&mut self) {
        let is_last = self.evidence.is_exhausted();
        if is_last {
            self.evidence.abandon_round();
        }
        while self.evidence.is_round_over() {
            let frontier = std::mem::take(&mut self.frontier);
            frontier.into_iter().for_each(|node| self.pursue(node));
            if is_last || (self.frontier.is_empty() && !self.begin_wave()) {
                self.evidence.abandon_round();
                self.is_done = true;
                return;
            }
        }
        self.counts.rounds += 1;
    }

    /// Begins the next partitions; `false` if there are none left.
    fn begin_wave(&mut self) -> bool {
        let begun = self.counts.partitions;
        let end = begun.saturating_add(self.options.wave).min(self.options.partitions);
        let whole = Region::whole(self.options.height, self.options.width);
        for partition in begun..end {
            let path = Path::root(self.options.seed, partition);
            let node = self.cut(whole, path, Vec::new(), Fingerprint::default(), (1.0, 0.0));
            self.frontier.push(node);
        }
        self.counts.partitions = end;
        begun < end
    }

    fn cut(
        &self,
        region: Region,
        path: Path,
        world: Vec<Region>,
        world_print: Fingerprint,
        (weight, responsibility): (f64, f64),
    ) -> Node {
        let mut stream = path.stream();
        let row = region.top + stream.cut(region.height(), self.options.concentration);
        let column = region.left + stream.cut(region.width(), self.options.concentration);
        let pieces = region.cut(row, column);
        let prints = pieces.each_ref().map(|piece| self.prints.region(piece));
        let table = TruthTable::default();
        Node { region, path, pieces, prints, world, world_print, weight, responsibility, table, size: 1 }
    }

    /// Takes a region, and those that follow from it, as far as the known verdicts lead.
    fn pursue(&mut self, node: Node) {
        let mut nodes = vec![node];
        while let Some(mut node) = nodes.pop() {
            if self.judge(&mut node) {
                let children = self.refine(&node);
                nodes.extend(children.into_iter().rev());
            } else {
                self.frontier.push(node);
            }
        }
    }

    /// Asks for the verdicts that still decide a responsibility; `true` once all of them are known.
    fn judge(&mut self, node: &mut Node) -> bool {
        while node.size <= SUPERPIXELS {
            let subsets: Vec<Subset> = deciding_subsets(node.table, node.size).collect();
            let verdicts: Vec<_> = subsets.iter().map(|&subset| self.ask(node, subset)).collect();
            if verdicts.iter().any(Option::is_none) {
                return false;
            }
            for (subset, verdict) in subsets.into_iter().zip(verdicts.into_iter().flatten()) {
                node.table.record(subset, verdict.is_passing);
                self.counts.verdicts += 1;
            }
            node.size += 1;
        }
        self.counts.refinements += 1;
        true
    }

    fn ask(&mut self, node: &Node, subset: Subset) -> Option<Verdict> {
        let print = subset.superpixels().fold(node.world_print, |sum, s| sum.union(node.prints[s]));
        self.evidence.ask(print, || node.world.iter().copied().chain(node.pieces_of(subset)).collect())
    }

    /// Hands a judged region's weight to its superpixels; returns those that are to be cut in turn.
    fn refine(&mut self, node: &Node) -> Vec<Node> {
        let found = responsibilities(node.table);
        let values = found.map(Responsibility::value);
        let sum: f64 = values.iter().sum();
        if sum <= 0.0 {
            // No superpixel is a cause: the cut told nothing, and the region stays as it was.
            self.settle(&node.region, node.weight, node.responsibility);
            return Vec::new();
        }
        let is_told_apart =
            self.options.refine_equal || !values.iter().all(|value| value.to_bits() == values[0].to_bits());
        let mut children = Vec::new();
        for (superpixel, piece) in node.pieces.iter().enumerate() {
            let weight = node.weight * values[superpixel] / sum;
            match found[superpixel].contingency {
                Some(witness) if is_told_apart && self.is_refinable(piece) => {
                    let child = self.child(node, superpixel, witness, (weight, values[superpixel]));
                    children.push(child);
                }
                _ => self.settle(piece, weight, values[superpixel]),
            }
        }
        children
    }

    fn child(&self, node: &Node, superpixel: usize, witness: Subset, weights: (f64, f64)) -> Node {
        let (mut world, mut world_print) = (Vec::new(), Fingerprint::default());
        if self.options.world == World::Contingency {
            world.extend(node.world.iter().copied().chain(node.pieces_of(witness)));
            world_print = witness.superpixels().fold(node.world_print, |sum, s| sum.union(node.prints[s]));
        }
        self.cut(node.pieces[superpixel], node.path.child(superpixel), world, world_print, weights)
    }

    fn is_refinable(&self, region: &Region) -> bool {
        let is_long_enough =
            |side: u32, whole: u32| side >= 2 && f64::from(side) >= self.options.min_side * f64::from(whole);
        is_long_enough(region.height(), self.options.height) && is_long_enough(region.width(), self.options.width)
    }

    fn settle(&mut self, region: &Region, weight: f64, responsibility: f64) {
        let value = self.value(weight, responsibility, region);
        self.settled.add(region, value);
    }

    /// What a region that is refined no further gives each of its pixels.
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
    fn value(&self, weight: f64, responsibility: f64, region: &Region) -> f64 {
        match self.options.weighting {
            Weighting::Shares => weight / region.area() as f64,
            Weighting::Leaf => responsibility,
        }
    }
}

impl Node {
    fn pieces_of(&self, subset: Subset) -> impl Iterator<Item = Region> {
        subset.superpixels().map(|superpixel| self.pieces[superpixel])
    }
}
