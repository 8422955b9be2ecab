"""
The heatmap that is shown and measured: what the search found, drawn between the contour lines of the nested sets.

Inside the sets the heat rises from line to line, so that a set is what lies above its line. Outside lies what else was
found to matter, always below the outermost line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dccausal import _core

Heat = NDArray[np.float32]

# Of the image's side: what heat is smoothed over, so that the lattices of the survey do not show.
_SIGMA = 0.03
# Outside of the sets heat is even over the blocks of a lattice of so many a side.
_CELLS = 28


def contour_map(
    levels: Sequence[NDArray[np.bool_]], found: Heat, outside: Sequence[tuple[float, Heat]]
) -> Heat:
    """
    Return a heatmap whose level sets are the nested sets.

    Parameters
    ----------
    levels
        bool (H, W), outermost first, each inside the one before.
    found
        float32 (H, W), at least 0: what the sets were grown from.
    outside
        What else counts outside of the sets: weights and maps (H, W) of any range from 0.

    Returns
    -------
    NDArray
        float32 (H, W) in [0, 1].

    """
    height, width = found.shape
    sigma = _SIGMA * math.sqrt(height * width)
    smooth = scaled(_core.smoothed(scaled(found), sigma))
    around = np.zeros_like(smooth)
    for weight, heat in [(1.0, found), *outside]:
        around += np.float32(weight) * scaled(_core.smoothed(scaled(heat), sigma))
    blocks = _core.block_means(around, _CELLS)
    return _core.contoured([np.ascontiguousarray(level) for level in levels], smooth, scaled(blocks))


def scaled(heat: Heat) -> Heat:
    """Return a map with its peak brought to 1; one without a peak stays 0."""
    peak = float(heat.max(initial=0.0))
    return (heat / np.float32(peak)).astype(np.float32) if peak > 0 else np.zeros_like(heat, dtype=np.float32)
