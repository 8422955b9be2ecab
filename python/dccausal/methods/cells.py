"""What the methods have in common that mask the cells of a coarse lattice and give each cell a number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dccausal.methods.base import lattice

# Of the cubic kernel: as OpenCV's resize, by which the authors of HSIC and Sobol attribution enlarge their maps.
_SHARPNESS = -0.75


class Cells:
    """
    A lattice of cells over an image, at most as many a side as there are pixels.

    Parameters
    ----------
    height, width
        Of the image.
    cells
        Cells a side.

    """

    def __init__(self, height: int, width: int, cells: int) -> None:
        """Lay out the lattice."""
        self.shape = (min(cells, height), min(cells, width))
        self.n = self.shape[0] * self.shape[1]
        self._cell_of = lattice(height, width, cells)
        self._rows = _cubic(self.shape[0], height)
        self._columns = _cubic(self.shape[1], width)

    def spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the value of each pixel's cell (H, W), from those of the cells (n,)."""
        spread: NDArray[np.float32] = values[self._cell_of]
        return spread

    def smooth(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cells' values (n,) enlarged to the image (H, W) by bicubic interpolation."""
        smooth: NDArray[np.float64] = self._rows @ values.reshape(self.shape) @ self._columns.T
        return smooth


def _cubic(n_cells: int, n: int) -> NDArray[np.float64]:
    """Return the weights (n, n_cells) that enlarge a row of cells; beyond the outer ones it goes on as they are."""
    at = (np.arange(n) + 0.5) * n_cells / n - 0.5
    low = np.floor(at).astype(np.intp)
    weights = np.zeros((n, n_cells))
    for step in (-1, 0, 1, 2):
        place = np.clip(low + step, 0, n_cells - 1)
        weights[np.arange(n), place] += _kernel(np.abs(at - (low + step)))
    return weights


def _kernel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cubic convolution kernel (Keys 1981) at distances from 0 to 2."""
    a, d = _SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)
