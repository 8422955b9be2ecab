//! The bindings to Python: conversions only. The one room that names `pyo3` or `numpy`.
//!
//! Locks are taken in one order, the evidence's before that of an inquiry, and by no one who has to wait for Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

mod batch;
mod evidence;
mod extraction;
mod halves;
mod inquiry;
mod maps;
mod masks;
mod minimal;
mod nested;
mod render;
mod scores;
mod search;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

/// What was locked when a thread panicked is whole all the same: it is changed by assignments.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of several words.
fn mode<T: Copy>(
    option: &'static str,
    given: &str,
    choices: &[(&'static str, T)],
    needed: &'static str,
) -> PyResult<T> {
    let found = choices.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
    Ok(found.ok_or_else(|| Error::OutOfRange { option, given: format!("{given:?}"), needed })?)
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("is_debug_build", cfg!(debug_assertions))?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<evidence::Evidence>()?;
    module.add_class::<search::Search>()?;
    module.add_class::<extraction::Extraction>()?;
    module.add_class::<nested::Nested>()?;
    module.add_class::<minimal::Minimal>()?;
    module.add_class::<halves::Halves>()?;
    module.add_class::<render::Slots>()?;
    module.add_class::<render::Renderer>()?;
    module.add_class::<scores::Scoring>()?;
    module.add_class::<masks::SmoothMasks>()?;
    module.add_class::<masks::Spread>()?;
    module.add_class::<masks::Blurred>()?;
    module.add_function(wrap_pyfunction!(masks::area_slopes, module)?)?;
    module.add_function(wrap_pyfunction!(maps::contoured, module)?)?;
    module.add_function(wrap_pyfunction!(maps::smoothed, module)?)?;
    module.add_function(wrap_pyfunction!(maps::block_means, module)?)
}
