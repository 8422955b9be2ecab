//! Zooming in on a length: a few points between two bounds at a time.

use std::collections::BTreeSet;

/// Points that are asked for at once.
const POINTS: usize = 4;

/// Points strictly between two bounds, as even as whole numbers allow, ascending; none where there is little between them.
#[must_use]
pub fn points(low: usize, high: usize) -> Vec<usize> {
    let spread: BTreeSet<usize> = (1..=POINTS).map(|i| low + (high - low) * i / (POINTS + 1)).collect();
    spread.into_iter().filter(|&point| point > low && point < high).collect()
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn points_lie_between_the_bounds() {
        assert_eq!(points(0, 196), [39, 78, 117, 156]);
        assert_eq!(points(3, 6), [4, 5]);
        assert_eq!(points(3, 5), [4]);
        assert_eq!(points(3, 4), [0; 0]);
    }
}
