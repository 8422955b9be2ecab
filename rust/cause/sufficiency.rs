//! A sufficient set of superpixels: the mutant that masks all the others passes. The other side of a cause.
//!
//! Where responsibility asks what the label
//! hangs on while little is masked, this asks what it can do without: most superpixels are masked at once, then fewer, until
//! some set passes. Those of a smallest sufficient set share its value evenly, `1 / n` each: the fewer suffice, the more
//! each is worth.

use crate::cause::subset::{SUBSETS, SUPERPIXELS, Subset};
use crate::cause::verdict::Verdict;

/// The superpixels that suffice, and the verdict with all others masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sufficiency {
    /// A smallest sufficient set.
    pub kept: Subset,
    /// The verdict on it; `None` where nothing can be masked, and all are kept.
    pub verdict: Option<Verdict>,
}

impl Sufficiency {
    /// What a superpixel is worth: `1 / n` in a sufficient set of `n`, 0 outside it.
    #[must_use]
    pub fn value(self, superpixel: usize) -> f64 {
        const BY_SIZE: [f64; SUPERPIXELS + 1] = [0.0, 1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0];
        if self.kept.contains(superpixel) { BY_SIZE[self.kept.len()] } else { 0.0 }
    }
}

/// The best of the passing sets that mask `size` superpixels: that of the highest score, the first in the order of bits among
/// equals and where there are no scores. `None` where none passes; with nothing masked, all superpixels are kept.
#[must_use]
pub fn sufficient_of_size(verdicts: &[Option<Verdict>; SUBSETS], size: usize) -> Option<Sufficiency> {
    if size == 0 {
        return Some(Sufficiency { kept: Subset::full(), verdict: None });
    }
    let passing = Subset::of_size(size)
        .filter_map(|masked| Some((masked, verdicts[usize::from(masked.bits())]?)))
        .filter(|(_, verdict)| verdict.is_passing);
    // Of equal maxima the last is taken, so the order is turned round.
    let best =
        passing.collect::<Vec<_>>().into_iter().rev().max_by(|left, right| left.1.score.total_cmp(&right.1.score));
    best.map(|(masked, verdict)| Sufficiency { kept: masked.complement(), verdict: Some(verdict) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(passes: impl Fn(Subset) -> Option<f32>) -> [Option<Verdict>; SUBSETS] {
        std::array::from_fn(|bits| {
            let score = passes(Subset::from_bits(u8::try_from(bits).expect("16 subsets")));
            Some(Verdict { is_passing: score.is_some(), score: score.unwrap_or(0.0) })
        })
    }

    fn smallest(passes: impl Fn(Subset) -> Option<f32>) -> Sufficiency {
        let table = verdicts(passes);
        (0..SUPERPIXELS).rev().find_map(|size| sufficient_of_size(&table, size)).expect("all kept suffice")
    }

    #[test]
    fn both_of_two_are_kept_where_both_are_needed() {
        let found = smallest(|masked| (!masked.contains(0) && !masked.contains(3)).then_some(0.5));
        assert_eq!(found.kept, Subset::from_bits(0b1001));
        assert_eq!([0, 1, 2, 3].map(|s| found.value(s).to_bits()), [0.5, 0.0, 0.0, 0.5].map(f64::to_bits));
    }

    #[test]
    fn the_better_of_two_is_kept_where_either_will_do() {
        let score = |masked: Subset| if masked.contains(2) { 0.4 } else { 0.9 };
        let found = smallest(|masked| (!masked.contains(1) || !masked.contains(2)).then(|| score(masked)));
        assert_eq!(found.kept, Subset::single(2));
        let without_scores = smallest(|masked| (!masked.contains(1) || !masked.contains(2)).then_some(f32::NAN));
        assert_eq!(without_scores.kept, Subset::single(2));
    }

    #[test]
    fn all_are_kept_where_all_are_needed() {
        assert_eq!(smallest(|masked| masked.is_empty().then_some(0.5)).kept, Subset::full());
    }
}
