"""
WholeImages and arrays of a result in the form in which a report carries them: small, and exact where it matters.

A heatmap becomes the level of each pixel among its distinct values, 0 the hottest. Levels lose nothing of the order
of the pixels, so the page can draw the best 3.7 % of them to the pixel; and since a heatmap is a sum of rectangles,
they shrink to a few kilobytes.
"""

from __future__ import annotations

import base64
import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

# As on the overlay: colours run from the 10 % to the 99.5 % quantile, for a few outliers would leave the rest dark.
_COLD, _HOT = 0.10, 0.995
_QUALITIES = (82, 70, 55)
_MOST_BYTES = 110_000


def photo_text(photo: Image.Image, longest: int) -> tuple[str, tuple[int, int]]:
    """
    Return a photograph as JPEG in base64, and its (width, height) there.

    Parameters
    ----------
    photo
        RGB.
    longest
        Most pixels of a side. Where even the lowest quality is more than 110 kB, the sides are halved.

    """
    from PIL import Image

    while True:
        small = photo.copy()
        small.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, format="JPEG", quality=quality, optimize=True)
            if buffer.tell() <= _MOST_BYTES:
                return _text(buffer.getvalue()), small.size
        longest = max(small.size) // 2


def levels_of(heatmap: NDArray[np.float32]) -> dict[str, Any]:
    """
    Return the order of the pixels and their colours.

    Parameters
    ----------
    heatmap
        float32 (H, W).

    Returns
    -------
    dict
        "n_bytes": bytes of a level. "levels": the level of each pixel as (n_bytes, H, W) bytes, high bytes first,
        each the difference to the pixel above, deflated, in base64. "tones": a byte for each level, its colour from
        0 (cold) to 255.

    """
    values, level = np.unique(-heatmap.ravel(), return_inverse=True)
    level = level.reshape(heatmap.shape).astype(np.int64)
    n_bytes = max(1, (int(len(values) - 1).bit_length() + 7) // 8)
    steps = np.diff(level, axis=0, prepend=0) & ((1 << 8 * n_bytes) - 1)
    planes = np.stack([steps >> 8 * shift for shift in range(n_bytes - 1, -1, -1)]) & 255
    return {
        "n_bytes": n_bytes,
        "levels": deflated(planes.astype(np.uint8)),
        "tones": deflated(tones(-values, heatmap)),
    }


def kept_text(kept: NDArray[np.bool_]) -> str:
    """Return a set of pixels, bool (H, W), as bits, row after row without gaps, deflated, in base64."""
    return deflated(np.packbits(kept.ravel()))


def deflated(array: NDArray[np.uint8]) -> str:
    """Return bytes deflated (zlib's format), in base64."""
    return _text(zlib.compress(array.tobytes(), 9))


def tones(values: NDArray[Any], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the tone of each value of a heatmap, uint8 of the same shape: 0 cold, 255 hot."""
    low, high = np.quantile(heatmap, (_COLD, _HOT))
    if high <= low:  # nearly all the same: only the rest can be told apart
        low, high = heatmap.min(), heatmap.max()
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    found: NDArray[np.uint8] = np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)
    return found


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
