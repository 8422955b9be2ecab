"""LIME, by its own package."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.view import View
from dccausal.methods.base import needs_scores
from dccausal.methods.segments import Ask, Segmentation, SegmentSearch, check_segments, load, segment
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class LimeOptions:
    """
    LIME [1]_ by its package ``lime``: a linear model of the score over segments that are kept or masked.

    The heatmap is each segment's weight in a ridge regression on random samples, near ones counting more, with
    the package's own settings; segments that are masked show the baseline. Needs scores and the extra
    ``rivals``.

    Attributes
    ----------
    samples
        Number of samples, 2 to 1,000,000 (the package: 1,000).
    segmentation
        "quickshift" (the package's), "slic" or "lattice", see ``segments``.
    segments
        About how many segments "slic" and "lattice" make, 4 to 4096; "quickshift" finds their number itself.

    References
    ----------
    .. [1] M. T. Ribeiro, S. Singh, C. Guestrin, ""Why Should I Trust You?": Explaining the Predictions of Any
       Classifier", KDD 2016.

    """

    samples: int = 1000
    segmentation: Segmentation = "quickshift"
    segments: int = 50

    def __post_init__(self) -> None:
        """Check every value."""
        check_segments(self.samples, self.segmentation, self.segments)


class LimeSearch(SegmentSearch):
    """Has LIME explain a picture of one pixel a segment, 1 where it is kept, which its masks then equal."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: LimeOptions
    ) -> None:
        """Segment the image."""
        needs_scores("lime", target)
        self._lime, self._seed = load("lime.lime_image", "lime"), seed
        segment_of = segment(view.image, options.segmentation, options.segments, "lime")
        super().__init__(view, target, budget, segment_of, options.samples)

    def weights(self, ask: Ask) -> NDArray[np.float64]:
        """Return the weights of LIME's linear model."""
        random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(self._seed)))
        explainer = self._lime.LimeImageExplainer(random_state=random)
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar, which knows nothing of the model
            found = explainer.explain_instance(
                np.ones((1, self.n_segments, 3), dtype=np.uint8),
                lambda pictures: ask(pictures[:, 0, :, 0] > 0)[:, None],
                labels=(0,),
                top_labels=None,
                hide_color=0,
                num_features=self.n_segments,
                num_samples=self.samples,
                segmentation_fn=lambda _: np.arange(self.n_segments)[None],
                random_seed=0,
            )
        weights = np.zeros(self.n_segments)
        for place, weight in found.local_exp[0]:
            weights[place] = weight
        return weights
