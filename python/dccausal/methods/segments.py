"""Explainers of other packages that mask segments of the image: their calls are recorded, asked, and replayed."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import one_of, whole_number
from dccausal.errors import ClassifierError, RuntimeMissingError
from dccausal.inputs.view import View
from dccausal.methods.base import MAX_QUESTIONS, MaskSearch, lattice
from dccausal.targets import Target

Segmentation = Literal["slic", "quickshift", "lattice"]
SEGMENTATIONS: tuple[Segmentation, ...] = ("slic", "quickshift", "lattice")

# Of segments kept (n, segments), the label's scores (n,).
Ask = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


def check_segments(samples: int, segmentation: Segmentation, segments: int) -> None:
    """
    Check the options that the methods on segments have in common.

    Raises
    ------
    OptionError
        If one is out of its range.

    """
    whole_number("samples", samples, 2, MAX_QUESTIONS)
    one_of("segmentation", segmentation, SEGMENTATIONS)
    whole_number("segments", segments, 4, 4096)


def load(package: str, method: str) -> Any:
    """
    Import an optional package.

    Raises
    ------
    RuntimeMissingError
        If it is not installed.

    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise RuntimeMissingError(
            f"method {method!r} needs the package {package.partition('.')[0]}, which cannot be imported "
            f"({error}); pip install 'dccausal[rivals]' is needed"
        ) from error


def segment(
    image: NDArray[np.uint8], segmentation: Segmentation, segments: int, method: str
) -> NDArray[np.intp]:
    """
    Return the segment of each pixel, (H, W), numbered 0, 1, 2, ...

    Parameters
    ----------
    image
        uint8 (H, W, 3).
    segmentation
        "slic" as in SHAP's examples, about as many segments as told; "quickshift" as LIME does by itself,
        whose number follows from the image; "lattice" for rectangles, as many as told or fewer.
    segments
        About how many.
    method
        Which method asks, for errors.

    Raises
    ------
    RuntimeMissingError
        If scikit-image is needed and not installed.

    """
    if segmentation == "lattice":
        return lattice(image.shape[0], image.shape[1], max(2, int(segments**0.5)))
    slicing = load("skimage.segmentation", method)
    if segmentation == "slic":
        found = slicing.slic(image, n_segments=segments, compactness=30, sigma=3, start_label=0)
    else:
        found = slicing.quickshift(image, kernel_size=4, max_dist=200, ratio=0.2, rng=0)
    numbered: NDArray[np.intp] = np.unique(found, return_inverse=True)[1].reshape(image.shape[:2])
    return numbered


class SegmentSearch(MaskSearch):
    """
    A ``HeatmapSearch`` around a package that wants to call the classifier itself.

    What the package asks does not depend on the answers. So it is run twice with the same random numbers: the
    first run notes its questions and answers 0, the second gets the true scores. Questions that repeat
    are asked once. The heatmap is flat until all answers are there.

    Parameters
    ----------
    view, target, budget
        As in ``MaskSearch``.
    segment_of
        The segment of each pixel, (H, W).

    """

    def __init__(
        self, view: View, target: Target, budget: int | None, segment_of: NDArray[np.intp], samples: int
    ) -> None:
        """Run the package for the first time."""
        self._segment_of, self.n_segments = segment_of, int(segment_of.max()) + 1
        self._samples = samples if budget is None else min(samples, budget)
        self._place_of: dict[bytes, int] = {}
        self._questions: list[NDArray[np.bool_]] = []
        self.weights(self._note)
        super().__init__(view, target, len(self._questions), None)
        self._n_samples_wanted = samples
        self._scores = np.zeros(self.n)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say where the budget was too small, and where an interrupt came before the end."""
        said = []
        if self._samples < self._n_samples_wanted:
            said.append(
                f"The budget of model calls allowed the method {self._samples} of {self._n_samples_wanted} samples."
            )
        if not self.is_done:
            said.append("The method needs all its answers for a heatmap, so there is none.")
        return tuple(said)

    @property
    def samples(self) -> int:
        """Return the number of samples that the package may use."""
        return self._samples

    @abstractmethod
    def weights(self, ask: Ask) -> NDArray[np.float64]:
        """Run the package, the same way each time, and return the weight of each segment (segments,)."""

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image with some segments kept."""
        return self.composed(self._questions[index][self._segment_of])

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Note a score."""
        self._scores[index] = score

    def heatmap(self) -> NDArray[np.float64]:
        """Return the weight of each pixel's segment; 0 while answers are missing."""
        if not self.is_done:
            return np.zeros(self._segment_of.shape)
        return self.weights(self._answer)[self._segment_of]

    def _note(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        for row in kept:
            if self._place_of.setdefault(row.tobytes(), len(self._questions)) == len(self._questions):
                self._questions.append(row.copy())
        return np.zeros(len(kept))

    def _answer(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        places = [self._place_of.get(row.tobytes(), -1) for row in kept]
        if min(places) < 0:
            raise ClassifierError(
                "the method asked other questions the second time; the same ones are needed"
            )
        return self._scores[places]
