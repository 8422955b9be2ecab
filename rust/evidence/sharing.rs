//! Evidence sharing: verdicts that follow from earlier ones, of other partitions, so that their questions need not be asked.
//!
//! With the usual reading that masking more never restores a label, a mutant fails if one with fewer pixels masked is known
//! to fail, and passes if one with more pixels masked is known to pass. Classifiers are not quite monotone, so
//!
//! * a *reach* says how many pixels, as a share of the image, may lie between the two: the nearest known set answers, and if
//!   a failing and a passing one are equally near, the question is asked;
//! * an *audit* asks a random share of the questions all the same. Where too many of the inferred verdicts turn out wrong, the
//!   reach is halved, and in the end sharing is switched off.
//!
//! One use is exact. Definition 1 quantifies over *every* set of pixels in a contingency, so a set that is known to fail
//! rules out every contingency around it, however far: [`Sharing::refutes`].
//!
//! Known sets are kept by area. A set of 8 x 8 cells, one bit each, tells nearly all pairs apart that do not contain each
//! other; what is left is compared rectangle by rectangle.

use std::collections::HashMap;

use crate::cause::verdict::Verdict;
use crate::error::{Error, require};
use crate::pixels::fingerprint::Fingerprint;
use crate::pixels::region::Region;
use crate::question::Question;
use crate::rng::mix;

/// Cells a side of the bits that compare two sets at a glance.
const CELLS: u32 = 8;
/// Audits of the present reach before it may be halved.
const ENOUGH: u64 = 12;
/// Share of wrong verdicts above which the reach is halved.
const TOLERANCE: f64 = 0.15;
/// Reaches below this are of no use.
const LEAST: f64 = 1.0 / 64.0;

/// How evidence is shared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharingOptions {
    /// The share of the image by which two sets may differ for one to answer for the other, from 0 to 1.
    pub reach: f64,
    /// The share of inferred verdicts that are asked all the same, from 0 to 1.
    pub audit: f64,
    /// Seed of the choice of what is audited.
    pub seed: u64,
}

/// What sharing did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SharingCounts {
    /// Verdicts inferred and used.
    pub inferred: u64,
    /// Verdicts inferred and asked all the same.
    pub audited: u64,
    /// Those of them that were wrong.
    pub wrong: u64,
    /// The reach at the end.
    pub reach: f64,
}

/// Cells that a set touches, and cells that it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outline {
    touched: u64,
    covered: u64,
}

impl Outline {
    const fn may_lie_within(self, other: Self) -> bool {
        (self.touched & !other.touched) | (self.covered & !other.covered) == 0
    }
}

/// Where the cells of outlines begin along a side, and where the last one ends.
#[derive(Clone, Debug)]
struct Cells([u32; CELLS as usize + 1]);

/// A set of pixels, ready to be compared.
#[derive(Clone, Debug)]
struct Shape {
    area: u64,
    outline: Outline,
    regions: Vec<Region>,
}

/// Known sets of one verdict, by area.
#[derive(Clone, Debug, Default)]
struct Index {
    areas: Vec<u64>,
    outlines: Vec<Outline>,
    sets: Vec<(Fingerprint, Vec<Region>, f32)>,
}

/// Infers verdicts about the mutants of one image from those that are known.
#[derive(Clone, Debug)]
pub struct Sharing {
    options: SharingOptions,
    n_pixels: u64,
    rows: Cells,
    columns: Cells,
    failing: Index,
    passing: Index,
    fresh: Vec<(Question, Verdict)>,
    expected: HashMap<Fingerprint, bool>,
    counts: SharingCounts,
    /// Audits, and errors found by them, since the reach was last changed.
    recent: (u64, u64),
}

