//! A partition: a region cut into four superpixels at a random point, and what is known of them.
//!
//! Which of them are causes, or a smallest set that suffices, is found by questions to the classifier. Every such superpixel
//! may be cut in turn, in a world that masks some of the others too: so a partition grows into a tree, of which this is one
//! node.

use crate::cause::contingency::deciding_subsets;
use crate::cause::responsibility::{Responsibility, responsibilities};
use crate::cause::subset::{SUBSETS, SUPERPIXELS, Subset};
use crate::cause::sufficiency::sufficient_of_size;
use crate::cause::truth_table::TruthTable;
use crate::cause::verdict::Verdict;
use crate::evidence::evidence::Evidence;
use crate::evidence::round::Round;
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::region::Region;
use crate::rng::Path;
use crate::search::options::{Weighting, World};
use crate::search::tree::NodeId;

/// What a region has of its partition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stakes {
    /// Of the image's weight of 1, handed down.
    pub weight: f64,
    /// Responsibility, or value as one of a sufficient set.
    pub responsibility: f64,
    /// Of the intact image's score, from 0 to 1.
    pub stake: f64,
}

impl Stakes {
    /// What the whole image has.
    pub const WHOLE: Self = Self { weight: 1.0, responsibility: 0.0, stake: 1.0 };

    /// What a region that is refined no further gives each of its pixels.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
    pub fn value(&self, weighting: Weighting, region: &Region) -> f64 {
        match weighting {
            Weighting::Shares => self.weight / region.area() as f64,
            Weighting::Leaf => self.responsibility,
            Weighting::Score => self.responsibility * self.stake,
        }
    }
}

/// What was found of a superpixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What it has of its partition.
    pub stakes: Stakes,
    /// Its contingency, or all that a smallest sufficient set does without; empty where it is no cause.
    pub contingency: Subset,
    /// Which of the others are masked while it is refined; `None` where there is nothing to refine.
    pub masked: Option<Subset>,
}

/// A region that has been cut and whose superpixels are being judged.
#[derive(Clone, Debug)]
pub struct Partition {
    /// What was cut.
    pub region: Region,
    /// What it has of the partition around it.
    pub stakes: Stakes,
    /// The superpixels.
    pub pieces: [Region; SUPERPIXELS],
    /// Where it is recorded, if it is.
    pub node: Option<NodeId>,
    path: Path,
    prints: [Fingerprint; SUPERPIXELS],
    /// The kind of world; never [`World::Both`].
    kind: World,
    /// What the world masks: what was masked in the region around it, and some of its other superpixels.
    world: Vec<Region>,
    world_print: Fingerprint,
    table: TruthTable,
    verdicts: [Option<Verdict>; SUBSETS],
    /// The size of the subsets whose verdicts are needed next.
    size: usize,
}

/// Cuts regions.
#[derive(Clone, Copy, Debug)]
pub struct Cutter<'a> {
    /// Cuts are distributed as Beta(a, a) with this `a`.
    pub concentration: u8,
    /// What identifies sets of the image's pixels.
    pub prints: &'a Fingerprinter,
}

impl Cutter<'_> {
    /// Cuts a region at the point that belongs to its place, in a world of this kind that masks nothing yet.
    #[must_use]
    pub fn cut(&self, region: Region, path: Path, kind: World, stakes: Stakes) -> Partition {
        let mut stream = path.stream();
        let row = region.top + stream.cut(region.height(), self.concentration);
        let column = region.left + stream.cut(region.width(), self.concentration);
        let pieces = region.cut(row, column);
        Partition {
            region,
            stakes,
            pieces,
            node: None,
            path,
            prints: pieces.each_ref().map(|piece| self.prints.region(piece)),
            kind,
            world: Vec::new(),
            world_print: Fingerprint::default(),
            table: TruthTable::default(),
            verdicts: [None; SUBSETS],
            size: if kind == World::Sufficient { SUPERPIXELS - 1 } else { 1 },
        }
    }
}

impl Partition {
    /// Cuts one of the superpixels in turn, in the world that masks these others too.
    #[must_use]
    pub fn child(&self, superpixel: usize, masked: Subset, stakes: Stakes, cutter: &Cutter) -> Self {
        let mut child = cutter.cut(self.pieces[superpixel], self.path.child(superpixel), self.kind, stakes);
        if !masked.is_empty() || self.world_print != Fingerprint::default() {
            child.world = self.masked(masked);
            child.world_print = self.print(masked);
        }
        child
    }

    /// Asks for the verdicts that still decide something; `true` once all of them are known.
    pub fn judge(&mut self, round: &mut Round, evidence: &Evidence) -> bool {
        match self.kind {
            World::Sufficient => self.seek_sufficient(round, evidence),
            _ => self.seek_contingencies(round, evidence),
        }
    }

    /// Masks one superpixel, then two and more, as long as that can decide a responsibility.
    fn seek_contingencies(&mut self, round: &mut Round, evidence: &Evidence) -> bool {
        while self.size <= SUPERPIXELS {
            let subsets: Vec<Subset> = deciding_subsets(self.table, self.size).collect();
            if !self.ask_all(round, evidence, &subsets) {
                return false;
            }
            self.refute(round);
            self.size += 1;
        }
        true
    }

