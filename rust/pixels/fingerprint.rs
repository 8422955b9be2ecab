//! The identity of a set of pixels, in constant time per rectangle.
//!
//! The same pixels masked are the same question, whichever rectangles they were made of. To recognise them without
//! touching pixels, every row `y` gets a random number `a(y)`, every column `x` a `b(x)`, and a set of pixels has the
//! fingerprint `sum of a(y) b(x)` over its pixels, in the field of integers modulo the prime `2^61 - 1`. Over a
//! rectangle that sum is a product of two differences of prefix sums. Two different sets collide with probability at
//! most `2 / 2^61` (Schwartz-Zippel); two independent fingerprints together make that less than `2^-119`.

use crate::pixels::region::Region;
use crate::rng::Path;

const PRIME: u64 = (1 << 61) - 1;

/// What identifies a set of pixels of one image size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// 61 of its bits, to draw random numbers from.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0[0]
    }

    /// The fingerprint of the union of two disjoint sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| add(self.0[i], other.0[i])))
    }

    /// The fingerprint of the rest of a set without a part of it.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        Self(std::array::from_fn(|i| subtract(self.0[i], part.0[i])))
    }
}

/// Computes the fingerprints of sets of pixels of one image size.
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    rows: [Vec<u64>; 2],
    columns: [Vec<u64>; 2],
}

impl Fingerprinter {
    /// For images of the given size.
    #[must_use]
    pub fn new(height: u32, width: u32) -> Self {
        Self {
            rows: [prefix_sums(height, 0), prefix_sums(height, 1)],
            columns: [prefix_sums(width, 2), prefix_sums(width, 3)],
        }
    }

    /// The fingerprint of a rectangle.
    #[must_use]
    pub fn region(&self, region: &Region) -> Fingerprint {
        Fingerprint(std::array::from_fn(|i| {
            let rows = subtract(self.rows[i][region.bottom as usize], self.rows[i][region.top as usize]);
            let columns = subtract(self.columns[i][region.right as usize], self.columns[i][region.left as usize]);
            multiply(rows, columns)
        }))
    }

    /// The fingerprint of a union of disjoint rectangles.
    #[must_use]
    pub fn regions(&self, regions: &[Region]) -> Fingerprint {
        regions.iter().fold(Fingerprint::default(), |sum, region| sum.union(self.region(region)))
    }
}

fn prefix_sums(length: u32, stream: u32) -> Vec<u64> {
    let mut numbers = Path::root(0x5eed_f1a6, stream).stream();
    let mut sums = vec![0];
    let mut sum = 0;
    for _ in 0..length {
        sum = add(sum, numbers.next_u64() % PRIME);
        sums.push(sum);
    }
    sums
}

const fn add(left: u64, right: u64) -> u64 {
    let sum = left + right;
    if sum >= PRIME { sum - PRIME } else { sum }
}

const fn subtract(left: u64, right: u64) -> u64 {
    if left >= right { left - right } else { left + PRIME - right }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are below 2^61")]
const fn multiply(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    add((product as u64) & PRIME, (product >> 61) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_of_pixels_has_one_fingerprint() {
        let prints = Fingerprinter::new(20, 30);
        let whole = Region { top: 3, left: 5, bottom: 17, right: 28 };
        for row in 4..17 {
            for column in 6..28 {
                assert_eq!(prints.regions(&whole.cut(row, column)), prints.region(&whole));
            }
        }
    }

    #[test]
    fn different_rectangles_differ() {
        let prints = Fingerprinter::new(12, 9);
        let mut seen = std::collections::HashSet::new();
        let mut count = 0;
        for top in 0..12 {
            for bottom in top + 1..=12 {
                for left in 0..9 {
                    for right in left + 1..=9 {
                        seen.insert(prints.region(&Region { top, left, bottom, right }));
                        count += 1;
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn multiplication_is_modular() {
        for (left, right) in [(PRIME - 1, PRIME - 1), (1 << 60, 3), (123_456_789, PRIME - 2)] {
            let expected = u128::from(left) * u128::from(right) % u128::from(PRIME);
            assert_eq!(u128::from(multiply(left, right)), expected);
        }
    }
}
