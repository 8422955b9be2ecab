//! Smooth masks of several areas at once.

use numpy::{
    IntoPyArray, PyArray3, PyArray4, PyArrayMethods, PyReadonlyArray3, PyReadonlyArray4, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::error::{Error, require};
use crate::masks::{area, blend, smooth};

/// Masks made from coarse grids.
#[pyclass(frozen, module = "dccausal._core")]
pub struct SmoothMasks {
    inner: smooth::SmoothMasks,
}

/// Masks, and what their slopes are computed from.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Spread {
    inner: Vec<smooth::Spread>,
    full: [usize; 2],
}

#[pymethods]
impl SmoothMasks {
    #[new]
    #[pyo3(signature = (size, *, step, sigma))]
    fn new(size: [usize; 2], step: usize, sigma: f64) -> PyResult<Self> {
        Ok(Self { inner: smooth::SmoothMasks::new(size, step, sigma)? })
    }

    /// Cells of a grid: (rows, columns).
    #[getter]
    fn grid(&self) -> (usize, usize) {
        self.inner.grid().into()
    }

    /// Pixels of a mask, its margin included: (height, width).
    #[getter]
    fn full(&self) -> (usize, usize) {
        self.inner.full().into()
    }

    /// Pixels of a mask above and to the left of the image.
    #[getter]
    const fn margin(&self) -> usize {
        self.inner.margin()
    }

    /// The masks of grids (n, rows, columns) float32 of 0 to 1.
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn make(&self, py: Python<'_>, grids: PyReadonlyArray3<'_, f32>) -> PyResult<Spread> {
        let grids = several("grids", &grids, self.inner.grid())?;
        let inner = py.detach(|| grids.iter().map(|grid| self.inner.make(grid)).collect());
        Ok(Spread { inner, full: self.inner.full() })
    }

    /// The slopes of grids (n, rows, columns) float32, from those of their masks (n, height, width).
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn back<'py>(
        &self,
        py: Python<'py>,
        spread: &Spread,
        slopes: PyReadonlyArray3<'_, f32>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        require(spread.full == self.inner.full(), "spread", format!("{:?}", spread.full), "of these masks")?;
        let slopes = as_many(several("slopes", &slopes, spread.full)?, spread.inner.len())?;
        let found = py.detach(|| {
            let pairs = spread.inner.iter().zip(&slopes);
            pairs.flat_map(|(spread, slopes)| self.inner.back(spread, slopes)).collect::<Vec<_>>()
        });
        let [rows, columns] = self.inner.grid();
        found.into_pyarray(py).reshape([slopes.len(), rows, columns])
    }
}

#[pymethods]
impl Spread {
    /// The masks (n, height, width) float32.
    #[getter]
    fn masks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let masks = self.inner.iter().flat_map(|spread| spread.mask.iter().copied()).collect::<Vec<_>>();
        masks.into_pyarray(py).reshape([self.inner.len(), self.full[0], self.full[1]])
    }
}

/// An image at several levels of blur.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Blurred {
    inner: blend::Blurred,
    size: [usize; 2],
}

#[pymethods]
impl Blurred {
    /// Takes the levels (n, channels, height, width) float32, the strongest blur first.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(levels: PyReadonlyArray4<'_, f32>) -> PyResult<Self> {
        let (n, channels, height, width) = levels.as_array().dim();
        let values = levels.as_array().iter().copied().collect();
        Ok(Self { inner: blend::Blurred::new(values, n, channels)?, size: [height, width] })
    }

    /// What masks (n, height, width) show, (n, channels, height, width) float32.
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn shown<'py>(&self, py: Python<'py>, masks: PyReadonlyArray3<'_, f32>) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let masks = several("masks", &masks, self.size)?;
        let shown = py.detach(|| masks.iter().flat_map(|mask| self.inner.shown(mask)).collect::<Vec<_>>());
        shown.into_pyarray(py).reshape([masks.len(), self.inner.n_channels(), self.size[0], self.size[1]])
    }

    /// The slopes of masks (n, height, width), from those of what they show, (n, channels, height, width).
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn back<'py>(
        &self,
        py: Python<'py>,
        masks: PyReadonlyArray3<'_, f32>,
        slopes: PyReadonlyArray4<'_, f32>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let masks = several("masks", &masks, self.size)?;
        let [n, channels, height, width] = [0, 1, 2, 3].map(|axis| slopes.shape()[axis]);
        require(
            [n, channels, height, width] == [masks.len(), self.inner.n_channels(), self.size[0], self.size[1]],
            "slopes",
            format!("{n} x {channels} x {height} x {width}"),
            "one for each value that the masks show",
        )?;
        let values: Vec<f32> = slopes.as_array().iter().copied().collect();
        let found = py.detach(|| {
            let each = values.chunks_exact(channels * height * width);
            masks.iter().zip(each).flat_map(|(mask, slopes)| self.inner.back(mask, slopes)).collect::<Vec<_>>()
        });
        found.into_pyarray(py).reshape([n, height, width])
    }
}

/// The slopes of `weight` times the mean squared distance of each sorted mask from one that is 1 from the rank `n_hidden` on
/// and 0 before, (n, height, width).
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
pub fn area_slopes<'py>(
    py: Python<'py>,
    masks: PyReadonlyArray3<'_, f32>,
    n_hidden: Vec<usize>,
    weight: f64,
) -> PyResult<Bound<'py, PyArray3<f32>>> {
    let [n, height, width] = [0, 1, 2].map(|axis| masks.shape()[axis]);
    let masks = as_many(several("masks", &masks, [height, width])?, n_hidden.len())?;
    let slopes = py.detach(|| {
        let pairs = masks.iter().zip(n_hidden);
        pairs.flat_map(|(mask, n_hidden)| area::area_slopes(mask, n_hidden, weight)).collect::<Vec<_>>()
    });
    slopes.into_pyarray(py).reshape([n, height, width])
}

/// The values of each of several arrays, if they have this shape.
fn several(option: &'static str, array: &PyReadonlyArray3<'_, f32>, shape: [usize; 2]) -> PyResult<Vec<Vec<f32>>> {
    let [n, rows, columns] = [0, 1, 2].map(|axis| array.shape()[axis]);
    if [rows, columns] != shape || rows * columns == 0 {
        let given = format!("{n} x {rows} x {columns}");
        return Err(Error::OutOfRange { option, given, needed: "of the size that was laid out" }.into());
    }
    let values: Vec<f32> = array.as_array().iter().copied().collect();
    Ok(values.chunks_exact(rows * columns).map(<[f32]>::to_vec).collect())
}

fn as_many(values: Vec<Vec<f32>>, n: usize) -> PyResult<Vec<Vec<f32>>> {
    require(values.len() == n, "masks", values.len(), "one for each area")?;
    Ok(values)
}
