//! The bindings to Python: conversions only. The one file that names `pyo3` or `numpy`.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cause::verdict::Verdict;
use crate::error::Error;
use crate::evidence::evidence::Evidence;
use crate::evidence::sharing::SharingOptions;
use crate::extraction::extraction::{self as explanation, ExtractionOptions, Stage};
use crate::pixels::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::region::Region;
use crate::question;
use crate::render::{self, Layout};
use crate::scores::{self, Activation, score_and_rank};
use crate::search::search::{self, SearchOptions, Weighting, World};
use crate::search::tree::{Tree, TreeNode};

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mode<T: Copy>(
    option: &'static str,
    given: &str,
    choices: &[(&'static str, T)],
    needed: &'static str,
) -> PyResult<T> {
    let found = choices.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
    Ok(found.ok_or_else(|| Error::OutOfRange { option, given: format!("{given:?}"), needed })?)
}

const WORLDS: [(&str, World); 4] = [
    ("intact", World::Intact),
    ("contingency", World::Contingency),
    ("sufficient", World::Sufficient),
    ("both", World::Both),
];

fn verdicts(is_passing: &PyReadonlyArray1<'_, bool>, scores: &PyReadonlyArray1<'_, f32>) -> PyResult<Vec<Verdict>> {
    let (is_passing, scores) = (is_passing.as_array(), scores.as_array());
    if is_passing.len() != scores.len() {
        return Err(Error::VerdictCount { given: scores.len(), needed: is_passing.len() }.into());
    }
    Ok(is_passing.iter().zip(scores).map(|(&is_passing, &score)| Verdict { is_passing, score }).collect())
}

/// Questions to classify together.
#[pyclass(frozen, module = "dccausal._core")]
struct Batch {
    inner: question::Batch,
    height: u32,
    width: u32,
}

#[pymethods]
impl Batch {
    #[getter]
    fn id(&self) -> u64 {
        self.inner.id
    }

    fn __len__(&self) -> usize {
        self.inner.questions.len()
    }

    /// The masked pixels as booleans, (n, H, W).
    fn masked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<bool>>> {
        let (height, width) = (self.height as usize, self.width as usize);
        let n = self.inner.questions.len();
        let pixels = py.detach(|| {
            let mut pixels = vec![false; n * height * width];
            for (question, image) in self.inner.questions.iter().zip(pixels.chunks_exact_mut(height * width)) {
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
        let n = self.inner.questions.len();
        let most = self.inner.questions.iter().map(|question| question.masked.len()).max().unwrap_or(0);
        let mut corners = vec![0_i32; n * most * 4];
        for (question, rows) in self.inner.questions.iter().zip(corners.chunks_exact_mut((most * 4).max(1))) {
            for (region, row) in question.masked.iter().zip(rows.chunks_exact_mut(4)) {
                let sides = [region.top, region.left, region.bottom, region.right];
                row.iter_mut().zip(sides).for_each(|(corner, side)| *corner = i32::try_from(side).unwrap_or(i32::MAX));
            }
        }
        corners.into_pyarray(py).reshape([n, most, 4])
    }

    /// The masked pixels as bits, (n, ceil(H W / 8)) uint8, the first pixel in the highest bit as `numpy.packbits` has it.
    fn bits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let n = self.inner.questions.len();
        let stride = (self.height as usize * self.width as usize).div_ceil(8);
        let mut bits = vec![0_u8; n * stride];
        for (question, image) in self.inner.questions.iter().zip(bits.chunks_exact_mut(stride)) {
            question.masked.iter().for_each(|region| set_bits(region, self.width as usize, image));
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

/// The search for responsibility over many random partitions.
#[pyclass(frozen, module = "dccausal._core")]
struct Search {
    inner: Mutex<search::Search>,
    height: u32,
    width: u32,
}

#[pymethods]
impl Search {
    #[new]
    #[pyo3(signature = (height, width, *, partitions, seed, world, weighting, min_side, refine_equal, concentration, wave, reach=None, audit=0.0, max_calls=None, intact=None, blank=None, survey=None, trees=0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        height: u32,
        width: u32,
        partitions: u32,
        seed: u64,
        world: &str,
        weighting: &str,
        min_side: f64,
        refine_equal: bool,
        concentration: u8,
        wave: u32,
        reach: Option<f64>,
        audit: f64,
        max_calls: Option<u64>,
        intact: Option<(bool, f32)>,
        blank: Option<(bool, f32)>,
        survey: Option<Vec<u32>>,
        trees: u32,
    ) -> PyResult<Self> {
        let weightings = [("shares", Weighting::Shares), ("leaf", Weighting::Leaf), ("score", Weighting::Score)];
        let options = SearchOptions {
            height,
            width,
            partitions,
            seed,
            world: mode("world", world, &WORLDS, "\"intact\", \"contingency\", \"sufficient\" or \"both\"")?,
            weighting: mode("weighting", weighting, &weightings, "\"shares\", \"leaf\" or \"score\"")?,
            min_side,
            refine_equal,
            concentration,
            wave,
            sharing: reach.map(|reach| SharingOptions { reach, audit, seed }),
            survey: survey.unwrap_or_default(),
            trees,
        };
        let mut evidence = Evidence::new(max_calls);
        if let Some((is_passing, score)) = intact {
            evidence.learn(Fingerprint::default(), Verdict { is_passing, score });
        }
        if let Some((is_passing, score)) = blank {
            let whole = Fingerprinter::new(height, width).region(&Region::whole(height, width));
            evidence.learn(whole, Verdict { is_passing, score });
        }
        let inner = search::Search::new(options, evidence)?;
        Ok(Self { inner: Mutex::new(inner), height, width })
    }

    #[getter]
    fn is_done(&self) -> bool {
        lock(&self.inner).is_done()
    }

    #[getter]
    fn n_calls(&self) -> u64 {
        lock(&self.inner).n_calls()
    }

    /// The share of all partitions' area that is settled, from 0 to 1.
    #[getter]
    fn progress(&self) -> f64 {
        lock(&self.inner).progress()
    }

    /// How far the search has come and what it cost.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, sharing) = {
            let inner = lock(&self.inner);
            (inner.counts(), inner.sharing_counts())
        };
        let dict = PyDict::new(py);
        dict.set_item("partitions", counts.partitions)?;
        dict.set_item("refinements", counts.refinements)?;
        dict.set_item("verdicts", counts.verdicts)?;
        dict.set_item("rounds", counts.rounds)?;
        dict.set_item("exhaustive", counts.exhaustive())?;
        dict.set_item("inferred", sharing.inferred)?;
        dict.set_item("audited", sharing.audited)?;
        dict.set_item("audited_wrong", sharing.wrong)?;
        dict.set_item("reach", sharing.reach)?;
        Ok(dict)
    }

    /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
    fn propose(&self, py: Python<'_>, capacity: usize) -> Option<Batch> {
        let inner = py.detach(|| lock(&self.inner).propose(capacity))?;
        Some(Batch { inner, height: self.height, width: self.width })
    }

    /// Takes the verdicts on a batch.
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn submit(
        &self,
        py: Python<'_>,
        batch_id: u64,
        is_passing: PyReadonlyArray1<'_, bool>,
        scores: PyReadonlyArray1<'_, f32>,
    ) -> PyResult<()> {
        let verdicts = verdicts(&is_passing, &scores)?;
        Ok(py.detach(|| lock(&self.inner).submit(batch_id, &verdicts))?)
    }

    /// The heatmap as known now, (H, W) float32: the mean over the partitions begun, and what the survey found.
    fn heatmap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let heatmap = py.detach(|| lock(&self.inner).heatmap());
        heatmap.into_pyarray(py).reshape([self.height as usize, self.width as usize])
    }

    /// The trees of the first partitions as known now: a dictionary each.
    fn trees<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let trees = py.detach(|| lock(&self.inner).trees().to_vec());
        let trees = trees.iter().map(|tree| tree_dict(py, tree)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, trees)
    }
}

fn tree_dict<'py>(py: Python<'py>, tree: &Tree) -> PyResult<Bound<'py, PyDict>> {
    let world = WORLDS.iter().find(|(_, world)| *world == tree.world).map(|(name, _)| *name);
    let nodes = tree.nodes.iter().map(|node| node_dict(py, node)).collect::<PyResult<Vec<_>>>()?;
    let dict = PyDict::new(py);
    dict.set_item("world", world)?;
    dict.set_item("nodes", nodes)?;
    Ok(dict)
}

