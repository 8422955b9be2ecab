"""Maps brought to another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resized(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return maps (..., h, w) brought to (height, width) linearly between the centres of pixels, not antialiased."""
    for axis, side in zip((-2, -1), size, strict=True):
        n = maps.shape[axis]
        if n == side:
            continue
        at = np.clip((np.arange(side) + 0.5) * (n / side) - 0.5, 0, n - 1)
        before = np.floor(at).astype(np.int64)
        after = np.minimum(before + 1, n - 1)
        share = (at - before).astype(np.float32)
        if axis == -2:  # noqa: PLR2004
            share = share[:, None]
        low = np.take(maps, before, axis)
        maps = low + share * (np.take(maps, after, axis) - low)
    return maps
