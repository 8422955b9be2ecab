//! The search for responsibility: a state machine over many random partitions.
//!
//! Each partition is a tree. Its root is the whole image; a region is cut into four superpixels at a random point, their
//! responsibilities are found by questions to the classifier, and every superpixel that is a cause is cut again, until it
//! is too small or its siblings are all equally responsible (paper, Section 3). The heatmap is the mean over partitions,
//! and half of it a survey where one is wanted.
//!
//! Trees grow together, a round of questions at a time: the questions of a round are all that the unfinished regions of all
//! partitions need next. So batches are full, a search that is cut short has every partition at about the same depth,
//! and the result depends on the options alone.

use std::borrow::Cow;

use crate::cause::contingency::deciding_subsets;
use crate::cause::responsibility::{Responsibility, responsibilities};
use crate::cause::subset::{SUBSETS, SUPERPIXELS, Subset};
use crate::cause::sufficiency::sufficient_of_size;
use crate::cause::truth_table::TruthTable;
use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::evidence::evidence::Evidence;
use crate::evidence::sharing::{Sharing, SharingCounts, SharingOptions};
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::heatmap::Accumulator;
use crate::pixels::region::Region;
use crate::question::Batch;
use crate::rng::Path;
use crate::search::survey::Survey;
use crate::search::tree::{Place, Record, Tree};

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
    /// How verdicts are inferred from those of other partitions; `None` asks every question that is not the same.
    pub sharing: Option<SharingOptions>,
    /// Lattices of so many superpixels a side each, of which every superpixel is masked alone and shown alone; not in the
    /// paper.
    pub survey: Vec<u32>,
    /// Of this many partitions, the first ones, the trees are recorded; 0 records nothing.
    pub trees: u32,
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
            sharing: None,
            survey: Vec::new(),
            trees: 0,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let side = "at least 2 pixels and at most 65535, since a cut needs a pixel on either side";
        require((2..=65535).contains(&self.height), "height", self.height, side)?;
        require((2..=65535).contains(&self.width), "width", self.width, side)?;
        require((1..=4096).contains(&self.partitions), "partitions", self.partitions, "from 1 to 4096")?;
        require(self.min_side > 0.0 && self.min_side <= 1.0, "min_side", self.min_side, "above 0 and at most 1")?;
        require((1..=64).contains(&self.concentration), "concentration", self.concentration, "from 1 to 64")?;
        require(self.wave >= 1, "wave", self.wave, "at least 1")?;
        let needed = "from 2 to 32 superpixels a side";
        self.survey.iter().try_for_each(|&side| require((2..=32).contains(&side), "survey", side, needed))
    }
}

/// How far a search has come, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Partitions begun.
    pub partitions: u32,
    /// Regions cut and judged.
    pub refinements: u64,
    /// Verdicts that the responsibilities and the survey took.
    pub verdicts: u64,
    /// Questions of the survey, once it is over.
    pub surveyed: u64,
    /// Rounds of questions.
    pub rounds: u64,
}

impl SearchCounts {
    /// Questions that asking every subset of every region would take, and the survey's.
    #[must_use]
    pub const fn exhaustive(&self) -> u64 {
        self.refinements * (SUBSETS as u64 - 1) + self.surveyed
    }
}

/// What a region has of its partition.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    /// Of the image's weight of 1, handed down.
    weight: f64,
    /// Responsibility, or value as one of a sufficient set.
    responsibility: f64,
    /// Of the intact image's score, from 0 to 1.
    stake: f64,
}

/// A region that has been cut and whose superpixels are being judged.
#[derive(Clone, Debug)]
struct Node {
    region: Region,
    path: Path,
    pieces: [Region; SUPERPIXELS],
    prints: [Fingerprint; SUPERPIXELS],
    is_sufficiency_sought: bool,
    /// What the world masks: what was masked in the region around it, and some of its other superpixels.
    world: Vec<Region>,
    world_print: Fingerprint,
    share: Share,
    table: TruthTable,
    verdicts: [Option<Verdict>; SUBSETS],
    /// The size of the subsets whose verdicts are needed next.
    size: usize,
    /// Where it is recorded, if it is.
    place: Option<Place>,
}

