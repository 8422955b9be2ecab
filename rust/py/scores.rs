//! Scores and ranks of whole outputs at once.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use std::borrow::Cow;

use crate::error::Error;
use crate::py::mode;
use crate::scores::{self, Activation, score_and_rank};

/// How a model's output becomes scores.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Scoring {
    inner: scores::Scoring,
}

#[pymethods]
impl Scoring {
    #[new]
    #[pyo3(signature = (activation, *, is_binary))]
    fn new(activation: &str, is_binary: bool) -> PyResult<Self> {
        let choices = [("none", Activation::None), ("softmax", Activation::Softmax), ("sigmoid", Activation::Sigmoid)];
        let activation = mode("activation", activation, &choices, "\"none\", \"softmax\" or \"sigmoid\"")?;
        Ok(Self { inner: scores::Scoring { activation, is_binary } })
    }

    /// The scores (n, classes) float32 of an output (n, columns).
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn apply<'py>(&self, py: Python<'py>, output: PyReadonlyArray2<'_, f32>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (n, n_columns) = output.as_array().dim();
        let n_classes = self.n_classes(n_columns)?;
        let output = by_rows(&output);
        let scores = py.detach(|| {
            let mut scores = vec![0.0; n * n_classes];
            for (output, scores) in output.chunks_exact(n_columns).zip(scores.chunks_exact_mut(n_classes)) {
                self.inner.apply(output, scores);
            }
            scores
        });
        scores.into_pyarray(py).reshape([n, n_classes])
    }

    /// The scores (n,) float32 and ranks (n,) uint32 of a label in an output (n, columns), 1 for the best, and how many
    /// images have scores that are not finite; their label has the rank 0.
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn score_and_rank<'py>(
        &self,
        py: Python<'py>,
        output: PyReadonlyArray2<'_, f32>,
        label: usize,
    ) -> PyResult<ScoresAndRanks<'py>> {
        let n_columns = output.as_array().ncols();
        let n_classes = self.n_classes(n_columns)?;
        if label >= n_classes {
            let needed = "the index of one of the output's classes";
            return Err(Error::OutOfRange { option: "label", given: label.to_string(), needed }.into());
        }
        let output = by_rows(&output);
        let found: Vec<Option<(f32, u32)>> = py.detach(|| {
            let mut scores = vec![0.0; n_classes];
            let rows = output.chunks_exact(n_columns);
            rows.map(|output| {
                self.inner.apply(output, &mut scores);
                score_and_rank(&scores, label)
            })
            .collect()
        });
        let scores: Vec<f32> = found.iter().map(|found| found.map_or(f32::NAN, |(score, _)| score)).collect();
        let ranks: Vec<u32> = found.iter().map(|found| found.map_or(0, |(_, rank)| rank)).collect();
        let n_bad = found.iter().filter(|found| found.is_none()).count();
        Ok((scores.into_pyarray(py), ranks.into_pyarray(py), n_bad))
    }
}

type ScoresAndRanks<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<u32>>, usize);

impl Scoring {
    fn n_classes(&self, n_columns: usize) -> PyResult<usize> {
        let needed = if self.inner.is_binary { "one column, of which two classes are made" } else { "columns" };
        if n_columns == 0 || (self.inner.is_binary && n_columns != 1) {
            return Err(Error::OutOfRange { option: "output", given: format!("{n_columns} columns"), needed }.into());
        }
        Ok(self.inner.n_classes(n_columns))
    }
}

/// The numbers of an array, row by row.
fn by_rows<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> Cow<'a, [f32]> {
    let array = array.as_array();
    array.to_slice().map_or_else(|| Cow::Owned(array.iter().copied().collect()), Cow::Borrowed)
}
