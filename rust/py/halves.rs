//! What matters outside of an explanation.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::py::evidence::Evidence;
use crate::py::inquiry::{Shared, inquiry};
use crate::py::lock;
use crate::py::maps::one_a_pixel;
use crate::search::halves::{self, Beside};

/// Halves of the cells of a lattice, with an explanation shown, and with it masked.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Halves {
    shared: Shared<halves::Halves>,
    shape: [usize; 2],
}

inquiry!(Halves {
    /// `kept` is the explanation, (H, W); the lattice has `side` cells a side; `is_both` asks with it masked too.
    #[new]
    #[pyo3(signature = (evidence, kept, *, side, is_both))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(
        py: Python<'_>,
        evidence: &Evidence,
        kept: PyReadonlyArray2<'_, bool>,
        side: u32,
        is_both: bool,
    ) -> PyResult<Self> {
        let shape = evidence.shape();
        let kept = one_a_pixel("kept", &kept, shape)?;
        let beside = if is_both { Beside::Both } else { Beside::Shown };
        let begin = |evidence: &_| halves::Halves::new(kept, side, beside, evidence);
        Ok(Self { shared: Shared::begin(py, &evidence.shared, begin)?, shape })
    }

    /// The effects of the cells, (H, W) float32 from -1 to 1, as shares of the greatest; 0 within the explanation.
    fn heatmap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let heatmap = lock(&self.shared.inner).heatmap().to_vec();
        heatmap.into_pyarray(py).reshape(self.shape)
    }
});
