//! Rendering into arrays.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::Mutex;

use crate::error::Error;
use crate::py::batch::Batch;
use crate::py::lock;
use crate::render::{self, Layout};

/// What the slots of a buffer show.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Slots {
    inner: Mutex<render::Slots>,
    buffer: Py<PyArray1<u8>>,
}

/// Draws masked images into buffers.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Renderer {
    inner: render::Renderer,
    image_bytes: usize,
}

#[pymethods]
impl Renderer {
    /// `image` and `baseline` are the bytes of two normalised images, (planes, height, width, `pixel_bytes`).
    #[new]
    #[pyo3(signature = (image, baseline, *, height, width, planes, pixel_bytes, threads))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(
        image: PyReadonlyArray1<'_, u8>,
        baseline: PyReadonlyArray1<'_, u8>,
        height: u32,
        width: u32,
        planes: u32,
        pixel_bytes: u32,
        threads: usize,
    ) -> PyResult<Self> {
        let layout = Layout { height, width, planes, pixel_bytes };
        let inner = render::Renderer::new(layout, image.as_slice()?.to_vec(), baseline.as_slice()?.to_vec(), threads)?;
        Ok(Self { inner, image_bytes: layout.image_bytes() })
    }

    /// A slots over a caller's buffer: a contiguous array of bytes, a whole number of images. Write to it no more.
    fn slots(&self, buffer: Bound<'_, PyArray1<u8>>) -> PyResult<Slots> {
        let n_bytes = buffer.len();
        if !buffer.is_contiguous() || n_bytes % self.image_bytes != 0 {
            let needed = n_bytes.div_ceil(self.image_bytes) * self.image_bytes;
            return Err(Error::BufferSize { buffer: "buffer", given: n_bytes, needed }.into());
        }
        let inner = Mutex::new(render::Slots::new(n_bytes / self.image_bytes));
        Ok(Slots { inner, buffer: buffer.unbind() })
    }

    /// Draws one mutant a question into the first slots of a slots.
    fn render(&self, py: Python<'_>, batch: &Batch, slots: &Slots) -> PyResult<()> {
        let mut buffer = slots.buffer.bind(py).try_readwrite()?;
        let bytes = buffer.as_slice_mut()?;
        Ok(py.detach(|| self.inner.render(&batch.0, bytes, &mut lock(&slots.inner)))?)
    }
}
