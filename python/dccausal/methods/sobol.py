"""Sobol attribution: the share of the score's variance in which each cell has a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.methods.base import MaskSearch, generator, needs_scores
from dccausal.methods.cells import Cells
from dccausal.methods.segments import load
from dccausal.targets import Target

_BITS = 30
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class SobolOptions:
    """
    Sobol attribution [1]_: total Sobol indices of the cells of a lattice, by Jansen's estimator [2]_.

    A mask has a value from 0 to 1 for each cell, by which the image is blended with the baseline and rounded to
    whole pixel values. Two sets A and B of masks come from one quasi-random Sobol sequence, whose bits are
    exchanged at random by the seed. Each mask of A is asked again with each cell as in B: in all
    ``designs * (cells * cells + 2)`` questions. A cell's value is the mean square of the change, halved, by the
    variance over A. It has no sign. The values are enlarged by bicubic interpolation, as xplique does. Needs
    scores, and scipy of the extra ``rivals``.

    Attributes
    ----------
    designs
        Masks in A, a power of two from 2 to 1024 (the paper: 32).
    cells
        Cells a side, 2 to 64 (xplique: 8).

    References
    ----------
    .. [1] T. Fel, R. Cadene, M. Chalvidal, M. Cord, D. Vigouroux, T. Serre, "Look at the Variance! Efficient
       Black-box Explanations with Sobol-based Sensitivity Analysis", NeurIPS 2021.
    .. [2] M. J. W. Jansen, "Analysis of Variance Designs for Model Output", Computer Physics Communications 117,
       1999.

    """

    designs: int = 32
    cells: int = 8

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("designs", self.designs, 2, 1024)
        if self.designs & (self.designs - 1):
            raise OptionError(f"designs is {self.designs}; a power of two is needed")
        whole_number("cells", self.cells, 2, 64)


class SobolSearch(MaskSearch):
    """
    Notes the score beside each mask.

    The questions are A, B, then for each mask of A one a cell, so that what a budget leaves out is the last
    masks of A and not some of the cells.
    """

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: SobolOptions
    ) -> None:
        """Draw A and B."""
        needs_scores("sobol", target)
        height, width = view.image.shape[:2]
        self._cells = Cells(height, width, options.cells)
        self._n_designs = options.designs
        super().__init__(view, target, options.designs * (self._cells.n + 2), budget)
        points = _sequence(options.designs, 2 * self._cells.n, seed)
        self._a, self._b = points[:, : self._cells.n], points[:, self._cells.n :]
        self._image = view.image.astype(np.float32)
        self._baseline = view.baseline.astype(np.float32)
        self._scores = np.zeros(self.n_wanted)

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image blended with the baseline by a mask."""
        share = self._cells.spread(self._mask(index))[..., None]
        return np.rint(self._image * share + self._baseline * (1 - share)).astype(np.uint8)

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Note a score."""
        self._scores[index] = score

    def heatmap(self) -> NDArray[np.float64]:
        """Return the total indices, enlarged; cells of which nothing was asked have none."""
        n, n_asked = self._n_designs, max(self.n_used - 2 * self._n_designs, 0)
        if n_asked == 0:
            return np.zeros(self.view.image.shape[:2])
        before = self._scores[:n]
        changes = (before[:, None] - self._scores[2 * n :].reshape(n, self._cells.n)) ** 2
        is_asked = (np.arange(n * self._cells.n) < n_asked).reshape(changes.shape)
        means = np.where(is_asked, changes, 0).sum(axis=0) / np.maximum(is_asked.sum(axis=0), 1)
        variance = max(float(before.var(ddof=1)), _LEAST_VARIANCE)
        return self._cells.smooth(means / (2 * variance))

    def _mask(self, index: int) -> NDArray[np.float32]:
        n = self._n_designs
        if index < 2 * n:
            mask: NDArray[np.float32] = (self._a if index < n else self._b)[index % n]
            return mask
        design, cell = divmod(index - 2 * n, self._cells.n)
        mask = self._a[design].copy()
        mask[cell] = self._b[design, cell]
        return mask


def _sequence(n: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    """
    Return the first points (n, dimensions) of the Sobol sequence in [0, 1), shifted digitally by the seed.

    A digital shift exchanges the same bits of all points, which keeps them as evenly spread as they are.
    """
    sampler = load("scipy.stats", "sobol").qmc.Sobol(dimensions, scramble=False, bits=_BITS)
    points = np.rint(sampler.random_base2(n.bit_length() - 1) * (1 << _BITS)).astype(np.int64)
    shift = generator(seed, 0).integers(0, 1 << _BITS, dimensions)
    shifted: NDArray[np.float32] = ((points ^ shift) / (1 << _BITS)).astype(np.float32)
    return shifted
