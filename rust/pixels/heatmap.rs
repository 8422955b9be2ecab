//! Accumulation of the heatmap: constant cost a rectangle, one pass at the end.
//!
//! Values are added into the corners of a two-dimensional difference array and summed up once. They are fixed-point
//! integers, so that neither the order of additions nor cancellation can change a bit of the result.

use crate::pixels::region::Region;

/// Fractional bits of the fixed-point values. Values up to 2^13 in total at any pixel are safe.
const FRACTION_BITS: i32 = 50;

/// A sum of rectangles, each of a constant value.
#[derive(Clone, Debug)]
pub struct Accumulator {
    height: usize,
    width: usize,
    corners: Vec<i64>,
    /// The rows that have a corner: all others are like the one above.
    has_corner: Vec<bool>,
}

impl Accumulator {
    /// All zero.
    #[must_use]
    pub fn new(height: u32, width: u32) -> Self {
        let (height, width) = (height as usize, width as usize);
        Self { height, width, corners: vec![0; (height + 1) * (width + 1)], has_corner: vec![false; height + 1] }
    }

    /// Adds `value`, which must be finite and not negative, to every pixel of a region.
    pub fn add(&mut self, region: &Region, value: f64) {
        let value = fixed_point(value);
        self.has_corner[region.top as usize] = true;
        self.has_corner[region.bottom as usize] = true;
        let stride = self.width + 1;
        let (top, bottom) = (region.top as usize * stride, region.bottom as usize * stride);
        let (left, right) = (region.left as usize, region.right as usize);
        for (corner, signed) in
            [(top + left, value), (top + right, -value), (bottom + left, -value), (bottom + right, value)]
        {
            self.corners[corner] = self.corners[corner].wrapping_add(signed);
        }
    }

    /// The sums divided by `count`, row by row.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the heatmap is float32")]
    pub fn mean(&self, count: u32) -> Vec<f32> {
        let scale = 1.0 / (2.0_f64.powi(FRACTION_BITS) * f64::from(count.max(1)));
        let mut above = vec![0_i64; self.width];
        let mut heatmap = Vec::with_capacity(self.height * self.width);
        let rows = self.corners.chunks_exact(self.width + 1).zip(&self.has_corner).take(self.height);
        for (row, (corners, &has_corner)) in rows.enumerate() {
            if !has_corner && row > 0 {
                heatmap.extend_from_within((row - 1) * self.width..);
                continue;
            }
            let mut along = 0_i64;
            for (sum, corner) in above.iter_mut().zip(corners) {
                along = along.wrapping_add(*corner);
                *sum = sum.wrapping_add(along);
                heatmap.push((*sum as f64 * scale) as f32);
            }
        }
        heatmap
    }
}

/// Values as shares of the largest, if that is above 0.
#[must_use]
pub fn shares(values: Vec<f64>) -> Vec<f64> {
    let most = values.iter().copied().fold(0.0, f64::max);
    if most > 0.0 { values.into_iter().map(|value| value / most).collect() } else { values }
}

#[expect(clippy::cast_possible_truncation, reason = "weights and responsibilities are at most 1")]
fn fixed_point(value: f64) -> i64 {
    (value * 2.0_f64.powi(FRACTION_BITS) + 0.5).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_adds_its_value_inside_and_nothing_outside() {
        let mut sums = Accumulator::new(5, 4);
        let region = Region { top: 1, left: 2, bottom: 5, right: 4 };
        sums.add(&region, 0.25);
        sums.add(&Region::whole(5, 4), 0.5);
        for (index, value) in sums.mean(1).into_iter().enumerate() {
            let (row, column) = (index / 4, index % 4);
            let expected = if row >= 1 && column >= 2 { 0.75 } else { 0.5 };
            assert!((value - expected).abs() < f32::EPSILON, "pixel {row}, {column}");
        }
    }

    #[test]
    fn what_was_not_touched_is_exactly_zero() {
        let mut sums = Accumulator::new(64, 64);
        for k in 1..60 {
            sums.add(&Region { top: k, left: k, bottom: k + 3, right: k + 4 }, 1.0 / f64::from(k * 7));
        }
        let mean = sums.mean(3);
        assert_eq!(mean[0].to_bits(), 0.0_f32.to_bits());
        assert_eq!(mean[63].to_bits(), 0.0_f32.to_bits());
    }
}
