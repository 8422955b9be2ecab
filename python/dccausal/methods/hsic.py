"""HSIC attribution: how strongly the score depends on whether each cell is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal.inputs.view import View
from dccausal.methods.base import MaskSearch, generator, needs_scores
from dccausal.methods.cells import Cells
from dccausal.targets import Target

_MAX_MASKS = 20_000  # every mask is compared with every other one
_LEAST_WIDTH = 1e-6
_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class HsicOptions:
    """
    HSIC attribution [1]_: the dependence of the score on each cell, as its authors' xplique estimates it.

    Masks show or hide each cell of a lattice; together they are a Latin hypercube, rounded, so that each cell is
    visible in half of them. A cell's value is the Hilbert-Schmidt independence criterion between its visibility
    (Dirac kernel) and the score (RBF kernel, as wide as the median score). It has no sign: a cell that argues
    against the label has a high value too. The values are enlarged by bicubic interpolation. Needs scores.

    Attributes
    ----------
    masks
        Number of masks, 2 to 20,000 (xplique: 500).
    cells
        Cells a side, 2 to 64 (xplique: 8 for this number of masks).

    References
    ----------
    .. [1] P. Novello, T. Fel, D. Vigouroux, "Making Sense of Dependence: Efficient Black-box Explanations Using
       Dependence Measure", NeurIPS 2022.

    """

    masks: int = 500
    cells: int = 8

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("masks", self.masks, 2, _MAX_MASKS)
        whole_number("cells", self.cells, 2, 64)


class HsicSearch(MaskSearch):
    """Notes the score beside each mask."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: HsicOptions
    ) -> None:
        """Draw the masks, as many as the budget allows, so that they are a Latin hypercube."""
        needs_scores("hsic", target)
        super().__init__(view, target, options.masks, budget)
        height, width = view.image.shape[:2]
        self._cells = Cells(height, width, options.cells)
        random = generator(seed, 0)
        strata = np.stack([random.permutation(self.n) for _ in range(self._cells.n)], axis=1)
        self._visible = (strata + random.random(strata.shape)) / max(self.n, 1) > 0.5  # noqa: PLR2004  a half
        self._scores = np.zeros(self.n)

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image with some cells visible."""
        return self.composed(self._cells.spread(self._visible[index].astype(np.float32)) > 0)

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Note a score."""
        self._scores[index] = score

    def heatmap(self) -> NDArray[np.float64]:
        """Return the dependence on each cell, enlarged; flat before there are two answers."""
        n = self.n_used
        if n < 2:  # noqa: PLR2004  a dependence needs two
            return np.zeros(self.view.image.shape[:2])
        return self._cells.smooth(_dependence(self._visible[:n], self._scores[:n]))


def _dependence(visible: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the HSIC of each column of ``visible``, (n, cells), with the scores (n,).

    The Dirac kernel of xplique is ``k(x, y) = 1/2 - (x - y)^2 = 1/2 - x - y + 2 x y`` for x and y of 0 or 1. What
    centring leaves of it is ``2 (x - mean)(y - mean)``, so that the trace of the centred kernels' product is
    ``2 c L c`` with the centred column c and the scores' kernel L.
    """
    n = len(scores)
    width = max(float(np.median(scores)), _LEAST_WIDTH)
    centred = visible - visible.mean(axis=0)
    total = np.zeros(visible.shape[1])
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        kernel = np.exp(-((scores[rows, None] - scores) ** 2) / (2 * width**2))
        total += (centred[rows] * (kernel @ centred)).sum(axis=0)
    return 2 * total / n
