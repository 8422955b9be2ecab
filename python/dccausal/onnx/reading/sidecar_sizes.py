"""How Hugging Face's image processors bring photographs to size: by their keys, and by what a class makes of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.framing import Geometry
from dccausal.onnx.reading.sidecar_processors import Processor

Pair = tuple[int, int]

_CROP_PCT = 224 / 256
# Classes that know the key do_grayscale.
_GREY = ("EfficientLoFTR", "LightGlue", "SuperGlue", "SuperPoint")
_SQUASHED_FROM = 384  # ConvNeXt's processor does not cut anything at this size and above


@dataclass(frozen=True)
class Steps:
    """
    What a processor does to the size of a photograph.

    Attributes
    ----------
    geometry
        As in ``Preprocess``.
    sides
        (height, width) of what comes out.
    whole
        (height, width) that the photograph is resized to, or covers, before the centre is cut out.

    """

    geometry: Geometry
    sides: Pair
    whole: Pair


def steps(values: Mapping[str, Any], name: str, known: Processor | None) -> Steps:
    """
    Return what a processor does to the size of a photograph.

    Parameters
    ----------
    values
        Its configuration, with its class's defaults.
    name, known
        Its class, and what is known of that.

    Raises
    ------
    OptionError
        If its images have another shape for each photograph, or a value is out of its range.

    """
    _check_rest(values, is_grey=known is None or name in _GREY)
    is_cut = bool(values.get("do_center_crop", "crop_size" in values)) and values.get("crop_size") is not None
    cut = pair(values["crop_size"]) if is_cut and (known is None or known.cuts) else None
    if name == "Perceiver":
        return _cut_first(values, cut)
    if not values.get("do_resize", True):
        if cut is None:
            raise OptionError("it resizes nothing, so its images are as large as the photographs")
        return Steps("native", cut, cut)
    if name.startswith(("ConvNext", "ResNet")) or (known is None and "crop_pct" in values and not is_cut):
        return _of_convnext(values, cut)
    is_short, whole = _resized(values, name, known)
    if not is_short and (cut is None or cut == whole):
        return Steps("squash", whole, whole)
    if not is_short and cut is not None:
        return Steps("squash-crop", cut, whole)
    if cut is None:
        raise OptionError(
            f"it resizes the short side to {min(whole)} and cuts nothing, so its images have another shape for each "
            "photograph"
        )
    return Steps("crop", cut, whole)


def _check_rest(values: Mapping[str, Any], *, is_grey: bool) -> None:
    """Refuse what changes the size or the pixels besides resizing and cutting."""
    if values.get("do_pad") and values.get("pad_size"):
        raise OptionError(f"it pads its images to {values['pad_size']!r}")
    if values.get("keep_aspect_ratio"):
        raise OptionError(
            "it keeps the proportions of photographs, so its images have another shape for each"
        )
    if is_grey and values.get("do_grayscale"):
        raise OptionError("it makes photographs grey")


def _cut_first(values: Mapping[str, Any], cut: Pair | None) -> Steps:
    sides = pair(values["size"])
    if cut is None:
        return Steps("squash", sides, sides)
    if len({*sides}) != 1 or len({*cut}) != 1 or cut < sides or not values.get("do_resize", True):
        raise OptionError(
            f"it cuts {sides} of {cut} out before it resizes; squares, the first smaller, are needed"
        )
    return Steps("crop-first", sides, cut)


def _of_convnext(values: Mapping[str, Any], cut: Pair | None) -> Steps:
    size = values.get("size")
    short = size.get("shortest_edge") if isinstance(size, Mapping) else size
    if short is None:  # as files of other programs have it
        sides = pair(size)
        return Steps("squash", sides, sides)
    short = whole_number("shortest_edge", short, 1)
    if cut not in (None, (short, short)):
        raise OptionError(f"it cuts {cut} out of what it has cut to {short} pixels already")
    if short >= _SQUASHED_FROM:
        return Steps("squash", (short, short), (short, short))
    whole = int(short / finite_number("crop_pct", values.get("crop_pct") or _CROP_PCT))
    return Steps("crop", (short, short), (whole, whole))


def _resized(values: Mapping[str, Any], name: str, known: Processor | None) -> tuple[bool, Pair]:
    """Return whether the short side is resized, and (height, width) that are covered, or reached."""
    size = values.get("size")
    if name == "PPLCNet" and values.get("resize_short") is not None:
        if values.get("size_divisor") not in (None, 1):
            raise OptionError(f"it brings sides to multiples of {values['size_divisor']!r}")
        size = {"shortest_edge": values["resize_short"]}
    elif (
        isinstance(size, int)
        and known is not None
        and values.get("default_to_square", not known.is_short) is False
    ):
        size = {"shortest_edge": size}
    short = size.get("shortest_edge") if isinstance(size, Mapping) else None
    if short is None:
        return _both(values, name, pair(size))
    if isinstance(size, Mapping) and size.get("longest_edge") is not None:
        raise OptionError("it limits the long side, so its images have another shape for each photograph")
    short = whole_number("shortest_edge", short, 1)
    if name == "Levit":
        short = int((256 / 224) * short)
    elif name == "PoolFormer":
        short = _by_share(short, values)
    return True, (short, short)


def _both(values: Mapping[str, Any], name: str, sides: Pair) -> tuple[bool, Pair]:
    multiple = values.get("ensure_multiple_of") if name == "DPT" else None
    if name in ("MaskFormer", "Mask2Former"):
        multiple = max(1, whole_number("size_divisor", values.get("size_divisor", 32), 0))
        sides = (-(-sides[0] // multiple) * multiple, -(-sides[1] // multiple) * multiple)
    elif multiple is not None:
        multiple = whole_number("ensure_multiple_of", multiple, 1)
        sides = (round(sides[0] / multiple) * multiple, round(sides[1] / multiple) * multiple)
    if name != "PoolFormer" or values.get("crop_pct") is None:
        return False, sides
    return sides[0] == sides[1], (_by_share(sides[0], values), _by_share(sides[1], values))


def _by_share(side: int, values: Mapping[str, Any]) -> int:
    share = values.get("crop_pct")
    return side if share is None else int(side / finite_number("crop_pct", share))


def pair(size: Any) -> Pair:
    """
    Return (height, width) of a size as a number, a list or an object.

    Raises
    ------
    OptionError
        If it is none, or depends on the photograph.

    """
    if isinstance(size, Mapping):
        both = (size.get("height"), size.get("width"))
        if None in both and len(size) == 1 and "shortest_edge" in size:  # as of what is cut out
            both = (size["shortest_edge"],) * 2
        elif None in both and not size.keys().isdisjoint(
            ("longest_edge", "max_height", "max_width", "max_pixels")
        ):
            raise OptionError("it limits sides, so its images have another shape for each photograph")
    else:
        both = tuple(size) if isinstance(size, list | tuple) and len(size) == 2 else (size, size)  # noqa: PLR2004
    height, width = (whole_number("size", side, 1) for side in both)
    return height, width
