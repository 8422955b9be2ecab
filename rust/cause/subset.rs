//! A superpixel: one of the four pieces that a partition cuts a region into. Here sets of them, one bit each.

/// Number of superpixels that a cut makes (paper, Section 5). Everything below follows from this constant.
pub const SUPERPIXELS: usize = 4;

/// Number of subsets of one partition's superpixels.
pub const SUBSETS: usize = 1 << SUPERPIXELS;

/// A set of superpixels of one partition, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subset(u8);

impl Subset {
    /// No superpixel.
    pub const EMPTY: Self = Self(0);

    /// The subset with the given bits.
    ///
    /// # Panics
    /// If a bit beyond the last superpixel is set.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        assert!(usize::from(bits) < SUBSETS, "a subset of {SUPERPIXELS} superpixels, got bits {bits:#b}");
        Self(bits)
    }

    /// One superpixel alone.
    #[must_use]
    pub fn single(superpixel: usize) -> Self {
        Self::EMPTY.with(superpixel)
    }

    /// All superpixels.
    #[must_use]
    pub fn full() -> Self {
        Self::from_bits(u8::try_from(SUBSETS - 1).expect("the bits of a subset fit a byte"))
    }

    /// The bits: superpixel `s` is in the set iff bit `s` is set.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Number of superpixels in the set.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a superpixel is in the set.
    #[must_use]
    pub const fn contains(self, superpixel: usize) -> bool {
        self.0 >> superpixel & 1 == 1
    }

    /// The set and one superpixel more.
    #[must_use]
    pub fn with(self, superpixel: usize) -> Self {
        Self::from_bits(self.0 | 1 << superpixel)
    }

    /// The set without one superpixel.
    #[must_use]
    pub const fn without(self, superpixel: usize) -> Self {
        Self(self.0 & !(1 << superpixel))
    }

    /// The superpixels that are not in the set.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(!self.0 & Self::full().0)
    }

    /// Whether every superpixel of this set is in the other.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The superpixels in the set, in order.
    pub fn superpixels(self) -> impl Iterator<Item = usize> {
        (0..SUPERPIXELS).filter(move |&s| self.contains(s))
    }

    /// Every subset, in the order of its bits.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::full().bits()).map(Self)
    }

    /// Every subset of one size, in the order of its bits.
    pub fn of_size(size: usize) -> impl Iterator<Item = Self> {
        Self::all().filter(move |subset| subset.len() == size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_as_binomials() {
        let counts: Vec<usize> = (0..=SUPERPIXELS).map(|size| Subset::of_size(size).count()).collect();
        assert_eq!(counts, [1, 4, 6, 4, 1]);
        assert_eq!(Subset::all().count(), SUBSETS);
    }

    #[test]
    fn with_and_without_are_inverse() {
        for subset in Subset::all() {
            for superpixel in subset.superpixels() {
                let smaller = subset.without(superpixel);
                assert!(smaller.is_within(subset) && !subset.is_within(smaller));
                assert_eq!(smaller.with(superpixel), subset);
            }
        }
    }
}
