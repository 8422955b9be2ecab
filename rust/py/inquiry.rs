//! What inquiries have in common: proposing batches and taking verdicts on them, on evidence that is shared.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex};

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::inquiry::Inquiry;
use crate::extraction::options::{Lattice, Stage};
use crate::py::batch::Batch;
use crate::py::lock;

/// An inquiry and the evidence that it began with.
pub struct Shared<T> {
    pub inner: Mutex<T>,
    evidence: Arc<Mutex<Evidence>>,
}

impl<T: Inquiry + Send> Shared<T> {
    /// Begins an inquiry.
    pub fn begin(
        py: Python<'_>,
        evidence: &Arc<Mutex<Evidence>>,
        begin: impl FnOnce(&Evidence) -> Result<T, Error> + Send,
    ) -> PyResult<Self> {
        let inner = py.detach(|| begin(&lock(evidence)))?;
        Ok(Self { inner: Mutex::new(inner), evidence: Arc::clone(evidence) })
    }

    /// What can be told of it and of the evidence, between two batches.
    pub fn look<R: Send>(&self, py: Python<'_>, look: impl FnOnce(&T, &Evidence) -> R + Send) -> R {
        py.detach(|| {
            let evidence = lock(&self.evidence);
            look(&lock(&self.inner), &evidence)
        })
    }

    pub fn is_done(&self) -> bool {
        lock(&self.inner).is_done()
    }

    pub fn n_calls(&self) -> u64 {
        lock(&self.inner).n_calls()
    }

    pub fn propose(&self, py: Python<'_>, capacity: usize) -> Option<Batch> {
        py.detach(|| {
            let mut evidence = lock(&self.evidence);
            lock(&self.inner).propose(&mut evidence, capacity)
        })
        .map(Batch)
    }

    pub fn submit(
        &self,
        py: Python<'_>,
        batch_id: u64,
        is_passing: &PyReadonlyArray1<'_, bool>,
        scores: &PyReadonlyArray1<'_, f32>,
    ) -> PyResult<()> {
        let (is_passing, scores) = (is_passing.as_array(), scores.as_array());
        if is_passing.len() != scores.len() {
            return Err(Error::VerdictCount { given: scores.len(), needed: is_passing.len() }.into());
        }
        let verdicts = is_passing.iter().zip(scores).map(|(&is_passing, &score)| Verdict { is_passing, score });
        let verdicts: Vec<Verdict> = verdicts.collect();
        Ok(py.detach(|| {
            let mut evidence = lock(&self.evidence);
            lock(&self.inner).submit(&mut evidence, batch_id, &verdicts)
        })?)
    }
}

/// A class of Python that is an inquiry, held in the field `shared`: with `propose`, `submit`, `is_done`, `n_calls`, and
/// what else it has.
macro_rules! inquiry {
    ($name:ident { $($own:tt)* }) => {
        #[pymethods]
        impl $name {
            /// Whether it knows all it wanted to, or the budget is used up.
            #[getter]
            fn is_done(&self) -> bool {
                self.shared.is_done()
            }

            /// Questions that it has handed out itself.
            #[getter]
            fn n_calls(&self) -> u64 {
                self.shared.n_calls()
            }

            /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
            fn propose(&self, py: Python<'_>, capacity: usize) -> Option<$crate::py::batch::Batch> {
                self.shared.propose(py, capacity)
            }

            /// Takes the verdicts on a batch.
            fn submit(
                &self,
                py: Python<'_>,
                batch_id: u64,
                is_passing: numpy::PyReadonlyArray1<'_, bool>,
                scores: numpy::PyReadonlyArray1<'_, f32>,
            ) -> PyResult<()> {
                self.shared.submit(py, batch_id, &is_passing, &scores)
            }

            $($own)*
        }
    };
}
pub(super) use inquiry;

/// A class of Python that is an extraction in stages, its image's size in the field `shape`: an inquiry with `stage`, `grid`,
/// `grown`, and what else it has.
macro_rules! staged {
    ($name:ident { $($own:tt)* }) => {
        $crate::py::inquiry::inquiry!($name {
            /// `"growth"`, `"shrinking"`, `"minimal"` or `"stopped"`.
            #[getter]
            fn stage(&self) -> &'static str {
                $crate::py::inquiry::name(lock(&self.shared.inner).stage())
            }

            /// The shape of the lattice of blocks: rows, columns.
            #[getter]
            fn grid(&self) -> (usize, usize) {
                let inner = lock(&self.shared.inner);
                (inner.grid().n_rows(), inner.grid().n_columns())
            }

            /// The set that shrinking started from, (H, W) bool; `None` before growth has found one.
            fn grown<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<bool>>>> {
                let grown = {
                    let inner = lock(&self.shared.inner);
                    inner.grown().map(|set| inner.grid().pixels(set))
                };
                grown.map(|pixels| pixels.into_pyarray(py).reshape(self.shape)).transpose()
            }

            $($own)*
        });
    };
}
pub(super) use staged;

/// A lattice as Python gives it: a number of blocks a side, or the lines between rows and between columns.
#[derive(FromPyObject)]
pub enum Cells {
    Even(u32),
    Lines((Vec<u32>, Vec<u32>)),
}

impl From<Cells> for Lattice {
    fn from(cells: Cells) -> Self {
        match cells {
            Cells::Even(cells) => Self::Even(cells),
            Cells::Lines((rows, columns)) => Self::Lines(rows, columns),
        }
    }
}

/// The name of a stage in Python.
pub const fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Growth => "growth",
        Stage::Shrinking => "shrinking",
        Stage::Minimal => "minimal",
        Stage::Stopped => "stopped",
    }
}
