//! Smooth masks from coarse grids, and the slopes of the grids from those of the masks (Fong 2019).
//!
//! A pixel of a mask is the smooth maximum of the cells around it, each times a weight that falls with its distance:
//! the sum of their values `v`, weighted by `exp(SHARPNESS * v)`. Cells of 0 weigh alike, so only the others are gone
//! through.

use std::ops::Range;

use crate::error::{Error, require};
use crate::scores::exp;

/// Of the smooth maximum.
const SHARPNESS: f32 = 20.0;
/// The distance, in units of sigma, up to which a cell has its whole weight.
const PLATEAU: f64 = 0.5;

/// Makes masks of an image's size, and a margin around it, from grids of cells.
#[derive(Clone, Debug)]
pub struct SmoothMasks {
    step: usize,
    radius: usize,
    padding: usize,
    margin: usize,
    grid: [usize; 2],
    /// Cells that pixels of the mask lie in.
    middle: [usize; 2],
    full: [usize; 2],
    /// By a pixel's place in its cell, row by row, and then by the cells around.
    weights: Vec<f32>,
}

/// A mask, and what its slopes are computed from: by row of cells, place in the cell and column of cells.
#[derive(Clone, Debug)]
pub struct Spread {
    padded: Vec<f32>,
    /// The most of the cells around, times the sharpness.
    top: Vec<f32>,
    /// The sum of the exponentials, each of its number less `top`.
    total: Vec<f32>,
    values: Vec<f32>,
    /// Pixels of the mask, row by row.
    pub mask: Vec<f32>,
}

/// One of the cells around the pixels of a row of cells that have one place in theirs.
struct Neighbour {
    /// Among the cells around.
    number: usize,
    /// Padded line and columns in which the cells lie, and their places in all.
    line: usize,
    columns: Range<usize>,
    cells: Range<usize>,
    /// Columns of the pixels whose neighbours they are.
    pixels: Range<usize>,
}

impl SmoothMasks {
    /// Lays out grids for an image of a size (height, width), with cells of `step` pixels spread over `sigma` pixels.
    ///
    /// # Errors
    /// If masks would not reach over the image, or an option is out of its range.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sigma is a number of pixels")]
    #[expect(clippy::cast_precision_loss, reason = "pixels are few")]
    pub fn new(size: [usize; 2], step: usize, sigma: f64) -> Result<Self, Error> {
        require(
            size.iter().all(|side| (1..=65535).contains(side)),
            "size",
            format!("{size:?}"),
            "from 1 to 65535 a side",
        )?;
        require((1..=64).contains(&step), "step", step, "from 1 to 64 pixels")?;
        require((1.0..=256.0).contains(&sigma), "sigma", sigma, "from 1 to 256 pixels")?;
        let margin = sigma.ceil() as usize;
        let radius = 1 + (sigma / step as f64).ceil() as usize;
        let padding = 1 + ((margin as f64 + sigma) / step as f64).ceil() as usize;
        let grid = size.map(|side| side.div_ceil(step));
        let middle = grid.map(|n| n + 2 * (padding - radius));
        let full = middle.map(|n| step * (n - 1) + 1);
        require(
            full.iter().zip(size).all(|(&n, side)| n >= margin + side),
            "sigma",
            format!("{sigma} with cells of {step} pixels, and masks would not reach over the image"),
            "a multiple of the cell",
        )?;
        let square = |place: usize, cell: usize| {
            let at = (margin + step * cell) as f64 - (step * padding) as f64;
            (place as f64 - at).powi(2)
        };
        let around = 0..=2 * radius;
        let mut weights = Vec::with_capacity((step * around.clone().count()).pow(2));
        for (row, column) in (0..step).flat_map(|row| (0..step).map(move |column| (row, column))) {
            for (above, left) in around.clone().flat_map(|above| around.clone().map(move |left| (above, left))) {
                let distance = (square(row, above) + square(column, left)).sqrt() / sigma;
                weights.push((-2.0 * (distance - PLATEAU).max(0.0).powi(2)).exp() as f32);
            }
        }
        Ok(Self { step, radius, padding, margin, grid, middle, full, weights })
    }

