//! The evidence about one image, which searches and extractions share.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex};

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::evidence;
use crate::py::lock;

/// What is known about one image, and what it has cost.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Evidence {
    pub shared: Arc<Mutex<evidence::Evidence>>,
    height: u32,
    width: u32,
}

#[pymethods]
impl Evidence {
    #[new]
    #[pyo3(signature = (height, width, *, intact=None, blank=None, max_calls=None, baselines=1))]
    fn new(
        height: u32,
        width: u32,
        intact: Option<(bool, f32)>,
        blank: Option<(bool, f32)>,
        max_calls: Option<&Bound<'_, PyAny>>,
        baselines: usize,
    ) -> PyResult<Self> {
        let mut evidence = evidence::Evidence::new(height, width, budget(max_calls)?)?.with_baselines(baselines)?;
        if let Some((is_passing, score)) = intact {
            evidence.learn_intact(Verdict { is_passing, score });
        }
        if let Some((is_passing, score)) = blank {
            evidence.learn_blank(Verdict { is_passing, score });
        }
        Ok(Self { shared: Arc::new(Mutex::new(evidence)), height, width })
    }

    #[getter]
    const fn height(&self) -> u32 {
        self.height
    }

    #[getter]
    const fn width(&self) -> u32 {
        self.width
    }

    /// Number of baselines, beside each of which the label has to stay.
    #[getter]
    fn baselines(&self) -> usize {
        lock(&self.shared).n_baselines()
    }

    /// Calls so far, of whoever asked, and what was spent outside.
    #[getter]
    fn n_calls(&self) -> u64 {
        lock(&self.shared).n_calls()
    }

    /// The most calls there may be in all.
    #[getter]
    fn max_calls(&self) -> Option<u64> {
        lock(&self.shared).max_calls()
    }

    #[setter]
    fn set_max_calls(&self, max_calls: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let max_calls = budget(max_calls)?;
        lock(&self.shared).set_max_calls(max_calls);
        Ok(())
    }

    /// Counts calls of the classifier that were made outside the core.
    fn spend(&self, n_calls: &Bound<'_, PyAny>) -> PyResult<()> {
        let n_calls = count("n_calls", n_calls)?;
        lock(&self.shared).spend(n_calls);
        Ok(())
    }
}

impl Evidence {
    /// The image's height and width.
    pub const fn shape(&self) -> [usize; 2] {
        [self.height as usize, self.width as usize]
    }
}

/// A number of calls, or as many as are needed.
pub fn budget(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    given.map(|given| count("max_calls", given)).transpose()
}

fn count(option: &'static str, given: &Bound<'_, PyAny>) -> PyResult<u64> {
    given.extract().map_err(|error: PyErr| {
        if !error.is_instance_of::<PyOverflowError>(given.py()) {
            return error;
        }
        let given = given.str().map_or_else(|_| "beyond all numbers".to_owned(), |text| text.to_string());
        Error::OutOfRange { option, given, needed: "from 0 to 18446744073709551615" }.into()
    })
}
