"""
What pictures of large photographs are made of: quick, and with little memory beside the picture itself.

A picture is drawn in bands of rows that stay in the processor's cache. Whatever has the model's size is brought to
the photograph's a band at a time: smooth heat by Pillow, masks by repeating rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

# A band in Pillow's four bytes a pixel still lies in a usual second-level cache.
_BAND_PIXELS = 1 << 16
_TILE = 512  # columns

Box = tuple[int, int, int, int]


class Frame:
    """
    How an image of the model's size lies in the photograph.

    Parameters
    ----------
    placement
        Where in the photograph the model's image lies.
    shape
        (height, width) of the model's image.

    Attributes
    ----------
    size
        (width, height) of the photograph.
    seen
        (left, top, right, bottom) of the photograph's pixels that the model's image covers, the last two excluded.

    """

    def __init__(self, placement: Placement, shape: tuple[int, int]) -> None:
        """Find out which of the model's pixels each row and column of the photograph has."""
        self.size = placement.photo_size
        left, top, right, bottom = placement.box
        rows, columns = placement.axes(shape)
        self.seen: Box = (columns.start, rows.start, columns.stop, rows.stop)
        self._rows, self._columns = rows.nearest, columns.nearest
        # The part of the model's image that the pixels seen have, in its own pixels.
        step_x, step_y = shape[1] / (right - left), shape[0] / (bottom - top)
        self._low = max(0.0, (columns.start - left) * step_x), max(0.0, (rows.start - top) * step_y)
        self._high = (
            min(float(shape[1]), (columns.stop - left) * step_x),
            min(float(shape[0]), (rows.stop - top) * step_y),
        )

    def unseen(self) -> Iterator[Box]:
        """Cut what the model's image does not cover into bands."""
        width, height = self.size
        left, top, right, bottom = self.seen
        for box in (
            (0, 0, width, top),
            (0, bottom, width, height),
            (0, top, left, bottom),
            (right, top, width, bottom),
        ):
            yield from bands(box)

    def smooth(self, levels: NDArray[np.uint8], cold: int = -1) -> Iterator[tuple[Box, Image.Image | None]]:
        """
        Bring an array (H, W) to the photograph's size, linear between pixels: tiles of the part seen, mode L.

        A tile in which no level is above ``cold`` comes with None.
        """
        from PIL import Image

        linear = Image.Resampling.BILINEAR
        (low_x, low_y), (high_x, high_y) = self._low, self._high
        left, top, right, bottom = self.seen
        warm = levels > cold
        for column in strips(self.seen):
            step_x, step_y = (high_x - low_x) / (right - left), (high_y - low_y) / (bottom - top)
            first, last = (
                low_x + step_x * (column[0] - left),
                min(high_x, low_x + step_x * (column[2] - left)),
            )
            size = column[2] - column[0], levels.shape[0]
            near: NDArray[np.bool_] = np.any(_around(warm, first, last, 1), axis=1)
            wide = None
            for box in bands(column):
                start, stop = low_y + step_y * (box[1] - top), min(high_y, low_y + step_y * (box[3] - top))
                if not _around(near, start, stop, 0).any():
                    yield box, None
                    continue
                if wide is None:
                    wide = Image.fromarray(levels).resize(size, linear, box=(first, 0, last, levels.shape[0]))
                yield box, wide.resize((size[0], box[3] - box[1]), linear, box=(0, start, size[0], stop))

    def masks(self, mask: NDArray[np.bool_]) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
        """Bring a mask (H, W) to the photograph's size, each pixel that of its centre: bands of the part seen."""
        wide = mask[:, self._columns]
        top = self.seen[1]
        for box in bands(self.seen):
            yield box, wide[self._rows[box[1] - top : box[3] - top]]


def strips(box: Box) -> Iterator[Box]:
    """Cut a box into strips from left to right, of which much may have to be touched nowhere."""
    left, top, right, bottom = box
    for start in range(left, right, _TILE) if top < bottom else ():
        yield start, top, min(right, start + _TILE), bottom


def bands(box: Box) -> Iterator[Box]:
    """Cut a box into bands from top to bottom."""
    left, top, right, bottom = box
    if left < right:
        n_rows = max(1, _BAND_PIXELS // (right - left))
        for start in range(top, bottom, n_rows):
            yield left, start, right, min(bottom, start + n_rows)


def _around(array: NDArray[np.bool_], first: float, last: float, axis: int) -> NDArray[np.bool_]:
    """Return the part of an array that has a say in what lies from ``first`` to ``last`` along an axis."""
    part = slice(max(0, math.floor(first) - 1), math.ceil(last) + 1)
    return array[:, part] if axis else array[part]


def dimmed(part: Image.Image, light: Sequence[int]) -> Image.Image:
    """Return a part of the photograph grey, mode L, each of the 256 levels as ``light`` says."""
    return part.convert("L").point(light)


def light_levels(light: float) -> list[int]:
    """Return what becomes of each level with this share of its light."""
    return [round(level * light) for level in range(256)]
