"""Sizes, shares and filters as exporters write them down, in the terms of ``Preprocess``."""

from __future__ import annotations

import math
from typing import Any, get_args

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.drawing import Interpolation
from dccausal.inputs.framing import Geometry

_MAX_SIDE = 16384

Sides = tuple[int | None, int | None]

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by Pillow's number


def make_geometry(
    model: Sides, *, sides: tuple[int, int] | None, geometry: Geometry, ratio: float
) -> dict[str, Any]:
    """
    Return size, geometry and crop_ratio.

    Where the model takes one size only, that is the size, whatever the file says: models are exported anew at
    other resolutions, and their mean and std stay.
    """
    height, width = model
    size = None if height is not None and width is not None else sides
    if size is not None:
        size = (height or size[0], width or size[1])
    return {"size": size, "geometry": geometry, "crop_ratio": ratio}


def make_cut(
    model: Sides, *, sides: tuple[int, int], geometry: Geometry, whole: tuple[int, int]
) -> dict[str, Any]:
    """
    Return size, geometry and crop_ratio, or resize where no share says it.

    Parameters
    ----------
    model
        As in ``make_geometry``.
    sides, geometry
        What the file says.
    whole
        (height, width) that photographs are resized to, or cover, before the centre is cut out.

    Raises
    ------
    OptionError
        If there is no such size.

    """
    is_share = sides[0] * whole[1] == sides[1] * whole[0] and whole[0] >= sides[0]
    ratio = crop_ratio(sides[0], whole[0]) if is_share else max(0.01, min(1.0, sides[0] / whole[0]))
    made = make_geometry(model, sides=sides, geometry=geometry, ratio=ratio)
    if not is_share and geometry in ("crop", "squash-crop"):
        height, width = made["size"] or (model[0] or sides[0], model[1] or sides[1])
        made["resize"] = (
            max(1, round(whole[0] * height / sides[0])),
            max(1, round(whole[1] * width / sides[1])),
        )
    return made


def crop_ratio(side: int, whole: int) -> float:
    """
    Return the share with which ``floor(side / share)`` is exactly ``whole``; 1 where nothing is cut.

    Raises
    ------
    OptionError
        If ``side`` pixels cannot be cut out of that.

    """
    if not side <= whole <= _MAX_SIDE:
        raise OptionError(
            f"{side} pixels are to be cut out of {whole}; as many or more are needed, at most {_MAX_SIDE}"
        )
    ratio = side / whole
    while math.floor(side / ratio) < whole:
        ratio = math.nextafter(ratio, 0)
    return ratio


def three(key: str, given: Any) -> tuple[float, float, float]:
    """
    Return three numbers, given as such or as one that stands for all.

    Raises
    ------
    OptionError
        If they are none.

    """
    listed = list(given) if isinstance(given, list | tuple) else [given]
    if len(listed) not in (1, 3):
        raise OptionError(f"{key} is {given!r}; one number or three are needed")
    first, second, third = (finite_number(key, value) for value in (listed * 3)[:3])
    return first, second, third


def interpolation(given: Any) -> Interpolation:
    """
    Return the name of a filter, given by name or by Pillow's number.

    Raises
    ------
    OptionError
        If there is no such filter.

    """
    is_name = isinstance(given, str)
    name = given.lower() if is_name else _FILTERS[whole_number("resample", given, 0, len(_FILTERS) - 1)]
    for known in get_args(Interpolation):
        if name == known:
            found: Interpolation = known
            return found
    raise OptionError(f"interpolation is {given!r}; one of {', '.join(_FILTERS)} is needed")
