//! Batches: which pixels to mask, in the forms that masking needs.

use numpy::{IntoPyArray, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;

use crate::pixels::region::Region;
use crate::question;

/// Questions to classify together.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Batch(pub question::Batch);

#[pymethods]
impl Batch {
    #[getter]
    fn id(&self) -> u64 {
        self.0.id
    }

    /// Which of the baselines masks, counted from 0.
    #[getter]
    fn baseline(&self) -> usize {
        self.0.baseline
    }

    fn __len__(&self) -> usize {
        self.0.questions.len()
    }

    /// The masked pixels as booleans, (n, H, W).
    fn masked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<bool>>> {
        let (height, width) = (self.0.height as usize, self.0.width as usize);
        let n = self.0.questions.len();
        let pixels = py.detach(|| {
            let mut pixels = vec![false; n * height * width];
            for (question, image) in self.0.questions.iter().zip(pixels.chunks_exact_mut(height * width)) {
                for region in &question.masked {
                    for row in image.chunks_exact_mut(width).take(region.bottom as usize).skip(region.top as usize) {
                        row[region.left as usize..region.right as usize].fill(true);
                    }
                }
            }
            pixels
        });
        pixels.into_pyarray(py).reshape([n, height, width])
    }

    /// The masked rectangles, (n, R, 4) int32: top, left, bottom, right; rows of zeros fill up.
    fn rectangles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<i32>>> {
        let n = self.0.questions.len();
        let most = self.0.questions.iter().map(|question| question.masked.len()).max().unwrap_or(0);
        let mut corners = vec![0_i32; n * most * 4];
        for (question, rows) in self.0.questions.iter().zip(corners.chunks_exact_mut((most * 4).max(1))) {
            for (region, row) in question.masked.iter().zip(rows.chunks_exact_mut(4)) {
                let sides = [region.top, region.left, region.bottom, region.right];
                row.iter_mut().zip(sides).for_each(|(corner, side)| *corner = i32::try_from(side).unwrap_or(i32::MAX));
            }
        }
        corners.into_pyarray(py).reshape([n, most, 4])
    }

    /// The masked pixels as bits, (n, ceil(H W / 8)) uint8, the first pixel in the highest bit as `numpy.packbits` has it.
    fn bits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let n = self.0.questions.len();
        let stride = (self.0.height as usize * self.0.width as usize).div_ceil(8);
        let mut bits = vec![0_u8; n * stride];
        for (question, image) in self.0.questions.iter().zip(bits.chunks_exact_mut(stride)) {
            question.masked.iter().for_each(|region| set_bits(region, self.0.width as usize, image));
        }
        bits.into_pyarray(py).reshape([n, stride])
    }
}

fn set_bits(region: &Region, width: usize, bits: &mut [u8]) {
    for row in region.top as usize..region.bottom as usize {
        for pixel in row * width + region.left as usize..row * width + region.right as usize {
            bits[pixel / 8] |= 0x80 >> (pixel % 8);
        }
    }
}
