"""Sets of pixels as COCO's tools write them: run lengths, column by column, as a short string of ASCII.

The format is that of ``rleToString`` in maskApi.c of pycocotools (T.-Y. Lin et al., https://cocodataset.org), so
``pycocotools.mask.decode`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITS, _FIRST = 5, 48  # each character has five bits and a sixth that says that more follow; 48 is "0"
_MORE, _SIGN = 0x20, 0x10


def coco_rle(kept: NDArray[np.bool_]) -> dict[str, Any]:
    """
    Return a set of pixels as ``{"size": [H, W], "counts": "..."}``.

    Parameters
    ----------
    kept
        bool (H, W), True where the pixel belongs to the set.

    """
    return {"size": list(kept.shape), "counts": _text(_run_lengths(kept))}


def rle_pixels(rle: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """
    Return the set of pixels (H, W) that ``coco_rle`` wrote.

    Raises
    ------
    ValueError
        If it is damaged, or of another shape.

    """
    if list(rle["size"]) != list(shape) or not isinstance(rle["counts"], str):
        raise ValueError(f"run lengths of {shape}")
    lengths = _numbers(rle["counts"])
    if min(lengths, default=0) < 0 or sum(lengths) != shape[0] * shape[1]:
        raise ValueError(f"whole run lengths of {shape}")
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return pixels.reshape(shape, order="F")


def _numbers(text: str) -> list[int]:
    """Return the run lengths that ``_text`` wrote."""
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 2 * _MORE:
            raise ValueError("characters of run lengths")
        number |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if not bits & _MORE:
            number -= (bits & _SIGN) << (shift - _BITS + 1)
            lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))  # noqa: PLR2004
            number = shift = 0
    if shift:
        raise ValueError("the end of run lengths")
    return lengths


def _run_lengths(kept: NDArray[np.bool_]) -> list[int]:
    """Return how many pixels in a row are out, in, out, ... of the set, in columns from the left; out may be 0."""
    pixels = np.concatenate([[False], kept.ravel(order="F")])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    lengths: list[int] = np.diff(np.concatenate([[0], changes, [kept.size]])).tolist()
    return lengths


def _text(lengths: list[int]) -> str:
    """Return run lengths as text: from the fourth on, what is written is the difference from the second last."""
    return "".join(
        _characters(length - lengths[i - 2] if i > 2 else length)  # noqa: PLR2004
        for i, length in enumerate(lengths)
    )


def _characters(number: int) -> str:
    """Return a number of either sign, its lowest bits first."""
    text = ""
    while True:
        bits = number & ((1 << _BITS) - 1)
        number >>= _BITS
        is_last = number == (-1 if bits & _SIGN else 0)
        text += chr(_FIRST + (bits if is_last else bits | _MORE))
        if is_last:
            return text
