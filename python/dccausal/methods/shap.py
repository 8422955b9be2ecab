"""KernelSHAP, by the package shap."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.view import View
from dccausal.methods.base import needs_scores
from dccausal.methods.segments import Ask, Segmentation, SegmentSearch, check_segments, load, segment
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class KernelShapOptions:
    """
    KernelSHAP [1]_ by its package ``shap``: estimated Shapley values of segments.

    The heatmap is each segment's estimated share in the difference of the score between the image and the
    baseline. Regression is over all segments, without the package's selection of ten. The package draws from
    numpy's global random numbers; their state is put back. Needs scores and the extra ``rivals``.

    Attributes
    ----------
    samples
        Number of samples, 2 to 1,000,000, besides those of the image and the baseline (SHAP's example: 1,000).
    segmentation
        "slic" (SHAP's example), "quickshift" or "lattice", see ``segments``.
    segments
        About how many segments "slic" and "lattice" make, 4 to 4096; "quickshift" finds their number itself.

    References
    ----------
    .. [1] S. M. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.

    """

    samples: int = 1000
    segmentation: Segmentation = "slic"
    segments: int = 50

    def __post_init__(self) -> None:
        """Check every value."""
        check_segments(self.samples, self.segmentation, self.segments)


class KernelShapSearch(SegmentSearch):
    """Has SHAP explain a function of one number a segment: 1 where it is kept, 0 where masked."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: KernelShapOptions
    ) -> None:
        """Segment the image."""
        needs_scores("kernel-shap", target)
        self._shap, self._seed = load("shap", "kernel-shap"), seed
        segment_of = segment(view.image, options.segmentation, options.segments, "kernel-shap")
        # The package asks about the image and the baseline besides its samples.
        super().__init__(view, target, None if budget is None else budget - 2, segment_of, options.samples)

    def weights(self, ask: Ask) -> NDArray[np.float64]:
        """Return the Shapley values."""
        with _seeded(self._seed), warnings.catch_warnings():
            # With fewer samples than segments it solves by least squares and says so; ``notes`` has the samples.
            warnings.filterwarnings("ignore", "Linear regression equation is singular")
            explainer = self._shap.KernelExplainer(lambda kept: ask(kept > 0), np.zeros((1, self.n_segments)))
            values = explainer.shap_values(
                np.ones((1, self.n_segments)), nsamples=self.samples, l1_reg=False, silent=True
            )
        return np.asarray(values, dtype=np.float64).reshape(self.n_segments)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global random numbers for a while."""
    before = np.random.get_state()  # noqa: NPY002  the package uses them
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
