"""OpenCV's bilinear resize, which many detectors were trained with: not antialiased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

# OpenCV computes with whole numbers: shares of a pixel in 1/2048, so a product of two in 1/2^22.
_SHARES = 1 << 11


def resize_linear(
    photo: Image.Image, size: tuple[int, int], window: tuple[int, int, int, int] | None = None
) -> Image.Image:
    """
    Return an RGB image resized to (width, height) as ``cv2.resize`` does by default (INTER_LINEAR, uint8).

    Each new pixel is made of the four around its centre, however much the image is shrunk. ``window`` is (left, top,
    right, bottom) of the resized image: only that part of it is made, and returned.
    """
    from PIL import Image

    first, top, last, bottom = window or (0, 0, *size)
    pixels = np.asarray(photo, dtype=np.uint8)
    left, right, across = _places(pixels.shape[1], size[0], first, last)
    above, below, down = _places(pixels.shape[0], size[1], top, bottom)
    rows = np.unique(np.concatenate([above, below]))  # no others are looked at
    pixels = pixels[rows].astype(np.int32)
    above, below = np.searchsorted(rows, above), np.searchsorted(rows, below)
    wide = _mix(pixels[:, left], pixels[:, right], across[:, None])
    tall = _mix_rows(wide[above], wide[below], down[:, None, None])
    return Image.fromarray(np.clip(tall, 0, 255).astype(np.uint8))


def _places(
    n: int, m: int, start: int, stop: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """
    Return the two pixels of ``n`` that each of ``m`` lies between, and the second one's share in 1/2048.

    Only those from ``start`` to ``stop`` of the ``m`` are looked at.
    """
    at = (np.arange(start, stop, dtype=np.float32) + np.float32(0.5)) * np.float32(n / m) - np.float32(0.5)
    first = np.floor(at).astype(np.int64)
    share = np.rint((at - first) * _SHARES).astype(np.int32)
    share[(first < 0) | (first >= n - 1)] = 0
    first = np.clip(first, 0, n - 1)
    return first, np.minimum(first + 1, n - 1), share


def _mix(first: NDArray[np.int32], second: NDArray[np.int32], share: NDArray[np.int32]) -> NDArray[np.int32]:
    mixed: NDArray[np.int32] = first * (_SHARES - share) + second * share
    return mixed


def _mix_rows(
    above: NDArray[np.int32], below: NDArray[np.int32], share: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Round as OpenCV's loop over rows does."""
    first = ((_SHARES - share) * (above >> 4)) >> 16
    second = (share * (below >> 4)) >> 16
    mixed: NDArray[np.int32] = (first + second + 2) >> 2
    return mixed
