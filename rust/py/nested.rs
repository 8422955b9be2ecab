//! The extraction of nested sets, their blocks as pixels.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::extraction::nested;
use crate::extraction::options::NestedOptions;
use crate::extraction::staged::Staged;
use crate::py::evidence::Evidence;
use crate::py::inquiry::{Cells, Shared, staged};
use crate::py::lock;
use crate::py::maps::one_a_pixel;

/// The extraction of sufficient sets within each other, one a floor of the score.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Nested {
    shared: Shared<nested::Nested>,
    shape: [usize; 2],
}

staged!(Nested {
    /// Goes on from all that is known.
    #[new]
    #[pyo3(signature = (evidence, heatmap, *, cells, floors))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(
        py: Python<'_>,
        evidence: &Evidence,
        heatmap: PyReadonlyArray2<'_, f32>,
        cells: Cells,
        floors: Vec<f64>,
    ) -> PyResult<Self> {
        let shape = evidence.shape();
        let values = one_a_pixel("heatmap", &heatmap, shape)?;
        let options = NestedOptions { lattice: cells.into(), floors };
        let begin = |evidence: &_| nested::Nested::new(options, &values, evidence);
        Ok(Self { shared: Shared::begin(py, &evidence.shared, begin)?, shape })
    }

    /// The floor, counted from 0, whose set is worked on; the last one at the end.
    #[getter]
    fn level(&self) -> usize {
        lock(&self.shared.inner).level()
    }

    /// The set of each floor, outermost first: (H, W) bool, and whether it is known to be minimal.
    fn levels<'py>(&self, py: Python<'py>) -> PyResult<Vec<Level<'py>>> {
        let levels: Vec<(Vec<bool>, bool)> = py.detach(|| {
            let inner = lock(&self.shared.inner);
            let levels = inner.levels().into_iter();
            levels.map(|(set, is_minimal)| (inner.grid().pixels(&set), is_minimal)).collect()
        });
        let arrays = levels.into_iter().map(|(pixels, is_minimal)| {
            let pixels = pixels.into_pyarray(py).reshape(self.shape)?;
            Ok((pixels, is_minimal))
        });
        arrays.collect()
    }
});

type Level<'py> = (Bound<'py, PyArray2<bool>>, bool);
