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
        if next == Some(set) {
            continue;
        }
        let ground = GROUND + step * precise(level);
        let heights = heights(set, next.map(Vec::as_slice), width);
        for (pixel, height) in heights.into_iter().enumerate().filter(|&(pixel, _)| set[pixel]) {
            let mean = f64::midpoint(height, share(inside[pixel]));
            map[pixel] = at_least(ground, ground + step * BETWEEN * mean);
        }
    }
    Ok(map)
}

/// How far each pixel of a set has come from its edge to the next set's, or to its middle where there is none: from 0 to 1.
fn heights(set: &[bool], next: Option<&[bool]>, width: usize) -> Vec<f64> {
    let is_outside: Vec<bool> = set.iter().map(|is_kept| !is_kept).collect();
    let mut squares = squared_distances(&is_outside, width).unwrap_or_else(|| squares_to_frame(set.len(), width));
    if let Some(to_next) = next.and_then(|next| squared_distances(next, width)) {
        for (square, to_next) in squares.iter_mut().zip(to_next) {
            let (from_edge, to_next) = (square.sqrt(), to_next.sqrt());
            *square = if from_edge > 0.0 { from_edge / (from_edge + to_next) } else { 0.0 };
        }
        return squares;
    }
    let most = squares.iter().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { most } else { 1.0 };
    squares.into_iter().map(|square| (square / scale).sqrt()).collect()
}

/// The square of each pixel's distance to the nearest pixel beyond the image's frame.
fn squares_to_frame(n_pixels: usize, width: usize) -> Vec<f64> {
    let height = n_pixels / width.max(1);
    let to_frame = |pixel: usize| {
        let (row, column) = (pixel / width, pixel % width);
        precise((row + 1).min(height - row).min(column + 1).min(width - column)).powi(2)
    };
    (0..n_pixels).map(to_frame).collect()
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
