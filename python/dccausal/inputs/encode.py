"""From uint8 pixels to the numbers of a tensor, whole arrays at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R 601 luma in 1/65536, as Pillow's convert("L") has it.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)


def luma(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return greyscale (N, H, W, 1) uint8 of RGB (N, H, W, 3) uint8, equal to Pillow's convert("L")."""
    return ((images @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]


def affine(
    images: NDArray[np.uint8],
    channels_first: bool,  # noqa: FBT001
    gain: NDArray[np.float64],
    offset: NDArray[np.float64],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """
    Return ``pixel * gain + offset`` as a new C-contiguous tensor.

    Parameters
    ----------
    images
        uint8 (N, H, W, C), in any memory order.
    channels_first
        True gives (N, C, H, W), False (N, H, W, C).
    gain, offset
        (C,). A tensor of whole numbers is the pixels themselves, without them; of int8 less 128.
    dtype
        float32, float16, float64 or whole numbers; float16 is rounded from float32.

    """
    planes = np.array(images.transpose(0, 3, 1, 2) if channels_first else images, order="C")
    if dtype.kind in "iu":
        return (planes ^ 128).view(np.int8) if dtype == np.int8 else planes.astype(dtype, copy=False)
    values: NDArray[Any] = planes.astype(np.float64 if dtype == np.float64 else np.float32)
    if channels_first:
        gain, offset, rows = gain[:, None, None], offset[:, None, None], values
    else:  # whole rows at once: an inner loop over three channels would be slow
        width, channels = values.shape[2:]
        gain, offset, rows = (
            np.tile(gain, width),
            np.tile(offset, width),
            values.reshape(-1, width * channels),
        )
    rows *= gain.astype(values.dtype)
    rows += offset.astype(values.dtype)
    return values.astype(dtype, copy=False)