/// A search over the partitions of one image.
///
/// Call [`propose`](Self::propose) and [`submit`](Self::submit) until [`is_done`](Self::is_done).
#[derive(Clone, Debug)]
pub struct Search {
    options: SearchOptions,
    prints: Fingerprinter,
    evidence: Evidence,
    /// The intact image's score; not a number where there are none.
    intact: f64,
    sharing_counts: SharingCounts,
    frontier: Vec<Node>,
    settled: Accumulator,
    survey: Survey,
    /// What the survey found, once it is over; empty where there was none.
    surveyed: Vec<f32>,
    counts: SearchCounts,
    record: Record,
    is_done: bool,
}

impl Search {
    /// Starts a search from what is known already; the evidence holds the budget of questions.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(options: SearchOptions, evidence: Evidence) -> Result<Self, Error> {
        options.check()?;
        let mut evidence = evidence;
        if let Some(sharing) = options.sharing {
            evidence.share(Sharing::new(sharing, options.height, options.width)?);
        }
        let intact = evidence.verdict(Fingerprint::default()).map_or(f32::NAN, |verdict| verdict.score);
        // Of a budget, the partitions get half at least.
        let survey = Survey::new(&options.survey, options.height, options.width, evidence.calls_left() / 2);
        let mut search = Self {
            prints: Fingerprinter::new(options.height, options.width),
            evidence,
            intact: f64::from(intact),
            sharing_counts: SharingCounts::default(),
            frontier: Vec::new(),
            settled: Accumulator::new(options.height, options.width),
            survey,
            surveyed: Vec::new(),
            counts: SearchCounts::default(),
            record: Record::default(),
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

    /// The heatmap as known now, row by row: the mean over the partitions begun, and what the survey found.
    ///
    /// A region whose refinement is not finished counts as one that is refined no further. With a survey, it and the mean as
    /// a share of its peak count the same.
    #[must_use]
    pub fn heatmap(&self) -> Vec<f32> {
        let mut sums = Cow::Borrowed(&self.settled);
        for node in &self.frontier {
            sums.to_mut().add(&node.region, self.value(node.share, &node.region));
        }
        let mut heatmap = sums.mean(self.counts.partitions);
        if !self.surveyed.is_empty() {
            let peak = heatmap.iter().copied().fold(0.0, f32::max);
            let scale = if peak > 0.0 { peak } else { 1.0 };
            let values = heatmap.iter_mut().zip(&self.surveyed);
            values.for_each(|(value, surveyed)| *value = f32::midpoint(*value / scale, *surveyed));
        }
        heatmap
    }

    /// The trees of the first partitions as known now, as many as were to be recorded and have begun.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        self.record.trees()
    }

    /// Ends the search and hands on what was asked and answered. Questions in flight are forgotten.
    pub fn finish(&mut self) -> Evidence {
        self.is_done = true;
        self.sharing_counts = self.sharing_counts();
        let mut evidence = std::mem::take(&mut self.evidence);
        evidence.abandon_round();
        evidence.unshare();
        evidence
    }

    /// What sharing did.
    #[must_use]
    pub fn sharing_counts(&self) -> SharingCounts {
        if self.sharing_counts == SharingCounts::default() {
            self.evidence.sharing_counts()
        } else {
            self.sharing_counts
        }
    }

    /// Uses the verdicts of the last round, and queues the questions of the next.
    fn advance(&mut self) {
        let is_last = self.evidence.is_exhausted();
        if is_last {
            self.evidence.abandon_round();
        }
        if self.counts.rounds == 1 && !self.survey.is_empty() {
            self.surveyed = self.survey.map(&self.evidence);
            self.counts.surveyed = self.survey.n_questions();
            self.counts.verdicts += self.counts.surveyed;
        }
        while self.evidence.is_round_over() {
            self.evidence.begin_round();
            if self.counts.rounds == 0 {
                // Before anything is known, so that no score is inferred.
                self.survey.ask(&mut self.evidence);
            }
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
            let share = Share { weight: 1.0, responsibility: 0.0, stake: 1.0 };
            let world = match self.options.world {
                World::Both if partition % 3 == 0 => World::Contingency,
                World::Both => World::Sufficient,
                world => world,
            };
            let mut root = self.cut(whole, path, share);
            root.is_sufficiency_sought = world == World::Sufficient;
            root.place = (partition < self.options.trees).then(|| self.record.begin(world, whole));
            self.frontier.push(root.begun());
        }
        self.counts.partitions = end;
        begun < end
    }

