//! The search, and its trees as dictionaries.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::evidence::inquiry::Inquiry;
use crate::evidence::sharing::SharingOptions;
use crate::pixels::region::Region;
use crate::py::evidence::{Evidence, budget};
use crate::py::inquiry::{Shared, inquiry};
use crate::py::{lock, mode};
use crate::search::options::{SearchOptions, Weighting, World};
use crate::search::search;
use crate::search::tree::{Tree, TreeNode};

const WORLDS: [(&str, World); 4] = [
    ("intact", World::Intact),
    ("contingency", World::Contingency),
    ("sufficient", World::Sufficient),
    ("both", World::Both),
];

const WEIGHTINGS: [(&str, Weighting); 3] =
    [("shares", Weighting::Shares), ("leaf", Weighting::Leaf), ("score", Weighting::Score)];

/// The search for responsibility over many random partitions.
#[pyclass(frozen, module = "dccausal._core")]
pub struct Search {
    shared: Shared<search::Search>,
    shape: [usize; 2],
}

inquiry!(Search {
    #[new]
    #[pyo3(signature = (evidence, *, partitions, seed, world, weighting, min_side, refine_equal, concentration, wave, reach=None, audit=0.0, max_calls=None, survey=None, shown=None, balanced=None, trees=0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        evidence: &Evidence,
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
        max_calls: Option<&Bound<'_, PyAny>>,
        survey: Option<Vec<u32>>,
        shown: Option<Vec<u32>>,
        balanced: Option<Vec<u32>>,
        trees: u32,
    ) -> PyResult<Self> {
        let options = SearchOptions {
            partitions,
            seed,
            world: mode("world", world, &WORLDS, "\"intact\", \"contingency\", \"sufficient\" or \"both\"")?,
            weighting: mode("weighting", weighting, &WEIGHTINGS, "\"shares\", \"leaf\" or \"score\"")?,
            min_side,
            refine_equal,
            concentration,
            wave,
            sharing: reach.map(|reach| SharingOptions { reach, audit, seed }),
            survey: survey.unwrap_or_default(),
            shown: shown.unwrap_or_default(),
            balanced: balanced.unwrap_or_default(),
            trees,
            max_calls: budget(max_calls)?,
        };
        let shared = Shared::begin(py, &evidence.shared, |evidence| search::Search::new(options, evidence))?;
        Ok(Self { shared, shape: evidence.shape() })
    }

    /// The share of all partitions' area that is settled, from 0 to 1.
    #[getter]
    fn progress(&self) -> f64 {
        lock(&self.shared.inner).progress()
    }

    /// How far the search has come and what it cost.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, sharing, n_questions) = {
            let inner = lock(&self.shared.inner);
            (inner.counts(), inner.sharing_counts(), inner.round().n_questions())
        };
        let dict = PyDict::new(py);
        dict.set_item("partitions", counts.partitions)?;
        dict.set_item("refinements", counts.refinements)?;
        dict.set_item("verdicts", counts.verdicts)?;
        dict.set_item("asked", n_questions)?;
        dict.set_item("rounds", counts.rounds)?;
        dict.set_item("exhaustive", counts.exhaustive())?;
        dict.set_item("inferred", sharing.inferred)?;
        dict.set_item("audited", sharing.audited)?;
        dict.set_item("audited_wrong", sharing.wrong)?;
        dict.set_item("reach", sharing.reach)?;
        Ok(dict)
    }

    /// The heatmap as known now, (H, W) float32: the mean over the partitions begun, and what the survey found.
    fn heatmap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let heatmap = py.detach(|| lock(&self.shared.inner).heatmap());
        heatmap.into_pyarray(py).reshape(self.shape)
    }

    /// The map as known now for the eye, (H, W) float32: also while the survey is asked.
    fn sketch<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let sketch = self.shared.look(py, search::Search::sketch);
        sketch.into_pyarray(py).reshape(self.shape)
    }

    /// What the survey found, (H, W) float32, as a share of its peak; `None` before it is over and where there is none.
    fn surveyed<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let surveyed = lock(&self.shared.inner).surveyed().map(<[f32]>::to_vec);
        surveyed.map(|surveyed| surveyed.into_pyarray(py).reshape(self.shape)).transpose()
    }

    /// The mean over the partitions begun, (H, W) float32.
    fn partitions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let partitions = py.detach(|| lock(&self.shared.inner).partitions());
        partitions.into_pyarray(py).reshape(self.shape)
    }

    /// The trees of the first partitions as known now: a dictionary each.
    fn trees<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let trees = py.detach(|| lock(&self.shared.inner).trees().to_vec());
        let trees = trees.iter().map(|tree| tree_dict(py, tree)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, trees)
    }
});

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
