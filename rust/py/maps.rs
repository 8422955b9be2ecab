//! Maps of pixels: contours, smoothing, means.

use numpy::{Element, IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::{Error, require};
use crate::pixels::contours;
use crate::pixels::region::Grid;
use crate::pixels::smoothing;

/// The values of an array, row by row, if it has this shape.
pub fn one_a_pixel<T: Element + Copy>(
    option: &'static str,
    array: &PyReadonlyArray2<'_, T>,
    shape: [usize; 2],
) -> PyResult<Vec<T>> {
    let [rows, columns] = [0, 1].map(|axis| array.shape()[axis]);
    if [rows, columns] != shape {
        let given = format!("{rows} x {columns}");
        return Err(Error::OutOfRange { option, given, needed: "one value a pixel" }.into());
    }
    Ok(array.as_array().iter().copied().collect())
}

/// A map whose level sets at the contours are the given sets, (H, W) float32.
///
/// `levels` are sets (H, W), each within the one before, outermost first. `inside` and `outside` have values from 0 to 1, which
/// tell pixels apart between two contours and outside of all. The pixels at or above `0.4 + 0.6 * j / len(levels)` are those of
/// set j.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
pub fn contoured<'py>(
    py: Python<'py>,
    levels: Vec<PyReadonlyArray2<'py, bool>>,
    inside: PyReadonlyArray2<'py, f32>,
    outside: PyReadonlyArray2<'py, f32>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let shape = shape_of(&outside);
    let levels = levels.iter().map(|set| one_a_pixel("levels", set, shape)).collect::<PyResult<Vec<_>>>()?;
    let (inside, outside) = (one_a_pixel("inside", &inside, shape)?, one_a_pixel("outside", &outside, shape)?);
    let map = py.detach(|| contours::contoured(&levels, &inside, &outside, shape[1]))?;
    map.into_pyarray(py).reshape(shape)
}

/// A map after a Gaussian of `sigma` pixels, cut off after 4 sigma; beyond its borders the map goes on as its mirror image.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
pub fn smoothed<'py>(
    py: Python<'py>,
    heat: PyReadonlyArray2<'py, f32>,
    sigma: f64,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let shape = shape_of(&heat);
    require((0.0..=4096.0).contains(&sigma), "sigma", sigma, "from 0 to 4096 pixels")?;
    let values = one_a_pixel("heat", &heat, shape)?;
    let smoothed = py.detach(|| smoothing::smoothed(&values, shape[1], sigma));
    smoothed.into_pyarray(py).reshape(shape)
}

/// The mean of a map over each block of a lattice of `cells` a side, at each of the block's pixels.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
pub fn block_means<'py>(
    py: Python<'py>,
    heat: PyReadonlyArray2<'py, f32>,
    cells: u32,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let shape = shape_of(&heat);
    let [height, width] = shape.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let sides = "at least 1 pixel and at most 65535 a side";
    require(
        (1..=65535).contains(&height.min(width)) && height.max(width) <= 65535,
        "heat",
        format!("{height} x {width}"),
        sides,
    )?;
    require((1..=256).contains(&cells), "cells", cells, "from 1 to 256 blocks a side")?;
    let values = one_a_pixel("heat", &heat, shape)?;
    let means = py.detach(|| {
        let grid = Grid::new(height, width, cells);
        grid.pixels(&smoothing::block_means(&values, shape[1], &grid))
    });
    let means: Vec<f32> = means.into_iter().map(narrow).collect();
    means.into_pyarray(py).reshape(shape)
}

fn shape_of<T: Element>(array: &PyReadonlyArray2<'_, T>) -> [usize; 2] {
    [0, 1].map(|axis| array.shape()[axis])
}

#[expect(clippy::cast_possible_truncation, reason = "maps are float32")]
const fn narrow(value: f64) -> f32 {
    value as f32
}