    fn cut(&self, region: Region, path: Path, share: Share) -> Node {
        let mut stream = path.stream();
        let row = region.top + stream.cut(region.height(), self.options.concentration);
        let column = region.left + stream.cut(region.width(), self.options.concentration);
        let pieces = region.cut(row, column);
        Node {
            region,
            path,
            pieces,
            prints: pieces.each_ref().map(|piece| self.prints.region(piece)),
            is_sufficiency_sought: false,
            world: Vec::new(),
            world_print: Fingerprint::default(),
            share,
            table: TruthTable::default(),
            verdicts: [None; SUBSETS],
            size: 0,
            place: None,
        }
    }

    /// Takes a region, and those that follow from it, as far as the known verdicts lead.
    fn pursue(&mut self, node: Node) {
        let mut nodes = vec![node];
        while let Some(mut node) = nodes.pop() {
            let is_judged =
                if node.is_sufficiency_sought { self.seek_sufficient(&mut node) } else { self.judge(&mut node) };
            if !is_judged {
                self.frontier.push(node);
                continue;
            }
            self.counts.refinements += 1;
            let children = if node.is_sufficiency_sought { self.refine_sufficient(&node) } else { self.refine(&node) };
            nodes.extend(children.into_iter().rev());
        }
    }

    /// Asks for the verdicts that still decide a responsibility; `true` once all of them are known.
    fn judge(&mut self, node: &mut Node) -> bool {
        while node.size <= SUPERPIXELS {
            let subsets: Vec<Subset> = deciding_subsets(node.table, node.size).collect();
            if !self.ask_all(node, &subsets) {
                return false;
            }
            self.refute(node);
            node.size += 1;
        }
        true
    }

    /// Masks three superpixels, then two, then one, until some such set passes; `true` once that is known.
    fn seek_sufficient(&mut self, node: &mut Node) -> bool {
        loop {
            let subsets: Vec<Subset> = Subset::of_size(node.size).filter(|subset| !subset.is_empty()).collect();
            if !self.ask_all(node, &subsets) {
                return false;
            }
            if sufficient_of_size(&node.verdicts, node.size).is_some() {
                return true;
            }
            node.size -= 1;
        }
    }

    /// Writes the verdicts on some subsets down; `false` if one has to be waited for.
    fn ask_all(&mut self, node: &mut Node, subsets: &[Subset]) -> bool {
        let verdicts: Vec<_> = subsets.iter().map(|&subset| self.ask(node, subset)).collect();
        if verdicts.iter().any(Option::is_none) {
            return false;
        }
        for (subset, verdict) in subsets.iter().zip(verdicts.into_iter().flatten()) {
            node.table.record(*subset, verdict.is_passing);
            node.verdicts[usize::from(subset.bits())] = Some(verdict);
            self.counts.verdicts += 1;
        }
        true
    }

    fn ask(&mut self, node: &Node, subset: Subset) -> Option<Verdict> {
        let print = node.print(subset);
        self.evidence.ask(print, || node.masked(subset))
    }

    /// Rules out contingencies of the present size that other partitions' verdicts refute.
    fn refute(&self, node: &mut Node) {
        for subset in Subset::of_size(node.size) {
            let is_candidate = node.table.passes_with_all_subsets(subset);
            if is_candidate && self.evidence.refutes(&node.world, || node.masked(subset)) {
                node.table.refute(subset);
            }
        }
    }

    /// Hands a judged region's weight to its superpixels; returns those that are to be cut in turn.
    fn refine(&mut self, node: &Node) -> Vec<Node> {
        let found = responsibilities(node.table);
        let values = found.map(Responsibility::value);
        let sum: f64 = values.iter().sum();
        if sum <= 0.0 {
            // No superpixel is a cause: the cut told nothing, and the region stays as it was.
            self.settle(&node.region, node.share);
            return Vec::new();
        }
        let is_told_apart =
            self.options.refine_equal || !values.iter().all(|value| value.to_bits() == values[0].to_bits());
        let mut children = Vec::new();
        for superpixel in 0..SUPERPIXELS {
            let mut share = Share {
                weight: node.share.weight * values[superpixel] / sum,
                responsibility: values[superpixel],
                stake: 0.0,
            };
            let Some(witness) = found[superpixel].contingency else {
                self.record(node, superpixel, share, Subset::EMPTY);
                self.settle(&node.pieces[superpixel], share);
                continue;
            };
            let score = |print: Fingerprint| self.evidence.verdict(print).map_or(f32::NAN, |verdict| verdict.score);
            let lost = score(node.print(witness)) - score(node.print(witness.with(superpixel)));
            share.stake = self.stake(lost);
            let masked = if self.options.world == World::Intact { Subset::EMPTY } else { witness };
            let place = self.record(node, superpixel, share, witness);
            let child = self.descend(node, superpixel, masked, (share, is_told_apart));
            children.extend(child.map(|child| Node { place, ..child }));
        }
        children
    }

