"""timm's config.json, as on Hugging Face's hub and as ``timm.models.push_to_hf_hub`` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dccausal._shared.checks import finite_number, whole_numbers
from dccausal.errors import OptionError
from dccausal.inputs.framing import Geometry
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides, interpolation, make_geometry, three

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CROP_PCT = 0.875
_GEOMETRY: dict[str, Geometry] = {"center": "crop", "squash": "squash-crop", "border": "pad-crop"}
# The same where nothing is cut.
_UNCUT: dict[str, Geometry] = {"squash": "squash", "border": "pad"}
_MIN_SHARE = 0.01
_MOST_OF_UNIT = 2.0  # a mean or a std above this is one of pixels of 0..255
_MAX_SIDE = 16384


def timm_config(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of config.json that tells the preprocessing; None where the file is not timm's."""
    part = config.get("pretrained_cfg")
    if isinstance(part, Mapping):
        return part
    is_flat = {"architecture", "mean", "std"} <= config.keys()  # as old versions wrote it
    return config if is_flat else None


def timm_settings(values: Mapping[str, Any], model: Sides) -> Preprocess:
    """
    Return the settings of a ``pretrained_cfg``, those for testing where the model takes the size for testing.

    Parameters
    ----------
    values
        The document.
    model
        (height, width) that the model takes; None where it leaves them open.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """
    trained, tested = (_sides(values.get(key)) for key in ("input_size", "test_input_size"))
    is_test = tested is not None and tested == model
    share = values.get("test_crop_pct") if is_test else None
    share = finite_number("crop_pct", share or values.get("crop_pct") or _CROP_PCT)
    mode = values.get("crop_mode") or "center"
    if mode not in _GEOMETRY:
        raise OptionError(f"crop_mode is {mode!r}; one of {', '.join(_GEOMETRY)} is needed")
    if not _MIN_SHARE <= share <= 1:
        raise OptionError(f"crop_pct is {share}; a share from {_MIN_SHARE} to 1 is needed")
    geometry: Geometry = _UNCUT.get(mode, _GEOMETRY[mode]) if share == 1 else _GEOMETRY[mode]
    settings = timm_pixels(values)
    red, green, blue = (min(255, max(0, round(value / settings.scale))) for value in settings.mean)
    return replace(
        settings,
        **make_geometry(model, sides=trained, geometry=geometry, ratio=share),
        rounding="timm",
        pad_colour=(red, green, blue),
        interpolation=interpolation(values.get("interpolation") or "bicubic"),
    )


def timm_pixels(values: Mapping[str, Any]) -> Preprocess:
    """
    Return what a ``pretrained_cfg`` tells of pixels alone: mean and std, those of pixels of 0..255 by their size.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """
    mean, std = three("mean", values.get("mean") or _MEAN), three("std", values.get("std") or _STD)
    scale = 1.0 if max(*mean, *std) > _MOST_OF_UNIT else 1 / 255
    return Preprocess(interpolation="bicubic", scale=scale, mean=mean, std=std)


def _sides(given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    _, height, width = whole_numbers("input_size", given, 3, 1, _MAX_SIDE)
    return height, width


def timm_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """
    Return the class names: descriptions where there are any, else ``label_names``; None without.

    Raises
    ------
    OptionError
        If an entry is no name.

    """
    part = timm_config(config)
    if part is None:
        return None
    names = next((at[key] for at in (config, part) for key in ("label_names", "labels") if at.get(key)), None)
    if not isinstance(names, list | Mapping):
        return None
    read = read_labels(names)
    told = config.get("label_descriptions") or part.get("label_descriptions")
    if isinstance(told, Mapping):
        return tuple(str(told.get(name) or name) for name in read)
    return read
