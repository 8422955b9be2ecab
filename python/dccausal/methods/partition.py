"""SHAP's partition explainer: Owen values over a hierarchy of rectangles, refined where the score changes most."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal.inputs.view import View
from dccausal.methods.base import MAX_QUESTIONS, MaskSearch, needs_scores
from dccausal.targets import Target

Rectangle = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class PartitionOptions:
    """
    SHAP's partition explainer [1]_ on rectangles: Owen values [2]_ of a hierarchy that halves the longer side.

    The whole image's share in the score is what it has above the baseline's. A rectangle's share is divided
    between its halves as Shapley values of a game of two, on either ground: beside the baseline alone and beside
    the other half. The shares of which most is at stake are divided next, until the questions are used up, and
    are spread evenly over their pixels then. Nothing is drawn at random. Needs scores.

    Attributes
    ----------
    max_evals
        Number of questions with the image and the baseline, 4 to 1,000,000 (SHAP: 500). Of these the image's is
        not asked again.
    round_size
        Questions that are asked before the next shares are chosen, 2 to 1,000 (SHAP: 10, its ``batch_size``).

    References
    ----------
    .. [1] S. M. Lundberg and others, the package ``shap``, ``PartitionExplainer``.
    .. [2] G. Owen, "Values of Games with a Priori Unions", 1977.

    """

    max_evals: int = 500
    round_size: int = 10

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("max_evals", self.max_evals, 4, MAX_QUESTIONS)
        whole_number("round_size", self.round_size, 2, 1000)


@dataclass(frozen=True, eq=False)
class _Ground:
    """What is kept besides a rectangle: further rectangles, one after the other; None at the beginning."""

    rectangle: Rectangle
    below: _Ground | None


@dataclass(frozen=True, eq=False)
class _Share:
    """A rectangle's share: ``weight`` times what it adds to the score of what is kept besides."""

    rectangle: Rectangle
    ground: _Ground | None
    without: float
    score: float
    weight: float

    @property
    def value(self) -> float:
        """The share in the score."""
        return (self.score - self.without) * self.weight


class PartitionSearch(MaskSearch):
    """Divides shares in rounds; which are divided in a round follows from the rounds before alone."""

    def __init__(
        self,
        view: View,
        target: Target,
        budget: int | None,
        *,
        seed: int,  # noqa: ARG002  nothing is drawn
        options: PartitionOptions,
    ) -> None:
        """Ask about the baseline first."""
        needs_scores("partition-shap", target)
        super().__init__(view, target, 2 * (options.max_evals // 2) - 1, budget)
        self.n -= 1 - self.n % 2 if self.n else 0  # the baseline, then pairs
        self._n_pairs = options.round_size // 2
        self._numbers = itertools.count()
        self._shares: list[tuple[float, int, _Share]] = []
        self._divided: list[_Share] = []
        self._questions: list[_Ground | None] = [None]
        self._scores: list[float] = []
        self._leaves = np.zeros(view.image.shape[:2])

    @property
    def n_known(self) -> int:
        """The baseline and all rounds so far."""
        return min(self.n, len(self._questions))

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image with some rectangles kept."""
        image, ground = self.view.baseline.copy(), self._questions[index]
        while ground is not None:
            image[ground.rectangle] = self.view.image[ground.rectangle]
            ground = ground.below
        return image

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Note a score, and after the last one of a round choose the next."""
        self._scores.append(score)
        if index == 0:
            height, width = self.view.image.shape[:2]
            whole = (slice(0, height), slice(0, width))
            self._put(_Share(whole, None, score, self.target.score, 1.0))
        if len(self._scores) == len(self._questions):
            self._divide()
            self._choose()

    def heatmap(self) -> NDArray[np.float64]:
        """Return the shares, each spread evenly over its rectangle."""
        heat = self._leaves.copy()
        for share in (
            *self._divided,
            *(share for _, _, share in sorted(self._shares, key=lambda one: one[1])),
        ):
            heat[share.rectangle] += share.value / _area(share.rectangle)
        return heat

    def _divide(self) -> None:
        """Replace the shares of the last round by those of their halves."""
        first = len(self._questions) - 2 * len(self._divided)
        for place, share in enumerate(self._divided):
            halves = _halves(share.rectangle)
            alone = self._scores[first + 2 * place : first + 2 * place + 2]
            beside = self._questions[first + 2 * place : first + 2 * place + 2]
            for half, other in ((0, 1), (1, 0)):
                part, weight = halves[half], share.weight / 2
                self._put(_Share(part, share.ground, share.without, alone[half], weight))
                self._put(_Share(part, beside[other], alone[other], share.score, weight))
        self._divided = []

    def _choose(self) -> None:
        """Take the shares that the next round divides, and note its questions."""
        while self._shares and len(self._divided) < self._n_pairs and len(self._questions) + 2 <= self.n:
            share = heapq.heappop(self._shares)[2]
            self._divided.append(share)
            self._questions += [_Ground(half, share.ground) for half in _halves(share.rectangle)]
        if not self._divided and not self._shares:  # all are of one pixel
            self.n = self.n_wanted = len(self._questions)

    def _put(self, share: _Share) -> None:
        """Keep a share until it is divided, or for good where it is a pixel's; the first of equal ones is first."""
        if _area(share.rectangle) == 1:
            self._leaves[share.rectangle] += share.value
        else:
            heapq.heappush(self._shares, (-abs(share.value), next(self._numbers), share))


def _area(rectangle: Rectangle) -> int:
    rows, columns = rectangle
    return int((rows.stop - rows.start) * (columns.stop - columns.start))


def _halves(rectangle: Rectangle) -> tuple[Rectangle, Rectangle]:
    """Return the halves of a rectangle of two pixels or more; the first is the smaller one."""
    rows, columns = rectangle
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height >= width:
        middle = rows.start + height // 2
        return (slice(rows.start, middle), columns), (slice(middle, rows.stop), columns)
    middle = columns.start + width // 2
    return (rows, slice(columns.start, middle)), (rows, slice(middle, columns.stop))
