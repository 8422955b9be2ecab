"""Connected regions of a set of pixels: runs of neighbouring rows that share a column are of one region."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray


def n_regions(pixels: NDArray[np.bool_]) -> int:
    """Return how many regions bool (H, W) has; pixels that share an edge are of one region."""
    edges = np.diff(np.pad(pixels, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    runs = [
        list(zip(starts[rows == row].tolist(), stops[rows == row].tolist(), strict=True))
        for row in range(len(pixels))
    ]
    firsts = [0, *itertools.accumulate(len(row) for row in runs)]
    parent = list(range(firsts[-1]))
    n = firsts[-1]
    for row in range(1, len(runs)):
        for above, below in _overlaps(runs[row - 1], runs[row]):
            left, right = _root(parent, firsts[row - 1] + above), _root(parent, firsts[row] + below)
            if left != right:
                parent[right] = left
                n -= 1
    return n


def _overlaps(above: list[tuple[int, int]], below: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the places of the runs of two rows that share a column."""
    found, i, j = [], 0, 0
    while i < len(above) and j < len(below):
        if above[i][0] < below[j][1] and below[j][0] < above[i][1]:
            found.append((i, j))
        if above[i][1] < below[j][1]:
            i += 1
        else:
            j += 1
    return found


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
