//! The extraction, its blocks as pixels.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::extraction::extraction;
use crate::extraction::options::ExtractionOptions;
use crate::extraction::staged::Staged;
use crate::py::evidence::Evidence;
use crate::py::inquiry::{Shared, staged};
use crate::py::lock;
use crate::py::maps::one_a_pixel;

/// The extraction of a minimal sufficient explanation.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Extraction {
    shared: Shared<extraction::Extraction>,
    shape: [usize; 2],
}

staged!(Extraction {
    /// Goes on from all that is known.
    #[new]
    #[pyo3(signature = (evidence, heatmap, *, cells, min_score))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(
        py: Python<'_>,
        evidence: &Evidence,
        heatmap: PyReadonlyArray2<'_, f32>,
        cells: u32,
        min_score: f32,
    ) -> PyResult<Self> {
        let shape = evidence.shape();
        let values = one_a_pixel("heatmap", &heatmap, shape)?;
        let options = ExtractionOptions { cells, min_score };
        let begin = |evidence: &_| extraction::Extraction::new(&options, &values, evidence);
        Ok(Self { shared: Shared::begin(py, &evidence.shared, begin)?, shape })
    }

    /// The smallest set known to be sufficient, (H, W) bool.
    fn kept<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let kept = lock(&self.shared.inner).kept().to_vec();
        self.pixels(py, &kept)
    }

    /// The ranking of blocks by what the extraction found, (rows, columns) int64: the rank of each, 0 for the best.
    fn ranks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let (rows, columns) = self.grid();
        let ranks = lock(&self.shared.inner).ranks();
        let ranks: Vec<i64> = ranks.into_iter().map(|rank| i64::try_from(rank).unwrap_or(i64::MAX)).collect();
        ranks.into_pyarray(py).reshape([rows, columns])
    }
});

impl Extraction {
    fn pixels<'py>(&self, py: Python<'py>, set: &[bool]) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let pixels = lock(&self.shared.inner).grid().pixels(set);
        pixels.into_pyarray(py).reshape(self.shape)
    }
}
