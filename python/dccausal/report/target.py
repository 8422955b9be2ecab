"""What a report says and draws of a target that is no label: a detector's box, a segmenter's region, a similarity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.explanation.rle import rle_pixels
from dccausal.report.pixels import kept_text

_SIDES = ("left", "top", "right", "bottom")
_MOST = 1 << 13  # places a side of a region
_FAR = 1 << 31  # beyond every photograph


def target_of(
    document: Mapping[str, Any], scale: tuple[float, float]
) -> tuple[dict[str, Any] | None, str | None]:
    """
    Return what the list says of a target, and its region as ``kept_text``; None for a label, and without a region.

    Parameters
    ----------
    document
        A result.json; those of before minor version 4 have no target.
    scale
        Pixels of the report's photograph a pixel of the one that was explained, across and down.

    Raises
    ------
    ValueError
        If it cannot be shown; the text says what is missing.

    """
    target = document.get("target")
    if target is None:
        return None, None
    if not isinstance(target, Mapping) or not all(
        isinstance(target.get(name), str) for name in ("title", "words")
    ):
        raise ValueError("a target that can be shown")
    about: dict[str, Any] = {"title": target["title"], "words": target["words"], "box": None, "shape": None}
    box, mask = target.get("box"), target.get("mask_rle")
    if box is not None:
        about["box"] = _scaled(box, scale)
    if mask is None:
        return about, None
    region = _region(mask)
    return {**about, "shape": list(region.shape)}, kept_text(region)


def _region(mask: Any) -> NDArray[np.bool_]:
    """Return the places of a region."""
    try:
        height, width = (min(_MOST, max(1, int(side))) for side in mask["size"])
        return rle_pixels(mask, (height, width))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("the region of a target") from error


def _scaled(box: Any, scale: tuple[float, float]) -> list[float]:
    sides = [box[side] for side in _SIDES if _is_number(box.get(side))] if isinstance(box, Mapping) else []
    if len(sides) != len(_SIDES):
        raise ValueError("the box of a target")
    return [round(side * scale[i % 2], 3) for i, side in enumerate(sides)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_FAR < value < _FAR
