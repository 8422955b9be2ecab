//! The search for a minimal set of a kind, its blocks as pixels.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::extraction::demand::Hidden;
use crate::extraction::minimal::{self, MinimalOptions};
use crate::extraction::staged::Staged;
use crate::py::evidence::Evidence;
use crate::py::inquiry::{Cells, Shared, staged};
use crate::py::maps::one_a_pixel;
use crate::py::{lock, mode};

/// The search for a minimal set of which something is demanded: shown alone, hidden, or both.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Minimal {
    shared: Shared<minimal::Minimal>,
    shape: [usize; 2],
}

staged!(Minimal {
    /// Goes on from all that is known.
    #[new]
    #[pyo3(signature = (evidence, heatmap, *, cells, shown=None, hidden=None, base=None, taken=Vec::new(), overlap=0.0, is_surveyed=false))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    #[expect(clippy::too_many_arguments, reason = "keywords")]
    fn new(
        py: Python<'_>,
        evidence: &Evidence,
        heatmap: PyReadonlyArray2<'_, f32>,
        cells: Cells,
        shown: Option<(f64, f64)>,
        hidden: Option<&str>,
        base: Option<PyReadonlyArray2<'_, bool>>,
        taken: Vec<PyReadonlyArray2<'_, bool>>,
        overlap: f64,
        is_surveyed: bool,
    ) -> PyResult<Self> {
        let shape = evidence.shape();
        let values = one_a_pixel("heatmap", &heatmap, shape)?;
        let choices = [("lost", Hidden::Lost), ("given", Hidden::Given)];
        let hidden = hidden.map(|given| mode("hidden", given, &choices, "\"lost\" or \"given\"")).transpose()?;
        let base = base.map_or_else(|| Ok(Vec::new()), |base| one_a_pixel("base", &base, shape))?;
        let taken = taken.iter().map(|set| one_a_pixel("taken", set, shape)).collect::<PyResult<Vec<_>>>()?;
        let options = MinimalOptions { lattice: cells.into(), shown, hidden, base, taken, overlap, is_surveyed };
        let begin = |evidence: &_| minimal::Minimal::new(&options, &values, evidence);
        Ok(Self { shared: Shared::begin(py, &evidence.shared, begin)?, shape })
    }

    /// The smallest set known to do what is demanded, (H, W) bool; `None` as long as there is none.
    fn kept<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<bool>>>> {
        let kept = {
            let inner = lock(&self.shared.inner);
            inner.kept().map(|set| inner.grid().pixels(&set))
        };
        kept.map(|pixels| pixels.into_pyarray(py).reshape(self.shape)).transpose()
    }
});
