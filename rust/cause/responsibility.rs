//! The responsibility of a superpixel for the label: `1 / (1 + k)`, where `k` is the size of its contingency.
//!
//! A superpixel without a contingency is no cause and has responsibility 0 (paper, Definition 1; see
//! [`contingency`](crate::cause::contingency)).

use crate::cause::contingency::contingency;
use crate::cause::subset::{SUPERPIXELS, Subset};
use crate::cause::truth_table::TruthTable;

/// How responsible one superpixel is for the label, and by which contingency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responsibility {
    /// The smallest contingency, the first in the order of bits among equals; `None` where there is none.
    pub contingency: Option<Subset>,
}

impl Responsibility {
    /// The number: `1 / (1 + k)`, `k` the size of the contingency, or 0 without one.
    #[must_use]
    pub fn value(self) -> f64 {
        const BY_SIZE: [f64; SUPERPIXELS] = [1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0];
        self.contingency.map_or(0.0, |witness| BY_SIZE[witness.len()])
    }
}

/// The responsibility of every superpixel, as far as the table's known verdicts decide it.
#[must_use]
pub fn responsibilities(table: TruthTable) -> [Responsibility; SUPERPIXELS] {
    std::array::from_fn(|superpixel| Responsibility { contingency: contingency(table, superpixel) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::contingency::deciding_subsets;
    use crate::cause::subset::SUBSETS;

    /// Definition 1 read aloud, from a table of sixteen booleans.
    fn naive(passes: &[bool; SUBSETS], superpixel: usize) -> f64 {
        let mut smallest = None;
        for witness in 0..SUBSETS {
            if witness >> superpixel & 1 == 1 {
                continue;
            }
            let sc2 = (0..SUBSETS).filter(|inner| inner & witness == *inner).all(|inner| passes[inner]);
            let sc3 = !passes[witness | 1 << superpixel];
            if sc2 && sc3 {
                let size = witness.count_ones();
                smallest = Some(smallest.map_or(size, |known: u32| known.min(size)));
            }
        }
        smallest.map_or(0.0, |k| 1.0 / f64::from(1 + k))
    }

    fn every_table() -> impl Iterator<Item = u16> {
        (0..=u16::MAX).filter(|bits| bits & 1 == 1)
    }

    #[test]
    fn equals_the_definition_on_all_tables() {
        for bits in every_table() {
            let passes = std::array::from_fn(|i| bits >> i & 1 == 1);
            let found = responsibilities(TruthTable::complete(bits));
            for (superpixel, responsibility) in found.iter().enumerate() {
                let expected = naive(&passes, superpixel);
                assert!((responsibility.value() - expected).abs() < f64::EPSILON, "table {bits:#018b}");
            }
        }
    }

    #[test]
    fn asking_lazily_changes_no_responsibility_and_no_contingency() {
        let mut asked = 0_usize;
        for bits in every_table() {
            let complete = TruthTable::complete(bits);
            let mut table = TruthTable::default();
            for size in 1..=SUPERPIXELS {
                for subset in deciding_subsets(table, size).collect::<Vec<_>>() {
                    table.record(subset, complete.verdict(subset).expect("a complete table"));
                    asked += 1;
                }
            }
            assert_eq!(responsibilities(table), responsibilities(complete), "table {bits:#018b}");
        }
        assert!(asked < every_table().count() * 9, "asked {asked} questions over all tables");
    }

    #[test]
    fn the_three_textbook_cases() {
        let table = |failing: fn(Subset) -> bool| {
            let mut table = TruthTable::default();
            Subset::all().filter(|s| !s.is_empty()).for_each(|s| table.record(s, !failing(s)));
            responsibilities(table).map(Responsibility::value)
        };
        let both_needed = table(|masked| masked.contains(0) || masked.contains(3));
        let either_will_do = table(|masked| masked.contains(0) && masked.contains(3));
        let two_of_three = table(|masked| masked.superpixels().filter(|&s| s != 1).count() > 1);
        assert_eq!(both_needed.map(f64::to_bits), [1.0, 0.0, 0.0, 1.0].map(f64::to_bits));
        assert_eq!(either_will_do.map(f64::to_bits), [0.5, 0.0, 0.0, 0.5].map(f64::to_bits));
        assert_eq!(two_of_three.map(f64::to_bits), [0.5, 0.0, 0.5, 0.5].map(f64::to_bits));
    }
}
