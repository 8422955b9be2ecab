//! What still matters once an explanation is gone.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::py::evidence::Evidence;
use crate::py::inquiry::{Shared, inquiry};
use crate::py::lock;
use crate::py::maps::one_a_pixel;
use crate::search::remainder;

/// Each cell of a lattice masked besides an explanation.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Remainder {
    shared: Shared<remainder::Remainder>,
    shape: [usize; 2],
}

inquiry!(Remainder {
    /// `kept` is the explanation, (H, W); the lattice has `side` cells a side.
    #[new]
    #[pyo3(signature = (evidence, kept, *, side))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(py: Python<'_>, evidence: &Evidence, kept: PyReadonlyArray2<'_, bool>, side: u32) -> PyResult<Self> {
        let shape = evidence.shape();
        let kept = one_a_pixel("kept", &kept, shape)?;
        let begin = |evidence: &_| remainder::Remainder::new(kept, side, evidence);
        Ok(Self { shared: Shared::begin(py, &evidence.shared, begin)?, shape })
    }

    /// What the score loses with each cell, (H, W) float32, as a share of the intact image's.
    fn heatmap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let heatmap = lock(&self.shared.inner).heatmap().to_vec();
        heatmap.into_pyarray(py).reshape(self.shape)
    }
});
