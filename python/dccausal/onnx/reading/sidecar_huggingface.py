"""
The configuration files of Hugging Face's image processors and models, as Optimum exports them.

What an image processor does is told partly by its keys, partly by its class (``sidecar_processors``): the same
``size`` is the short side for some classes and both sides for others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides, crop_ratio, interpolation, make_geometry, three
from dccausal.onnx.reading.sidecar_processors import (
    PROCESSORS,
    Processor,
    class_of,
    not_followed,
    rounding_of,
)

_PLACEHOLDER = re.compile(r"LABEL_\d+")
_CROP_PCT = 224 / 256
_SQUASHED_FROM = 384  # ConvNeXt's processor does not cut anything at this size and above

# Classes that resize to more than they say, by their key crop_pct or this share.
_BY_CROP_PCT = {"ConvNext": _CROP_PCT, "ResNet": _CROP_PCT, "PoolFormer": 0.9, "Levit": _CROP_PCT}


def processor_settings(values: Mapping[str, Any], model: Sides) -> Preprocess:
    """
    Return the settings that an image processor's configuration tells.

    Parameters
    ----------
    values
        The document.
    model
        (height, width) that the model takes; None where it leaves them open.

    Raises
    ------
    OptionError
        If a value is out of its range, or the photographs are prepared in a way that ``Preprocess`` has not.

    """
    kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
    trouble = not_followed(kind)
    if trouble is not None:
        raise OptionError(f"{kind} {trouble}; resizing both sides, or the short one and a centre, is needed")
    if "do_color_quantize" in values or "clusters" in values:
        raise OptionError(f"{kind or 'the processor'} makes no tensor of pixels; mean and std are needed")
    known = PROCESSORS.get(class_of(kind))
    if known is not None:
        values = {**known.defaults(), **values}
    resample = values.get("resample", 2)
    return Preprocess(
        **make_geometry(model, **_geometry(values, kind, known)),
        rounding=rounding_of(kind),
        interpolation=interpolation("bilinear" if resample is None else resample),
        channel_order="BGR" if values.get("do_flip_channel_order") else "RGB",
        **_normalisation(values),
    )


def _geometry(values: Mapping[str, Any], kind: str, known: Processor | None) -> dict[str, Any]:
    """Return the sides, how they are reached, and what share is cut out."""
    if not values.get("do_resize", True):
        return {"sides": _pair(values.get("crop_size")), "geometry": "squash", "ratio": 1.0}
    size = values.get("size")
    short = size.get("shortest_edge") if isinstance(size, Mapping) else None
    if isinstance(size, int) and known is not None and known.is_short:
        short = size
    name = next((name for name in _BY_CROP_PCT if kind.startswith(name)), None)
    cuts = values.get("do_center_crop", "crop_size" in values) and values.get("crop_size") is not None
    if short is None:
        sides = _pair(size)
        if not cuts or sides is None:
            return {"sides": sides, "geometry": "squash", "ratio": 1.0}
        cut = _pair(values["crop_size"]) or sides
        return {"sides": cut, "geometry": "squash-crop", "ratio": crop_ratio(cut[0], sides[0])}
    short = whole_number("shortest_edge", short, 1)
    if name is not None or (not cuts and "crop_pct" in values):
        share = values.get("crop_pct") or _BY_CROP_PCT.get(name or "", _CROP_PCT)
        if short >= _SQUASHED_FROM and name != "PoolFormer":
            return {"sides": (short, short), "geometry": "squash", "ratio": 1.0}
        whole = int(short / finite_number("crop_pct", share))
        return {"sides": (short, short), "geometry": "crop", "ratio": crop_ratio(short, whole)}
    cut = (_pair(values["crop_size"]) if cuts else None) or (short, short)
    return {"sides": cut, "geometry": "crop", "ratio": crop_ratio(min(cut), short)}


def _pair(size: Any) -> tuple[int, int] | None:
    """Return (height, width) of a size as a number, a list or an object; None of none."""
    if size is None:
        return None
    if isinstance(size, Mapping):
        both = (size.get("height"), size.get("width"))
        if None in both:
            edge = size.get("shortest_edge", size.get("longest_edge"))
            both = (edge, edge)
    else:
        both = tuple(size) if isinstance(size, list) else (size, size)
    height, width = (whole_number("size", side, 1) for side in both)
    return height, width


def _normalisation(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return scale, mean and std. What a processor does one after the other is put into one step."""
    scale = finite_number("rescale_factor", values.get("rescale_factor", 1 / 255))
    scale = scale if values.get("do_rescale", True) else 1.0
    if not values.get("do_normalize", "image_mean" in values):
        mean, std = (0.0,) * 3, (1.0,) * 3
    else:
        mean, std = (three(key, values.get(key)) for key in ("image_mean", "image_std"))
    if values.get("rescale_offset"):  # pixels are shifted by -1 after they are scaled
        mean = three("image_mean", [value + 1 for value in mean])
    if values.get("include_top"):  # EfficientNet's processor divides by std a second time
        std = three("image_std", [value * value for value in std])
    return {"scale": scale, "mean": mean, "std": std}


def model_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """
    Return the class names of a model's configuration; None without any, or where they are placeholders.

    Raises
    ------
    OptionError
        If the names have gaps.

    """
    labels = config.get("id2label")
    if not isinstance(labels, Mapping) or not labels:
        return None
    names = read_labels(labels)
    return None if all(_PLACEHOLDER.fullmatch(name) for name in names) else names


def is_multi_label(config: Mapping[str, Any]) -> bool:
    """Return whether a model's configuration says that its labels are independent of each other."""
    return config.get("problem_type") == "multi_label_classification"