    /// Cells of a grid: (rows, columns).
    #[must_use]
    pub const fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Pixels of a mask, its margin included: (height, width).
    #[must_use]
    pub const fn full(&self) -> [usize; 2] {
        self.full
    }

    /// Pixels of a mask above and to the left of the image.
    #[must_use]
    pub const fn margin(&self) -> usize {
        self.margin
    }

    /// The mask of a grid of numbers from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "cells around are few")]
    pub fn make(&self, grid: &[f32]) -> Spread {
        let padded = self.padded(grid);
        let shown = self.shown(&padded);
        let [_, columns] = self.middle;
        let n = self.places() * columns * self.middle[0];
        let (mut top, mut total, mut values) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let mut n_hidden = vec![0.0; columns];
        for row in 0..self.middle[0] {
            n_hidden.fill(self.cells_around() as f32);
            self.around(row, &shown, |near| n_hidden[near.pixels.clone()].iter_mut().for_each(|n| *n -= 1.0));
            for place in 0..self.places() {
                let line = self.line(row, place);
                let (top, total, sum) = (&mut top[line.clone()], &mut total[line.clone()], &mut values[line]);
                let weights = self.weights_at(place);
                self.around(row, &shown, |near| {
                    let weight = weights[near.number];
                    for (top, &cell) in top[near.pixels.clone()].iter_mut().zip(&padded[near.cells.clone()]) {
                        let value = weight * cell;
                        *top = if value > *top { value } else { *top };
                    }
                });
                top.iter_mut().for_each(|top| *top *= SHARPNESS);
                for ((total, &n), &top) in total.iter_mut().zip(&n_hidden).zip(&*top) {
                    *total = n * exp(-top);
                }
                self.around(row, &shown, |near| {
                    let (weight, at) = (weights[near.number], near.pixels.clone());
                    let sums = total[at.clone()].iter_mut().zip(&mut sum[at.clone()]);
                    for (((total, sum), &top), &cell) in sums.zip(&top[at]).zip(&padded[near.cells.clone()]) {
                        let value = weight * cell;
                        let share = exp(value * SHARPNESS - top);
                        *total += share;
                        *sum += value * share;
                    }
                });
                sum.iter_mut().zip(&*total).for_each(|(sum, &total)| *sum /= total);
            }
        }
        let mask = self.lying(&values);
        Spread { padded, top, total, values, mask }
    }

    /// The slopes of a grid, from those of its mask's pixels.
    #[must_use]
    pub fn back(&self, spread: &Spread, slopes: &[f32]) -> Vec<f32> {
        let [rows, columns] = self.middle;
        let (padding, width) = (self.padding, self.width());
        let shown = self.shown(&spread.padded);
        let inside = padding..padding + self.grid[1];
        let whole: Vec<_> = (0..rows + 2 * self.radius)
            .map(|row| if (padding..padding + self.grid[0]).contains(&row) { inside.clone() } else { 0..0 })
            .collect();
        let mut found = vec![0.0; spread.padded.len()];
        let (mut each, mut hidden) = (vec![0.0; columns], vec![0.0; columns]);
        for row in 0..rows {
            for place in 0..self.places() {
                let line = self.line(row, place);
                let (top, values) = (&spread.top[line.clone()], &spread.values[line.clone()]);
                self.slopes_of_line(row, place, slopes, &mut each);
                each.iter_mut().zip(&spread.total[line]).for_each(|(each, &total)| *each /= total);
                for (((hidden, &each), &top), &value) in hidden.iter_mut().zip(&each).zip(top).zip(values) {
                    *hidden = each * exp(-top) * (1.0 - SHARPNESS * value);
                }
                let weights = self.weights_at(place);
                self.around(row, &whole, |near| {
                    let weight = weights[near.number];
                    let is_shown = overlap(&shown[near.line], &near.columns);
                    let middle = is_shown.start - near.columns.start..is_shown.end - near.columns.start;
                    let out = &mut found[near.cells.clone()];
                    for range in [0..middle.start, middle.end..out.len()] {
                        let hidden = &hidden[near.pixels.clone()][range.clone()];
                        out[range].iter_mut().zip(hidden).for_each(|(out, &hidden)| *out += weight * hidden);
                    }
                    let at = near.pixels.start + middle.start..near.pixels.start + middle.end;
                    let cells = &spread.padded[near.cells.clone()][middle.clone()];
                    let pixels = each[at.clone()].iter().zip(&top[at.clone()]).zip(&values[at]);
                    for ((out, &cell), ((&each, &top), &mask)) in out[middle].iter_mut().zip(cells).zip(pixels) {
                        let value = weight * cell;
                        let share = exp(value * SHARPNESS - top) * each;
                        *out += weight * share * (SHARPNESS * (value - mask) + 1.0);
                    }
                });
            }
        }
        found
            .chunks_exact(width)
            .skip(padding)
            .take(self.grid[0])
            .flat_map(|line| line[inside.clone()].to_vec())
            .collect()
    }