fn node_dict<'py>(py: Python<'py>, node: &TreeNode) -> PyResult<Bound<'py, PyDict>> {
    let Region { top, left, bottom, right } = node.region;
    let dict = PyDict::new(py);
    dict.set_item("region", vec![top, left, bottom, right])?;
    dict.set_item("parent", node.parent)?;
    dict.set_item("depth", node.depth)?;
    dict.set_item("responsibility", node.responsibility)?;
    dict.set_item("stake", node.stake)?;
    dict.set_item("contingency", &node.contingency)?;
    dict.set_item("is_refined", node.is_refined)?;
    Ok(dict)
}

/// The extraction of a minimal sufficient explanation.
#[pyclass(frozen, module = "dccausal._core")]
struct Extraction {
    inner: Mutex<explanation::Extraction>,
    height: u32,
    width: u32,
}

#[pymethods]
impl Extraction {
    /// Ends the search and goes on with all that it knows; `max_calls` counts the search's questions too.
    #[new]
    #[pyo3(signature = (search, heatmap, *, cells, min_score, max_calls=None))]
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn new(
        search: &Search,
        heatmap: PyReadonlyArray2<'_, f32>,
        cells: u32,
        min_score: f32,
        max_calls: Option<u64>,
    ) -> PyResult<Self> {
        let mut evidence = lock(&search.inner).finish();
        evidence.set_budget(max_calls);
        let (height, width) = (search.height, search.width);
        let options = ExtractionOptions { height, width, cells, min_score };
        let inner = explanation::Extraction::new(&options, heatmap.as_slice()?, evidence)?;
        Ok(Self { inner: Mutex::new(inner), height, width })
    }