    /// Hands the weight to a smallest sufficient set; returns those of it that are to be cut in turn.
    fn refine_sufficient(&mut self, node: &Node) -> Vec<Node> {
        let Some(found) = sufficient_of_size(&node.verdicts, node.size) else {
            return Vec::new();
        };
        let is_told_apart = self.options.refine_equal || found.kept.len() < SUPERPIXELS;
        let stake = found.verdict.map_or(node.share.stake, |verdict| self.stake(verdict.score));
        let mut children = Vec::new();
        for superpixel in 0..SUPERPIXELS {
            let value = found.value(superpixel);
            let share = Share { weight: node.share.weight * value, responsibility: value, stake };
            if found.kept.contains(superpixel) {
                let masked = found.kept.complement();
                let place = self.record(node, superpixel, share, masked);
                let child = self.descend(node, superpixel, masked, (share, is_told_apart));
                children.extend(child.map(|child| Node { place, ..child }));
            } else {
                self.record(node, superpixel, share, Subset::EMPTY);
                self.settle(&node.pieces[superpixel], share);
            }
        }
        children
    }

    /// The superpixel cut in turn, in a world that masks some of the others too; `None` where it is not to be cut.
    fn descend(
        &mut self,
        node: &Node,
        superpixel: usize,
        masked: Subset,
        (share, is_told_apart): (Share, bool),
    ) -> Option<Node> {
        let piece = node.pieces[superpixel];
        if !is_told_apart || !self.is_refinable(&piece) {
            self.settle(&piece, share);
            return None;
        }
        let mut child = self.cut(piece, node.path.child(superpixel), share);
        child.is_sufficiency_sought = node.is_sufficiency_sought;
        if !masked.is_empty() || node.world_print != Fingerprint::default() {
            child.world = node.masked(masked);
            child.world_print = node.print(masked);
        }
        Some(child.begun())
    }

    /// Writes a superpixel down, in the trees that are recorded.
    fn record(&mut self, node: &Node, superpixel: usize, share: Share, contingency: Subset) -> Option<Place> {
        let values = (share.responsibility, share.stake);
        node.place.map(|parent| self.record.add(parent, node.pieces[superpixel], values, contingency))
    }

    fn is_refinable(&self, region: &Region) -> bool {
        let is_long_enough =
            |side: u32, whole: u32| side >= 2 && f64::from(side) >= self.options.min_side * f64::from(whole);
        is_long_enough(region.height(), self.options.height) && is_long_enough(region.width(), self.options.width)
    }

    /// A score as a share of the intact image's, from 0 to 1; 1 where there are no scores.
    fn stake(&self, score: f32) -> f64 {
        let share = f64::from(score) / self.intact;
        if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) }
    }

    fn settle(&mut self, region: &Region, share: Share) {
        let value = self.value(share, region);
        self.settled.add(region, value);
    }

    /// What a region that is refined no further gives each of its pixels.
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
    fn value(&self, share: Share, region: &Region) -> f64 {
        match self.options.weighting {
            Weighting::Shares => share.weight / region.area() as f64,
            Weighting::Leaf => share.responsibility,
            Weighting::Score => share.responsibility * share.stake,
        }
    }
}

impl Node {
    /// The node with the size of the first subsets to ask.
    const fn begun(mut self) -> Self {
        self.size = if self.is_sufficiency_sought { SUPERPIXELS - 1 } else { 1 };
        self
    }

    /// What is masked where a subset of the superpixels is, besides the world's.
    fn masked(&self, subset: Subset) -> Vec<Region> {
        self.world.iter().copied().chain(subset.superpixels().map(|superpixel| self.pieces[superpixel])).collect()
    }

    fn print(&self, subset: Subset) -> Fingerprint {
        subset.superpixels().fold(self.world_print, |sum, superpixel| sum.union(self.prints[superpixel]))
    }
}