impl Sharing {
    /// Knows nothing yet.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(options: SharingOptions, height: u32, width: u32) -> Result<Self, Error> {
        require((0.0..=1.0).contains(&options.reach), "reach", options.reach, "a share of the image from 0 to 1")?;
        require((0.0..=1.0).contains(&options.audit), "audit", options.audit, "a share from 0 to 1")?;
        Ok(Self {
            counts: SharingCounts { reach: options.reach, ..SharingCounts::default() },
            options,
            n_pixels: Region::whole(height, width).area(),
            rows: Cells::new(height),
            columns: Cells::new(width),
            failing: Index::default(),
            passing: Index::default(),
            fresh: Vec::new(),
            expected: HashMap::new(),
            recent: (0, 0),
        })
    }

    /// What it did so far.
    #[must_use]
    pub const fn counts(&self) -> SharingCounts {
        self.counts
    }

    /// Takes a verdict, to be used from the next round on.
    pub fn learn(&mut self, question: Question, verdict: Verdict) {
        if let Some(expected) = self.expected.remove(&question.fingerprint) {
            let is_wrong = u64::from(expected != verdict.is_passing);
            self.counts.audited += 1;
            self.counts.wrong += is_wrong;
            self.recent = (self.recent.0 + 1, self.recent.1 + is_wrong);
        }
        self.fresh.push((question, verdict));
    }

    /// Begins a round: what was learnt counts from now on, and the reach is halved where audits found it too long.
    #[expect(clippy::cast_precision_loss, reason = "audits are few")]
    pub fn begin_round(&mut self) {
        for (question, verdict) in std::mem::take(&mut self.fresh) {
            let shape = self.shape(question.masked);
            let index = if verdict.is_passing { &mut self.passing } else { &mut self.failing };
            index.insert(shape, question.fingerprint, verdict.score);
        }
        let (audited, wrong) = self.recent;
        if audited >= ENOUGH && wrong as f64 > TOLERANCE * audited as f64 {
            self.counts.reach = if self.counts.reach / 2.0 < LEAST { 0.0 } else { self.counts.reach / 2.0 };
            self.recent = (0, 0);
        }
    }

    /// The verdict on a set that follows from the nearest known one; `None` where none is near enough or two disagree, and
    /// where the verdict is to be audited.
    pub fn infer(&mut self, fingerprint: Fingerprint, masked: &[Region]) -> Option<Verdict> {
        if self.counts.reach <= 0.0 {
            return None;
        }
        let shape = self.shape(masked.to_vec());
        let reach = self.reach();
        let inside = self.failing.inside(&shape, shape.area.saturating_sub(reach));
        let gap = |set: Option<usize>, index: &Index| set.map(|i| index.areas[i].abs_diff(shape.area));
        let failing = gap(inside, &self.failing);
        let most = failing.unwrap_or(reach).min(reach);
        let outside = self.passing.outside(&shape, shape.area + most);
        let verdict = match (failing, gap(outside, &self.passing)) {
            (Some(below), Some(above)) if below == above => return None,
            (Some(below), above) if above.is_none_or(|above| below < above) => {
                Verdict { is_passing: false, score: self.failing.sets[inside?].2 }
            }
            _ => Verdict { is_passing: true, score: self.passing.sets[outside?].2 },
        };
        if self.is_audited(fingerprint) {
            self.expected.insert(fingerprint, verdict.is_passing);
            return None;
        }
        self.counts.inferred += 1;
        Some(verdict)
    }

    /// Whether a set that lies between the two, `inner` included and `outer` too, is known to fail: then `outer` is no
    /// contingency in the world that masks `inner` (Definition 1, SC2).
    #[must_use]
    pub fn refutes(&self, inner: &[Region], outer: Vec<Region>) -> bool {
        let (inner, outer) = (self.shape(inner.to_vec()), self.shape(outer));
        self.failing.between(&inner, &outer)
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    fn reach(&self) -> u64 {
        (self.counts.reach * self.n_pixels as f64) as u64
    }

    #[expect(clippy::cast_precision_loss, reason = "a random number in [0, 1) to 53 bits")]
    fn is_audited(&self, fingerprint: Fingerprint) -> bool {
        let draw = mix(fingerprint.word() ^ mix(self.options.seed)) >> 11;
        (draw as f64) * 2.0_f64.powi(-53) < self.options.audit
    }

    fn shape(&self, regions: Vec<Region>) -> Shape {
        let mut pixels = [0; (CELLS * CELLS) as usize];
        for region in &regions {
            let high = self.rows.overlaps(region.top, region.bottom);
            let wide = self.columns.overlaps(region.left, region.right);
            for (row, high) in pixels.chunks_exact_mut(CELLS as usize).zip(high).filter(|(_, high)| *high > 0) {
                row.iter_mut().zip(wide).for_each(|(n, wide)| *n += high * wide);
            }
        }
        let mut outline = Outline::default();
        for (row, high) in self.rows.lengths().into_iter().enumerate() {
            for (column, wide) in self.columns.lengths().into_iter().enumerate() {
                let cell = row * CELLS as usize + column;
                outline.touched |= u64::from(pixels[cell] > 0) << cell;
                outline.covered |= u64::from(pixels[cell] > 0 && pixels[cell] == high * wide) << cell;
            }
        }
        Shape { area: regions.iter().map(Region::area).sum(), outline, regions }
    }
}

