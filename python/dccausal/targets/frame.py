"""Points and boxes of a photograph in the pixels of the model's image, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """
    Where in a photograph the model's image lies.

    Attributes
    ----------
    photo_size
        (width, height) of the photograph in pixels.
    box
        (left, top, right, bottom) of the image in the photograph's pixels.
    size
        (height, width) of the image.

    """

    photo_size: tuple[int, int]
    box: tuple[float, float, float, float]
    size: tuple[int, int]

    def to_image(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return boxes (..., 4) or points (..., 2) of the photograph in the image's pixels."""
        step, start = self._steps(boxes.shape[-1])
        moved: NDArray[np.float64] = (np.asarray(boxes, dtype=np.float64) - start) / step
        return moved

    def to_photo(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return boxes (..., 4) or points (..., 2) of the image in the photograph's pixels."""
        step, start = self._steps(boxes.shape[-1])
        moved: NDArray[np.float64] = np.asarray(boxes, dtype=np.float64) * step + start
        return moved

    def shows(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which places of a map (h, w) of the image show the photograph, not what pads it; bool (h, w)."""
        width, height = self.photo_size
        step, start = self._steps(2)
        y, x = ((np.arange(n) + 0.5) * side / n for n, side in zip(shape, self.size, strict=True))
        x, y = x * step[0] + start[0], y * step[1] + start[1]
        inside: NDArray[np.bool_] = ((y > 0) & (y < height))[:, None] & ((x > 0) & (x < width))
        return inside

    def clipped(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return boxes (..., 4) of the photograph cut off at its edges."""
        width, height = self.photo_size
        cut: NDArray[np.float64] = np.clip(boxes, 0, [width, height] * (boxes.shape[-1] // 2))
        return cut

    def _steps(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        left, top, right, bottom = self.box
        height, width = self.size
        step = np.array([(right - left) / width, (bottom - top) / height] * (n // 2))
        return step, np.array([left, top] * (n // 2))