    /// Masks three superpixels, then two, then one, until some such set passes.
    fn seek_sufficient(&mut self, round: &mut Round, evidence: &Evidence) -> bool {
        loop {
            let subsets: Vec<Subset> = Subset::of_size(self.size).filter(|subset| !subset.is_empty()).collect();
            if !self.ask_all(round, evidence, &subsets) {
                return false;
            }
            if sufficient_of_size(&self.verdicts, self.size).is_some() {
                return true;
            }
            self.size -= 1;
        }
    }

    /// Writes the verdicts on some subsets down; `false` if one has to be waited for.
    fn ask_all(&mut self, round: &mut Round, evidence: &Evidence, subsets: &[Subset]) -> bool {
        let mut ask = |subset: &Subset| round.ask(evidence, self.print(*subset), || self.masked(*subset));
        let verdicts: Vec<_> = subsets.iter().map(&mut ask).collect();
        if verdicts.iter().any(Option::is_none) {
            return false;
        }
        for (subset, verdict) in subsets.iter().zip(verdicts.into_iter().flatten()) {
            self.table.record(*subset, verdict.is_passing);
            self.verdicts[usize::from(subset.bits())] = Some(verdict);
        }
        true
    }

    /// Rules out contingencies of the present size that other partitions' verdicts refute.
    fn refute(&mut self, round: &Round) {
        for subset in Subset::of_size(self.size) {
            let is_candidate = self.table.passes_with_all_subsets(subset);
            if is_candidate && round.refutes(&self.world, || self.masked(subset)) {
                self.table.refute(subset);
            }
        }
    }

    /// Verdicts that were written down.
    #[must_use]
    pub fn n_verdicts(&self) -> u64 {
        self.verdicts.iter().flatten().count() as u64
    }

    /// What is masked where a subset of the superpixels is, besides the world's.
    fn masked(&self, subset: Subset) -> Vec<Region> {
        self.world.iter().copied().chain(subset.superpixels().map(|superpixel| self.pieces[superpixel])).collect()
    }

    fn print(&self, subset: Subset) -> Fingerprint {
        subset.superpixels().fold(self.world_print, |sum, superpixel| sum.union(self.prints[superpixel]))
    }

    /// What the verdicts tell of each superpixel; `None` if the cut told nothing, and the region stays as it was.
    ///
    /// `score` is that of a mutant, and `intact` the intact image's. Superpixels that are all equal are refined only if
    /// `refine_equal` says so.
    #[must_use]
    pub fn refine(
        &self,
        refine_equal: bool,
        intact: f64,
        score: impl Fn(Fingerprint) -> f32,
    ) -> Option<[Finding; SUPERPIXELS]> {
        match self.kind {
            World::Sufficient => self.refine_sufficient(refine_equal, intact),
            _ => self.refine_causes(refine_equal, intact, score),
        }
    }

    /// Hands the region's weight to its superpixels by their responsibilities.
    fn refine_causes(
        &self,
        refine_equal: bool,
        intact: f64,
        score: impl Fn(Fingerprint) -> f32,
    ) -> Option<[Finding; SUPERPIXELS]> {
        let found = responsibilities(self.table);
        let values = found.map(Responsibility::value);
        let sum: f64 = values.iter().sum();
        if sum <= 0.0 {
            // No superpixel is a cause.
            return None;
        }
        let is_told_apart = refine_equal || !values.iter().all(|value| value.to_bits() == values[0].to_bits());
        Some(std::array::from_fn(|superpixel| {
            let responsibility = values[superpixel];
            let stakes = Stakes { weight: self.stakes.weight * responsibility / sum, responsibility, stake: 0.0 };
            let Some(witness) = found[superpixel].contingency else {
                return Finding { stakes, contingency: Subset::EMPTY, masked: None };
            };
            let lost = score(self.print(witness)) - score(self.print(witness.with(superpixel)));
            let masked = if self.kind == World::Intact { Subset::EMPTY } else { witness };
            Finding {
                stakes: Stakes { stake: as_stake(lost, intact), ..stakes },
                contingency: witness,
                masked: is_told_apart.then_some(masked),
            }
        }))
    }

    /// Hands the weight to a smallest sufficient set.
    fn refine_sufficient(&self, refine_equal: bool, intact: f64) -> Option<[Finding; SUPERPIXELS]> {
        let found = sufficient_of_size(&self.verdicts, self.size)?;
        let is_told_apart = refine_equal || found.kept.len() < SUPERPIXELS;
        let stake = found.verdict.map_or(self.stakes.stake, |verdict| as_stake(verdict.score, intact));
        Some(std::array::from_fn(|superpixel| {
            let value = found.value(superpixel);
            let stakes = Stakes { weight: self.stakes.weight * value, responsibility: value, stake };
            let is_kept = found.kept.contains(superpixel);
            let contingency = if is_kept { found.kept.complement() } else { Subset::EMPTY };
            Finding { stakes, contingency, masked: (is_kept && is_told_apart).then_some(contingency) }
        }))
    }
}

/// A score as a share of the intact image's, from 0 to 1; 1 where there are no scores.
fn as_stake(score: f32, intact: f64) -> f64 {
    let share = f64::from(score) / intact;
    if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) }
}
