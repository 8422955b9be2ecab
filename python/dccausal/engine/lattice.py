"""On which blocks the sets of a target are minimal."""

from __future__ import annotations

from collections.abc import Sequence

from dccausal.targets import Target
from dccausal.targets.box import BoxTarget

# Blocks of fewer pixels a side hold too little of anything to be told apart by; so many there are in any case.
_LEAST_SIDE, _FEWEST = 12, 8
# Blocks a side of a box, where it is wide enough for them.
_OF_BOX = 2

# Blocks a side, or the lines between rows and between columns.
Cells = int | tuple[Sequence[int], Sequence[int]]


def cells_of(target: Target, shape: tuple[int, int], grid: int, *, is_given: bool) -> Cells:
    """
    Return the lattice of a target on an image.

    A box is a whole number of blocks: lines run through its sides. Elsewhere, and for other targets, blocks are as
    even as whole pixels allow.

    Parameters
    ----------
    target
        What is explained.
    shape
        (height, width) of the image.
    grid
        Blocks a side.
    is_given
        Whether the user asked for so many; then that is what there is.

    """
    if is_given:
        return grid
    cells = max(_FEWEST, min(grid, min(shape) // _LEAST_SIDE))
    if not isinstance(target, BoxTarget):
        return cells
    left, top, right, bottom = (float(side) for side in target.box)
    return _lines(shape[0], top, bottom, cells), _lines(shape[1], left, right, cells)


def _lines(side: int, low: float, high: float, cells: int) -> list[int]:
    """Return lines across a side: through both ends of a box, and as evenly as before between them."""
    step = side / cells
    first, last = (min(max(0, round(end)), side) for end in (low, high))
    # What is left beside the box would be a sliver.
    first = 0 if first < _LEAST_SIDE / 2 else first
    last = side if last > side - _LEAST_SIDE / 2 else last
    if last <= first:
        return _even(0, side, cells)
    inside = max(1, round((last - first) / step), min(_OF_BOX, (last - first) // _LEAST_SIDE))
    before, after = (max(1, round(length / step)) for length in (first, side - last))
    return sorted({*_even(0, first, before), *_even(first, last, inside), *_even(last, side, after)})


def _even(first: int, last: int, n: int) -> list[int]:
    """Return lines between two, both included, at whole pixels."""
    n = max(1, min(n, last - first))
    return [first + (last - first) * i // n for i in range(n + 1)]
