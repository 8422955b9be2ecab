"""Where in a photograph the model's image lies, and how arrays of its size are laid back over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Placement:
    """
    The area of a photograph that the model's image ``x`` covers.

    Attributes
    ----------
    photo_size
        (width, height) of the photograph in pixels, upright.
    box
        (left, top, right, bottom) of ``x`` in the photograph's pixels, (0, 0) being the outer corner of the
        first one. Inside the photograph for a crop, beyond it for a padded image.

    """

    photo_size: tuple[int, int]
    box: tuple[float, float, float, float]

    def to_photo(self, array: NDArray[Any], *, smooth: bool, fill: Any) -> NDArray[Any]:
        """
        Lay an array of the model's size over the photograph.

        Parameters
        ----------
        array
            bool or float32 (H, W), or uint8 (H, W) or (H, W, C).
        smooth
            True interpolates linearly between the centres of pixels, False takes the pixel that a point
            lies in. Booleans are never interpolated.
        fill
            Value of the photograph's pixels that ``x`` does not cover.

        Returns
        -------
        NDArray
            The same dtype, (photo height, photo width) or (photo height, photo width, C).

        """
        width, height = self.photo_size
        rows, columns = self.axes(array.shape)
        result = np.full((height, width, *array.shape[2:]), fill, dtype=array.dtype)
        inside = result[rows.start : rows.stop, columns.start : columns.stop]
        if not smooth or array.dtype == np.bool_:
            inside[...] = array[:, columns.nearest][rows.nearest]  # rows last: they are copied whole
            return result
        tall = rows.blend(array, 0)
        for start in range(
            0, len(tall), _ROWS_AT_ONCE
        ):  # a large photograph in float32 would be too much at once
            part = columns.blend(tall[start : start + _ROWS_AT_ONCE], 1)
            inside[start : start + _ROWS_AT_ONCE] = part if array.dtype.kind == "f" else np.rint(part)
        return result

    def axes(self, shape: tuple[int, ...]) -> tuple[_Axis, _Axis]:
        """Return which rows and columns of the photograph an array (height, width, ...) covers."""
        (width, height), (left, top, right, bottom) = self.photo_size, self.box
        return _Axis.over(height, top, bottom, shape[0]), _Axis.over(width, left, right, shape[1])


@dataclass(frozen=True)
class _Axis:
    """One axis: the photograph's pixels from ``start`` to ``stop`` have their centres on the array."""

    start: int
    stop: int
    n: int
    position: NDArray[np.floating[Any]]  # of each pixel's centre, in the array's pixels

    @classmethod
    def over(cls, length: int, low: float, high: float, n: int) -> _Axis:
        centres = (np.arange(length) + 0.5 - low) * (n / (high - low))
        inside = np.flatnonzero((centres >= 0) & (centres < n))
        if inside.size == 0:
            return cls(0, 0, n, centres[:0])
        start, stop = int(inside[0]), int(inside[-1]) + 1
        return cls(start, stop, n, centres[start:stop])

    @property
    def nearest(self) -> NDArray[np.int64]:
        pixels: NDArray[np.int64] = np.floor(self.position).astype(np.int64)
        return pixels

    def blend(self, array: NDArray[Any], axis: int) -> NDArray[Any]:
        """Return float32 values at every position, linear between centres, constant beyond the outer ones."""
        point = np.clip(self.position - 0.5, 0, self.n - 1)
        before = np.floor(point).astype(np.int64)
        after = np.minimum(before + 1, self.n - 1)
        share = (point - before).astype(np.float32)
        share = share.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        result: NDArray[Any] = np.take(array, before, axis).astype(np.float32)
        result += share * (np.take(array, after, axis).astype(np.float32) - result)
        return result
