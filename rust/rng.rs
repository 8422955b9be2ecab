//! Random cuts as pure functions of where they are made.
//!
//! A cut depends on the seed, the partition and the path of its region in the partition's tree, and on nothing else: not
//! on the order in which regions happen to be refined. Each such place seeds a `SplitMix64` stream of its own.

/// The finaliser of `SplitMix64`: a bijection of 64 bits that scatters them.
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a region stands in its partition's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path(u64);

impl Path {
    /// The root of a partition: the whole image.
    #[must_use]
    pub const fn root(seed: u64, partition: u32) -> Self {
        Self(mix(mix(seed.wrapping_add(GOLDEN)) ^ (partition as u64 + 1).wrapping_mul(GOLDEN)))
    }

    /// The `index`-th superpixel of this region.
    #[must_use]
    pub const fn child(self, index: usize) -> Self {
        Self(mix(self.0 ^ (index as u64 + 1).wrapping_mul(GOLDEN)))
    }

    /// The random numbers that belong to this place.
    #[must_use]
    pub const fn stream(self) -> Stream {
        Stream(self.0)
    }
}

/// A `SplitMix64` stream.
#[derive(Clone, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A whole number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let scaled = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
        u32::try_from(scaled).expect("scaled below a u32")
    }

    /// Where to cut a side of `side` pixels: an offset in `1..side`, so that both parts have at least one pixel.
    ///
    /// The offset is the median of `2 a - 1` uniform draws, `a` being the concentration, hence distributed as
    /// Beta(a, a) over the side: `a = 1` is the paper's uniform cut, larger values stay nearer the middle. `side` must be
    /// at least 2.
    pub fn cut(&mut self, side: u32, concentration: u8) -> u32 {
        let draws = usize::from(concentration.max(1)) * 2 - 1;
        let mut offsets: Vec<u32> = (0..draws).map(|_| 1 + self.below(side - 1)).collect();
        offsets.sort_unstable();
        offsets[draws / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_streams_of_their_own() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..20 {
            for partition in 0..20 {
                let root = Path::root(seed, partition);
                assert!(seen.insert(root));
                for child in 0..4 {
                    assert!(seen.insert(root.child(child)));
                }
            }
        }
    }

    #[test]
    fn cuts_are_inside_and_concentrate_with_the_parameter() {
        let spread = |concentration| {
            let mut stream = Path::root(1, 0).stream();
            let offsets: Vec<f64> = (0..4000).map(|_| f64::from(stream.cut(101, concentration))).collect();
            assert!(offsets.iter().all(|offset| (1.0..=100.0).contains(offset)));
            offsets.iter().map(|offset| (offset - 50.5).powi(2)).sum::<f64>() / 4000.0
        };
        // Var of Beta(a, a) on a length of 100 is 10^4 / (4 (2 a + 1)).
        assert!((spread(1) - 833.0).abs() < 60.0);
        assert!((spread(4) - 277.0).abs() < 30.0);
    }

    #[test]
    fn a_side_of_two_pixels_has_one_cut() {
        assert_eq!(Path::root(0, 0).stream().cut(2, 4), 1);
    }
}
