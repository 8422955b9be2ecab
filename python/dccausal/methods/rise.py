"""RISE: the mean of random smooth masks, weighted by the score that each leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.methods.base import MAX_QUESTIONS, MaskSearch, generator, needs_scores
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class RiseOptions:
    """
    RISE [1]_: random cells, made smooth, weighted by the label's score.

    Each mask is a grid of cells that are visible with probability p, brought to (cells + 1) times the size of a
    cell, ceil(side / cells) pixels, by bilinear interpolation, and cut out at a random shift of up to one cell:
    values from 0 to 1. The image is blended with the baseline by it and rounded to whole pixel values. The
    heatmap is ``sum(score * mask) / (p * masks)``. Needs scores.

    Attributes
    ----------
    masks
        Number of masks, 1 to 1,000,000 (the paper: 4,000 for VGG16, 8,000 for ResNet50).
    cells
        Cells a side, 1 to 256 (the paper: 7).
    probability
        With which a cell is visible, above 0 and below 1 (the paper: 0.5).

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
       Models", BMVC 2018.

    """

    masks: int = 4000
    cells: int = 7
    probability: float = 0.5

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("masks", self.masks, 1, MAX_QUESTIONS)
        whole_number("cells", self.cells, 1, 256)
        if not 0 < finite_number("probability", self.probability) < 1:
            raise OptionError(f"probability is {self.probability}; a number above 0 and below 1 is needed")


class RiseSearch(MaskSearch):
    """Adds up masks, weighted by the scores."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: RiseOptions
    ) -> None:
        """Prepare the interpolation; nothing is added up yet."""
        needs_scores("rise", target)
        super().__init__(view, target, options.masks, budget)
        self._seed, self._options = seed, options
        self._image = view.image.astype(np.float32)
        self._baseline = view.baseline.astype(np.float32)
        height, width = view.image.shape[:2]
        self._sizes = (height, width)
        self._cells = (-(-height // options.cells), -(-width // options.cells))
        self._rows = _bilinear(options.cells, self._cells[0])
        self._columns = _bilinear(options.cells, self._cells[1])
        self._sum = np.zeros((height, width))
        self._drawn: dict[int, NDArray[np.float32]] = {}

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image blended with the baseline by a mask."""
        visible = self._drawn[index] = self._visible(index)
        share = visible[..., None]
        blended = self._image * share + self._baseline * (1 - share)
        return np.rint(blended).astype(np.uint8)

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Add up a mask."""
        self._sum += score * self._drawn.pop(index).astype(np.float64)

    def heatmap(self) -> NDArray[np.float64]:
        """Return the weighted mean of the masks, normalised by their probability."""
        return self._sum / (self._options.probability * max(self.n_used, 1))

    def _visible(self, index: int) -> NDArray[np.float32]:
        """Return how much of each pixel a mask shows, (H, W) in [0, 1]."""
        random = generator(self._seed, index)
        side = self._options.cells
        grid = (random.random((side, side)) < self._options.probability).astype(np.float64)
        top, left = (int(random.integers(size)) for size in self._cells)
        height, width = self._sizes
        rows, columns = self._rows[top : top + height], self._columns[left : left + width]
        smooth: NDArray[np.float32] = (rows @ grid @ columns.T).astype(np.float32)
        return smooth


def _bilinear(n_cells: int, cell: int) -> NDArray[np.float64]:
    """
    Return the weights ((n_cells + 1) * cell, n_cells) that enlarge a row of cells.

    Centres of pixels are aligned, and beyond the outer centres the row is mirrored: what scikit-image's
    ``resize(order=1, mode="reflect")`` does, which RISE's authors use.
    """
    n = (n_cells + 1) * cell
    if n_cells == 1:
        return np.ones((n, 1))
    at = (np.arange(n) + 0.5) * n_cells / n - 0.5
    at = np.abs(at)
    at = np.where(at > n_cells - 1, 2 * (n_cells - 1) - at, at)
    distance = np.abs(at[:, None] - np.arange(n_cells))
    return np.maximum(0.0, 1.0 - distance)
