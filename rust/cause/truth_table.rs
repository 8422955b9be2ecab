//! What is known of one partition: which sets of its superpixels may be masked without losing the label.

use crate::cause::subset::Subset;

/// The verdicts on the subsets of one partition's superpixels, as far as they are known.
///
/// A subset stands for the mutant in which exactly its superpixels are masked (besides what the partition's world masks
/// already). The empty set always passes: a partition is made only where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TruthTable {
    known: u16,
    passing: u16,
    refuted: u16,
}

impl Default for TruthTable {
    fn default() -> Self {
        Self { known: 1, passing: 1, refuted: 0 }
    }
}

impl TruthTable {
    /// A table in which every verdict is known: subset `i` passes iff bit `i` is set. Bit 0 counts as set.
    #[must_use]
    pub const fn complete(passing: u16) -> Self {
        Self { known: u16::MAX, passing: passing | 1, refuted: 0 }
    }

    /// Writes a verdict down.
    pub fn record(&mut self, subset: Subset, is_passing: bool) {
        let bit = 1 << subset.bits();
        self.known |= bit;
        if is_passing {
            self.passing |= bit;
        } else {
            self.passing &= !bit;
        }
    }

    /// The verdict on a subset, or `None` where it is not known.
    #[must_use]
    pub const fn verdict(self, subset: Subset) -> Option<bool> {
        if self.known >> subset.bits() & 1 == 0 {
            return None;
        }
        Some(self.passing >> subset.bits() & 1 == 1)
    }

    /// Writes down that pixels inside `subset` are known that lose the label when they are masked, though they are no
    /// subset of this partition.
    pub fn refute(&mut self, subset: Subset) {
        self.refuted |= 1 << subset.bits();
    }

    /// Condition SC2 of a cause: masking *any* subset of `subset`, itself and the empty one included, is known to leave
    /// the label, as far as the verdicts of this partition and what refutes them tell.
    #[must_use]
    pub fn passes_with_all_subsets(self, subset: Subset) -> bool {
        let is_refuted = |inner: Subset| self.refuted >> inner.bits() & 1 == 1;
        Subset::all()
            .filter(|inner| inner.is_within(subset))
            .all(|inner| self.verdict(inner) == Some(true) && !is_refuted(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_empty_set_is_known_at_first() {
        let table = TruthTable::default();
        for subset in Subset::all() {
            assert_eq!(table.verdict(subset), subset.is_empty().then_some(true));
        }
    }

    #[test]
    fn one_failing_subset_spoils_its_supersets() {
        let mut table = TruthTable::complete(u16::MAX);
        table.record(Subset::single(1), false);
        assert!(table.passes_with_all_subsets(Subset::from_bits(0b1101)));
        assert!(!table.passes_with_all_subsets(Subset::from_bits(0b0011)));
    }
}
