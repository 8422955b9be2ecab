"""What the methods share that look into the model: a heatmap that is there at once."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.guide import GRADIENT_COST
from dccausal.engine.progress import Progress
from dccausal.engine.whole_images import WholeImages
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.targets import Target

if TYPE_CHECKING:
    from dccausal.gradients.whitebox import WhiteBox
    from dccausal.onnx.classifier import OnnxClassifier


class WhiteBoxSearch(ABC):
    """
    A ``HeatmapSearch`` that computes its heatmap when it is made, and asks about no image.

    Parameters
    ----------
    view, target
        The image, and the label to explain.
    budget
        At most what so many calls of the model cost; None for any.
    seed
        Of what is drawn at random.
    options
        The method's.
    classifier
        An ``OnnxClassifier``.
    progress
        Is called as the method goes on.

    """

    is_done = True
    progress = 1.0

    def __init__(
        self,
        view: View,
        target: Target,
        budget: int | None,
        *,
        seed: int,
        options: Any,
        classifier: OnnxClassifier,
        progress: Callable[[Progress], object] | None = None,
    ) -> None:
        """Compute the heatmap."""
        self.view, self.target, self.budget, self.seed = view, target, budget, seed
        self.options, self.classifier = options, classifier
        self.n_own_calls = 0
        self._notes: list[str] = []
        self._progress, self._started = progress, time.perf_counter()
        self.tensor = classifier.encode(view.image[None]).astype(np.float32)
        self._heatmap = np.asarray(self.find(), np.float64)
        self.own_seconds = time.perf_counter() - self._started

    @property
    def box(self) -> WhiteBox:
        """The model, to be asked for gradients."""
        return self.classifier.white_box

    @property
    def label(self) -> int:
        """Index of the logit."""
        return self.target.label

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known about the heatmap: completeness, conservation, a short budget."""
        return tuple(self._notes)

    @abstractmethod
    def find(self) -> NDArray[Any]:
        """Return the heatmap, finite (H, W), higher meaning more important."""

    def heatmap(self) -> NDArray[np.float64]:
        """Return the heatmap."""
        if not np.isfinite(self._heatmap).all():
            raise OptionError(
                "the method gave numbers that are not finite on this model; another method is needed"
            )
        return self._heatmap

    def propose(self, capacity: int) -> WholeImages | None:  # noqa: ARG002  nothing is asked
        """Return None: nothing is asked."""
        return None

    def submit(
        self, pictures: WholeImages, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]
    ) -> None:
        """Take nothing, as nothing was asked."""
        del pictures, is_passing, scores

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes."""
        self._notes.append(sentence)

    def spend(self, n_gradients: int, done: float | None = None) -> None:
        """Count gradients, and report how far the method is."""
        self.n_own_calls += n_gradients * GRADIENT_COST
        if self._progress is not None:
            seconds = time.perf_counter() - self._started
            expected = int(self.n_own_calls / done) if done else None
            self._progress(Progress("search", self.n_own_calls, expected, seconds, self.view.index))

    def affordable(self, n: int, what: str) -> int:
        """Return how many of n gradients the budget allows, at least one, and say so where that is less."""
        if self.budget is None or n * GRADIENT_COST <= self.budget:
            return n
        allowed = max(1, self.budget // GRADIENT_COST)
        self.note(f"The budget of model calls allowed the method {allowed} of {n} {what}.")
        return allowed

    def over_channels(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum over channels, (H, W), of one input of the model."""
        axis = 0 if self.classifier.layout == "NCHW" else -1
        found: NDArray[np.float64] = np.asarray(values, np.float64).sum(axis=axis)
        return found


def conservation(name: str, total: float, wanted: float) -> str:
    """Return the sentence that compares what attributions add up to with what they should."""
    missing = f" ({abs(total - wanted) / abs(wanted):.1%} off)" if wanted else ""
    return f"{name}: the attributions add up to {total:.4g}, of {wanted:.4g}{missing}."