    #[getter]
    fn is_done(&self) -> bool {
        lock(&self.inner).is_done()
    }

    /// `"growth"`, `"shrinking"`, `"minimal"` or `"stopped"`.
    #[getter]
    fn stage(&self) -> &'static str {
        match lock(&self.inner).stage() {
            Stage::Growth => "growth",
            Stage::Shrinking => "shrinking",
            Stage::Minimal => "minimal",
            Stage::Stopped => "stopped",
        }
    }

    #[getter]
    fn n_calls(&self) -> u64 {
        lock(&self.inner).n_calls()
    }

    /// The shape of the lattice of blocks: rows, columns.
    #[getter]
    fn grid(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.grid().n_rows(), inner.grid().n_columns())
    }

    /// The next questions, at most `capacity`; `None` while all of the round's are in flight, or at the end.
    fn propose(&self, py: Python<'_>, capacity: usize) -> Option<Batch> {
        let inner = py.detach(|| lock(&self.inner).propose(capacity))?;
        Some(Batch { inner, height: self.height, width: self.width })
    }

    /// Takes the verdicts on a batch.
    #[expect(clippy::needless_pass_by_value, reason = "guards of arrays come by value")]
    fn submit(
        &self,
        py: Python<'_>,
        batch_id: u64,
        is_passing: PyReadonlyArray1<'_, bool>,
        scores: PyReadonlyArray1<'_, f32>,
    ) -> PyResult<()> {
        let verdicts = verdicts(&is_passing, &scores)?;
        Ok(py.detach(|| lock(&self.inner).submit(batch_id, &verdicts))?)
    }

    /// The smallest set known to be sufficient, (H, W) bool.
    fn kept<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let kept = lock(&self.inner).kept().to_vec();
        self.pixels(py, |block| kept[block])
    }

    /// The sufficient set that shrinking started from, (H, W) bool, or `None` before growth has found one.
    fn grown<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<bool>>>> {
        let grown = lock(&self.inner).grown().map(<[bool]>::to_vec);
        grown.map(|grown| self.pixels(py, |block| grown[block])).transpose()
    }

    /// The ranking of blocks by what the extraction found, (rows, columns) int64: the place of each, 0 for the best.
    fn places<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let inner = lock(&self.inner);
        let shape = [inner.grid().n_rows(), inner.grid().n_columns()];
        let mut places = vec![0_i64; inner.grid().n_blocks()];
        (0..).zip(inner.order()).for_each(|(place, block)| places[block] = place);
        places.into_pyarray(py).reshape(shape)
    }
}