    /// Cells of a padded line.
    const fn width(&self) -> usize {
        self.middle[1] + 2 * self.radius
    }

    const fn places(&self) -> usize {
        self.step * self.step
    }

    const fn cells_around(&self) -> usize {
        (2 * self.radius + 1).pow(2)
    }

    fn weights_at(&self, place: usize) -> &[f32] {
        &self.weights[place * self.cells_around()..][..self.cells_around()]
    }

    /// Where the pixels of a row of cells lie that have one place in theirs.
    const fn line(&self, row: usize, place: usize) -> Range<usize> {
        let start = (row * self.places() + place) * self.middle[1];
        start..start + self.middle[1]
    }

    /// A grid with cells of 0 around it.
    fn padded(&self, grid: &[f32]) -> Vec<f32> {
        let width = self.width();
        let mut padded = vec![0.0; width * (self.middle[0] + 2 * self.radius)];
        let lines = padded.chunks_exact_mut(width).skip(self.padding);
        for (line, cells) in lines.zip(grid.chunks_exact(self.grid[1])) {
            line[self.padding..self.padding + self.grid[1]].copy_from_slice(cells);
        }
        padded
    }

    /// For each padded line of cells, from the first to the last that is not 0.
    fn shown(&self, padded: &[f32]) -> Vec<Range<usize>> {
        let is_shown = |cell: &f32| *cell != 0.0;
        let of_line = |line: &[f32]| {
            let first = line.iter().position(is_shown).unwrap_or(0);
            first..line.iter().rposition(is_shown).map_or(0, |last| last + 1)
        };
        padded.chunks_exact(self.width()).map(of_line).collect()
    }

    /// Calls back for each cell around the pixels of a row of cells, as far as it lies within the ranges by padded line.
    fn around(&self, row: usize, ranges: &[Range<usize>], mut call: impl FnMut(&Neighbour)) {
        let side = 2 * self.radius + 1;
        for above in 0..side {
            let line = row + above;
            for left in 0..side {
                let columns = overlap(&ranges[line], &(left..left + self.middle[1]));
                if !columns.is_empty() {
                    let pixels = columns.start - left..columns.end - left;
                    let start = line * self.width();
                    let cells = start + columns.start..start + columns.end;
                    call(&Neighbour { number: above * side + left, line, columns, cells, pixels });
                }
            }
        }
    }

    /// Values by place in their cell as they lie in the mask.
    fn lying(&self, values: &[f32]) -> Vec<f32> {
        let [height, width] = self.full;
        let mut mask = vec![0.0; height * width];
        for (y, line) in mask.chunks_exact_mut(width).enumerate() {
            for left in 0..self.step {
                let place = (y % self.step) * self.step + left;
                let from = &values[self.line(y / self.step, place)];
                line.iter_mut().skip(left).step_by(self.step).zip(from).for_each(|(to, &from)| *to = from);
            }
        }
        mask
    }

    /// Of the mask's slopes those of one line of pixels; 0 where there are none.
    fn slopes_of_line(&self, row: usize, place: usize, slopes: &[f32], line: &mut [f32]) {
        let [height, width] = self.full;
        let (y, left) = (row * self.step + place / self.step, place % self.step);
        line.fill(0.0);
        if y < height {
            let from = slopes[y * width..][..width].iter().skip(left).step_by(self.step);
            line.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// What two ranges share; an empty one within the second if that is nothing.
fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.clamp(b.start, b.end);
    start..a.end.clamp(start, b.end)
}