impl Cells {
    fn new(side: u32) -> Self {
        Self(std::array::from_fn(|cell| u32::try_from(cell).expect("a small number") * side / CELLS))
    }

    /// The pixels that each has of `first..end`.
    fn overlaps(&self, first: u32, end: u32) -> [u32; CELLS as usize] {
        std::array::from_fn(|i| end.min(self.0[i + 1]).saturating_sub(first.max(self.0[i])))
    }

    fn lengths(&self) -> [u32; CELLS as usize] {
        std::array::from_fn(|i| self.0[i + 1] - self.0[i])
    }
}

impl Index {
    fn insert(&mut self, shape: Shape, fingerprint: Fingerprint, score: f32) {
        let place = |i: usize| (self.areas[i], self.sets[i].0);
        let mut at = self.areas.partition_point(|&area| area < shape.area);
        while at < self.areas.len() && place(at) < (shape.area, fingerprint) {
            at += 1;
        }
        self.areas.insert(at, shape.area);
        self.outlines.insert(at, shape.outline);
        self.sets.insert(at, (fingerprint, shape.regions, score));
    }

    /// The largest known set that lies inside, of at least so many pixels.
    fn inside(&self, shape: &Shape, least: u64) -> Option<usize> {
        let first = self.areas.partition_point(|&area| area < least);
        let end = self.areas.partition_point(|&area| area <= shape.area);
        (first..end)
            .rev()
            .find(|&i| self.outlines[i].may_lie_within(shape.outline) && lies_within(&self.sets[i].1, &shape.regions))
    }

    /// The smallest known set around it, of at most so many pixels.
    fn outside(&self, shape: &Shape, most: u64) -> Option<usize> {
        let first = self.areas.partition_point(|&area| area < shape.area);
        let end = self.areas.partition_point(|&area| area <= most);
        (first..end)
            .find(|&i| shape.outline.may_lie_within(self.outlines[i]) && lies_within(&shape.regions, &self.sets[i].1))
    }

    fn between(&self, inner: &Shape, outer: &Shape) -> bool {
        let first = self.areas.partition_point(|&area| area < inner.area);
        let end = self.areas.partition_point(|&area| area <= outer.area);
        (first..end).any(|i| {
            self.outlines[i].may_lie_within(outer.outline)
                && inner.outline.may_lie_within(self.outlines[i])
                && lies_within(&self.sets[i].1, &outer.regions)
                && lies_within(&inner.regions, &self.sets[i].1)
        })
    }
}

/// Whether one union of disjoint rectangles lies within another.
fn lies_within(inner: &[Region], outer: &[Region]) -> bool {
    inner.iter().all(|region| outer.iter().map(|other| region.common_area(other)).sum::<u64>() == region.area())
}
