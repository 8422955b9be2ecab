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

# Of the image's side: what heat is smoothed over, so that no lattice shows.
_SIGMA = 0.03
# Outside of the sets heat is even over the blocks of a lattice of so many a side.
_CELLS = 28
# What counts outside of the sets, beside what they were grown from.
_PARTITIONS, _HALVES = 0.25, 2.0
# What is neither for nor against the label is hardly seen; the order of pixels stays.
_POWER = 3


def contour_map(
    levels: Sequence[NDArray[np.bool_]], found: Heat, partitions: Heat, halves: Heat | None
) -> Heat:
    """
    Return a heatmap whose level sets are the nested sets, scaled to a peak of 1.

    Parameters
    ----------
    levels
        bool (H, W), outermost first, each inside the one before.
    found
        float32 (H, W), at least 0: what the sets were grown from.
    partitions
        float32 (H, W), at least 0: the mean responsibility.
    halves
        float32 (H, W) from -1 to 1: effects outside of the sets; None where they are not known.

    Returns
    -------
    NDArray
        float32 (H, W) in [0, 1].

    """
    height, width = found.shape
    sigma = _SIGMA * math.sqrt(height * width)
    is_outside = ~levels[0]
    around = scaled(found * is_outside) + np.float32(_PARTITIONS) * scaled(partitions * is_outside)
    if halves is not None:
        around += np.float32(_HALVES) * halves
    inside = scaled(_core.smoothed(scaled(found), sigma))
    outside = _evened(around, is_outside, sigma)
    return scaled(_core.contoured([np.ascontiguousarray(level) for level in levels], inside, outside))


def scaled(heat: Heat) -> Heat:
    """Return a map with its peak brought to 1; one without a peak stays 0."""
    peak = float(heat.max(initial=0.0))
    return (heat / np.float32(peak)).astype(np.float32) if peak > 0 else np.zeros_like(heat, dtype=np.float32)


def _evened(heat: Heat, is_outside: NDArray[np.bool_], sigma: float) -> Heat:
    """Return what lies outside of the sets, smoothed over the outside alone, from 0 to 1; 0 inside."""
    if not is_outside.any():
        return np.zeros_like(heat)
    share = is_outside.astype(np.float32)
    raised = np.where(is_outside, heat - heat[is_outside].min(), 0).astype(np.float32)
    smooth = _divided(_core.smoothed(raised, sigma), _core.smoothed(share, sigma)) * share
    even = _divided(_core.block_means(smooth, _CELLS), _core.block_means(share, _CELLS)) * share
    lowest = float(even[is_outside].min())
    evened: Heat = scaled(np.where(is_outside, even - np.float32(lowest), 0).astype(np.float32)) ** _POWER
    return evened


def _divided(heat: Heat, share: Heat) -> Heat:
    divided: Heat = np.divide(heat, share, out=np.zeros_like(heat), where=share > 1e-6)  # noqa: PLR2004
    return divided