impl Extraction {
    fn pixels<'py>(&self, py: Python<'py>, holds: impl Fn(usize) -> bool) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let (height, width) = (self.height as usize, self.width as usize);
        let mut pixels = vec![false; height * width];
        let grid = lock(&self.inner).grid().clone();
        for region in (0..grid.n_blocks()).filter(|&block| holds(block)).map(|block| grid.block(block)) {
            for row in pixels.chunks_exact_mut(width).take(region.bottom as usize).skip(region.top as usize) {
                row[region.left as usize..region.right as usize].fill(true);
            }
        }
        pixels.into_pyarray(py).reshape([height, width])
    }
}

/// What the slots of a buffer show.
#[pyclass(frozen, module = "dccausal._core")]
struct Canvas {
    inner: Mutex<render::Canvas>,
    buffer: Py<PyArray1<u8>>,
}

/// Draws masked images into buffers.
#[pyclass(frozen, module = "dccausal._core")]
struct Renderer {
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

    /// A canvas over a caller's buffer: a contiguous array of bytes, a whole number of images. Write to it no more.
    fn canvas(&self, buffer: Bound<'_, PyArray1<u8>>) -> PyResult<Canvas> {
        let n_bytes = buffer.len();
        if !buffer.is_contiguous() || n_bytes % self.image_bytes != 0 {
            let needed = n_bytes.div_ceil(self.image_bytes) * self.image_bytes;
            return Err(Error::BufferSize { buffer: "buffer", given: n_bytes, needed }.into());
        }
        let inner = Mutex::new(render::Canvas::new(n_bytes / self.image_bytes));
        Ok(Canvas { inner, buffer: buffer.unbind() })
    }

    /// Draws one mutant a question into the first slots of a canvas.
    fn render(&self, py: Python<'_>, batch: &Batch, canvas: &Canvas) -> PyResult<()> {
        let mut buffer = canvas.buffer.bind(py).try_readwrite()?;
        let bytes = buffer.as_slice_mut()?;
        Ok(py.detach(|| self.inner.render(&batch.inner.questions, bytes, &mut lock(&canvas.inner)))?)
    }
}

/// How a model's output becomes scores.
#[pyclass(frozen, module = "dccausal._core")]
struct Scoring {
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
        let output = output.as_slice()?;
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
    ) -> PyResult<Found<'py>> {
        let n_columns = output.as_array().ncols();
        let n_classes = self.n_classes(n_columns)?;
        if label >= n_classes {
            let needed = "the index of one of the output's classes";
            return Err(Error::OutOfRange { option: "label", given: label.to_string(), needed }.into());
        }
        let output = output.as_slice()?;
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

type Found<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<u32>>, usize);

impl Scoring {
    fn n_classes(&self, n_columns: usize) -> PyResult<usize> {
        let needed = if self.inner.is_binary { "one column, of which two classes are made" } else { "columns" };
        if n_columns == 0 || (self.inner.is_binary && n_columns != 1) {
            return Err(Error::OutOfRange { option: "output", given: format!("{n_columns} columns"), needed }.into());
        }
        Ok(self.inner.n_classes(n_columns))
    }
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("is_debug_build", cfg!(debug_assertions))?;
    module.add_class::<Batch>()?;
    module.add_class::<Search>()?;
    module.add_class::<Extraction>()?;
    module.add_class::<Canvas>()?;
    module.add_class::<Renderer>()?;
    module.add_class::<Scoring>()
}
