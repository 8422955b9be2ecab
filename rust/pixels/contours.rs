//! A map drawn between contour lines: its level sets at the contours are given sets of pixels, each within the one before.
//!
//! Outside of all sets the map keeps below the first contour, 0.4. Between two contours it rises from the outer set's edge to
//! the inner set's, half by where a pixel lies between the two and half by another map; within the innermost set by how far
//! from its edge a pixel lies.

use crate::error::{Error, require};
use crate::pixels::distance::squared_distances;

/// The value on the outermost contour; above it lie the sets.
const GROUND: f64 = 0.4;
/// The share of what lies below the first contour that is used.
const BELOW: f64 = 0.99;
/// The share of what lies between two contours that is used.
const BETWEEN: f64 = 0.98;

/// The map, row by row. `levels` are the sets, outermost first; `inside` and `outside`, from 0 to 1, tell pixels apart that lie
/// between the same contours, and outside of all.
///
/// The pixels at or above `0.4 + 0.6 j / n` are exactly those of set `j` of `n`, counted from 0. An image that is all set has no
/// outside; there the image's frame is taken for its edge.
///
/// # Errors
/// If a set or map has not one value a pixel, or a set does not lie within the one before.
pub fn contoured(levels: &[Vec<bool>], inside: &[f32], outside: &[f32], width: usize) -> Result<Vec<f32>, Error> {
    let n_pixels = outside.len();
    require(inside.len() == n_pixels, "inside", inside.len(), "one value a pixel")?;
    for set in levels {
        require(set.len() == n_pixels, "levels", set.len(), "one value a pixel")?;
    }
    let lies_within =
        |(outer, inner): (&Vec<bool>, &Vec<bool>)| outer.iter().zip(inner).all(|(outer, inner)| outer >= inner);
    let is_nested = levels.iter().zip(levels.iter().skip(1)).all(lies_within);
    require(is_nested, "levels", "one not within the one before", "sets within each other, outermost first")?;

    let mut map: Vec<f32> = outside.iter().map(|&value| narrow(GROUND * BELOW * share(value))).collect();
    let step = (1.0 - GROUND) / precise(levels.len().max(1));
    for (level, set) in levels.iter().enumerate() {
        let next = levels.get(level + 1);
        let Some(crop) = Crop::around(set, width).filter(|_| next != Some(set)) else { continue };
        let ground = GROUND + step * precise(level);
        let ring = Ring { set: crop.take(set), next: next.map(|next| crop.take(next)), width: crop.width };
        let heights = ring.heights();
        for ((pixel, height), is_in) in crop.pixels().zip(heights).zip(&ring.set) {
            if *is_in {
                let mean = f64::midpoint(height, share(inside[pixel]));
                map[pixel] = at_least(ground, ground + step * BETWEEN * mean);
            }
        }
    }
    Ok(map)
}

/// The part of an image that has a set of pixels, and one more pixel to either side: nothing else is nearest to any of them.
struct Crop {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
    image_width: usize,
}

impl Crop {
    /// Around a set; `None` if it is empty.
    fn around(set: &[bool], image_width: usize) -> Option<Self> {
        let rows = || set.chunks_exact(image_width.max(1));
        let is_in = |row: &[bool]| row.contains(&true);
        let (first, last) = (rows().position(is_in)?, rows().rposition(is_in)?);
        let lefts = rows().filter_map(|row| row.iter().position(|&is_in| is_in));
        let rights = rows().filter_map(|row| row.iter().rposition(|&is_in| is_in));
        let (leftmost, rightmost) = (lefts.min()?, rights.max()?);
        let (top, left) = (first.saturating_sub(1), leftmost.saturating_sub(1));
        let (bottom, right) = ((last + 2).min(rows().len()), (rightmost + 2).min(image_width));
        Some(Self { top, left, height: bottom - top, width: right - left, image_width })
    }

    fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (left, width, image_width) = (self.left, self.width, self.image_width);
        (self.top..self.top + self.height).map(move |row| row * image_width + left..row * image_width + left + width)
    }

    fn pixels(&self) -> impl Iterator<Item = usize> {
        self.rows().flatten()
    }

    fn take(&self, set: &[bool]) -> Vec<bool> {
        self.rows().flat_map(|row| &set[row]).copied().collect()
    }
}

/// A set without the next one, which lies within it.
struct Ring {
    set: Vec<bool>,
    next: Option<Vec<bool>>,
    width: usize,
}

impl Ring {
    /// How far each pixel has come from the set's edge to the next set's, or to the set's middle where there is none: from 0
    /// to 1.
    fn heights(&self) -> Vec<f64> {
        let is_outside: Vec<bool> = self.set.iter().map(|is_in| !is_in).collect();
        let from_edge = squared_distances(&is_outside, self.width).unwrap_or_else(|| self.squares_to_frame());
        if let Some(to_next) = self.next.as_deref().and_then(|next| squared_distances(next, self.width)) {
            // What is outside keeps its place, at 0.
            let share = |(from, to): (f64, f64)| if from > 0.0 { from.sqrt() / (from.sqrt() + to.sqrt()) } else { 0.0 };
            return from_edge.into_iter().zip(to_next).map(share).collect();
        }
        let most = from_edge.iter().copied().fold(0.0, f64::max);
        let scale = if most > 0.0 { most } else { 1.0 };
        from_edge.into_iter().map(|square| if square > 0.0 { (square / scale).sqrt() } else { 0.0 }).collect()
    }

    /// The square of each pixel's distance to the nearest pixel beyond the image's frame.
    fn squares_to_frame(&self) -> Vec<f64> {
        let (n_pixels, width) = (self.set.len(), self.width);
        let height = n_pixels / width;
        let to_frame = |pixel: usize| {
            let (row, column) = (pixel / width, pixel % width);
            precise((row + 1).min(height - row).min(column + 1).min(width - column)).powi(2)
        };
        (0..n_pixels).map(to_frame).collect()
    }
}

/// A value from 0 to 1; what is no number is 0.
fn share(value: f32) -> f64 {
    if value > 0.0 { f64::from(value).min(1.0) } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts are few")]
const fn precise(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the map is float32")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

/// A value in float32 that is not below the contour it lies above.
fn at_least(contour: f64, value: f64) -> f32 {
    let (nearest, least) = (narrow(value), narrow(contour));
    let least = if f64::from(least) < contour { least.next_up() } else { least };
    nearest.max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_set(map: &[f32], contour: f64) -> Vec<bool> {
        map.iter().map(|&value| f64::from(value) >= contour).collect()
    }

    #[test]
    fn level_sets_are_the_sets() {
        let set = |from: usize, to: usize| (0..49).map(|pixel| (from..to).contains(&pixel)).collect::<Vec<bool>>();
        let all = [set(0, 49), set(8, 40), set(8, 40), set(20, 20)];
        for n in 0..=4 {
            let map = contoured(&all[..n], &[0.0; 49], &[1.0; 49], 7).expect("they are nested");
            for (j, set) in all[..n].iter().enumerate() {
                assert_eq!(&level_set(&map, 0.4 + 0.6 / precise(n) * precise(j)), set, "{j} of {n}");
            }
            assert!(map.iter().all(|value| (0.0..=1.0).contains(value)));
        }
        let sets = [set(8, 40), set(0, 49)];
        assert!(contoured(&sets, &[0.0; 49], &[0.0; 49], 7).is_err());
        assert_eq!(contoured(&[], &[], &[], 0), Ok(Vec::new()));
    }
}
