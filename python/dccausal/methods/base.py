"""What the methods share: a known number of masked images, drawn one by one, their answers taken in order."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.whole_images import WholeImages
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.targets import Target

MAX_QUESTIONS = 1_000_000


class MaskSearch(ABC):
    """
    A ``HeatmapSearch`` that asks about ``n`` masked images.

    They do not depend on the answers, or on those of earlier rounds alone: see ``n_known``.

    Answers are used in the order of the questions, whatever the order and the batches in which they come, so
    that sums of floating-point numbers are always the same.

    Parameters
    ----------
    view, target
        The image, and the label to explain.
    n
        Number of questions that the method wants.
    budget
        At most this many are asked; None for all.

    """

    n_own_calls, own_seconds = 0, 0.0

    def __init__(self, view: View, target: Target, n: int, budget: int | None) -> None:
        """Ask nothing yet."""
        self.view, self.target = view, target
        self.n_wanted = n
        self.n = n if budget is None else min(n, budget)
        self.n_used = 0
        self._n_proposed = 0
        self._waiting: dict[int, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}

    @property
    def is_done(self) -> bool:
        """Whether all answers were used."""
        return self.n_used == self.n

    @property
    def n_known(self) -> int:
        """How many questions are known by now; less than ``n`` where the next follow from answers to come."""
        return self.n

    @property
    def progress(self) -> float:
        """Share of the answers that were used."""
        return self.n_used / self.n if self.n else 1.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Say where the budget was too small."""
        if self.n == self.n_wanted:
            return ()
        return (f"The budget of model calls allowed the method {self.n} of {self.n_wanted} masked images.",)

    def propose(self, capacity: int) -> WholeImages | None:
        """Return the next images, at most ``capacity``; None when there are no more by now."""
        first, stop = self._n_proposed, min(self.n_known, self._n_proposed + capacity)
        if first == stop:
            return None
        self._n_proposed = stop
        return WholeImages(np.stack([self.draw(index) for index in range(first, stop)]), first)

    def submit(
        self, pictures: WholeImages, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]
    ) -> None:
        """Take verdicts, and use those whose turn it is."""
        self._waiting[pictures.first] = (is_passing, scores)
        while self.n_used in self._waiting:
            verdicts = self._waiting.pop(self.n_used)
            for passing, score in zip(*verdicts, strict=True):
                self.use(self.n_used, is_passing=bool(passing), score=float(score))
                self.n_used += 1

    @abstractmethod
    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return one masked image, uint8 (H, W, 3); asked for in order, once each."""

    @abstractmethod
    def use(self, index: int, *, is_passing: bool, score: float) -> None:
        """Take the verdict on one masked image; called in order."""

    @abstractmethod
    def heatmap(self) -> NDArray[np.float64]:
        """Return what follows from the answers used so far, finite (H, W)."""

    def composed(self, kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the image with all but ``kept``, bool (H, W), replaced by the baseline."""
        return np.where(kept[..., None], self.view.image, self.view.baseline)


def needs_scores(method: str, target: Target) -> None:
    """
    Do nothing if the classifier gives scores.

    Raises
    ------
    OptionError
        If it gives labels only.

    """
    if math.isnan(target.score):
        raise OptionError(f"method is {method!r}, but the classifier returns labels only; it needs scores")


def generator(seed: int, index: int) -> np.random.Generator:
    """Return the random numbers of one question: they depend on nothing but the seed and its index."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index))))


def lattice(height: int, width: int, cells: int) -> NDArray[np.intp]:
    """
    Return the block of each pixel, (H, W), in a lattice of ``cells`` x ``cells``, numbered row by row.

    Sides of blocks differ by one pixel at most; there are no more blocks a side than pixels.
    """
    rows, columns = min(cells, height), min(cells, width)
    row_of = np.arange(height) * rows // height
    column_of = np.arange(width) * columns // width
    return row_of[:, None] * columns + column_of
