//! Maps made smoother: by a Gaussian, and by the means of blocks.

use crate::pixels::region::Grid;

/// Standard deviations after which the Gaussian is cut off.
const REACH: f64 = 4.0;
/// Lines that are smoothed together.
const LANES: usize = 16;

/// A map after a Gaussian of `sigma` pixels. Beyond its borders the map goes on as its mirror image.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the map is float32")]
pub fn smoothed(map: &[f32], width: usize, sigma: f64) -> Vec<f32> {
    let weights = gaussian(sigma);
    let mut values: Vec<f64> = map.iter().map(|&value| f64::from(value)).collect();
    let height = map.len().checked_div(width).unwrap_or(0);
    if weights.len() > 1 && height > 0 {
        smooth_lines(&mut values, Lines { n: width, stride: 1, length: height, step: width }, &weights);
        smooth_lines(&mut values, Lines { n: height, stride: width, length: width, step: 1 }, &weights);
    }
    values.into_iter().map(|value| value as f32).collect()
}

/// The mean of a map over each block of a lattice.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "areas are far below 2^52")]
pub fn block_means(map: &[f32], width: usize, grid: &Grid) -> Vec<f64> {
    let mean = |index| {
        let block = grid.block(index);
        let rows = map.chunks_exact(width).take(block.bottom as usize).skip(block.top as usize);
        let values = rows.flat_map(|row| &row[block.left as usize..block.right as usize]);
        values.fold(0.0, |sum, &value| sum + f64::from(value)) / block.area() as f64
    };
    (0..grid.n_blocks()).map(mean).collect()
}

/// The weight of the middle and of what lies so many pixels to either side.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sigma is a number of pixels")]
#[expect(clippy::cast_precision_loss, reason = "pixels are few")]
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (REACH * sigma + 0.5) as usize;
    let weights: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    if reach == 0 {
        return vec![1.0];
    }
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Lines of a map: where each begins, and how many values it has how far apart.
#[derive(Clone, Copy)]
struct Lines {
    n: usize,
    stride: usize,
    length: usize,
    step: usize,
}

/// Smooths along each line, several side by side.
fn smooth_lines(values: &mut [f64], lines: Lines, weights: &[f64]) {
    let reach = weights.len() - 1;
    let mut padded = vec![[0.0; LANES]; lines.length + 2 * reach];
    for first in (0..lines.n).step_by(LANES) {
        let n_lanes = LANES.min(lines.n - first);
        let place = |lane: usize, i: usize| (first + lane) * lines.stride + i * lines.step;
        for (i, lanes) in padded[reach..reach + lines.length].iter_mut().enumerate() {
            (0..n_lanes).for_each(|lane| lanes[lane] = values[place(lane, i)]);
        }
        for i in (0..reach).chain(reach + lines.length..padded.len()) {
            padded[i] = padded[reach + mirrored(i, reach, lines.length)];
        }
        for i in 0..lines.length {
            let window = &padded[i..=i + 2 * reach];
            let mut sums = window[reach].map(|value| value * weights[0]);
            let pairs = window[..reach].iter().rev().zip(&window[reach + 1..]);
            for (weight, (before, after)) in weights[1..].iter().zip(pairs) {
                (0..LANES).for_each(|lane| sums[lane] += weight * (before[lane] + after[lane]));
            }
            (0..n_lanes).for_each(|lane| values[place(lane, i)] = sums[lane]);
        }
    }
}

/// The place on a line that place `i` of the same line with `reach` more on either side mirrors.
const fn mirrored(i: usize, reach: usize, length: usize) -> usize {
    // Places repeat after twice the length.
    let period = 2 * length;
    let place = (i + period - reach % period) % period;
    if place < length { place } else { period - 1 - place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_shows_the_edge_twice() {
        let along: Vec<usize> = (0..11).map(|i| mirrored(i, 4, 3)).collect();
        assert_eq!(along, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }

    #[test]
    fn a_constant_stays_and_nothing_is_lost() {
        assert!(smoothed(&[2.5; 35], 7, 3.0).iter().all(|value| (value - 2.5).abs() < 1e-6));
        let mut point = vec![0.0; 400];
        point[7] = 1.0;
        let sum: f32 = smoothed(&point, 20, 1.5).iter().sum();
        assert!((sum - 1.0).abs() < 1e-5);
        assert_eq!(smoothed(&point, 20, 0.0), point);
        assert!(smoothed(&[], 0, 1.0).is_empty());
    }
}
