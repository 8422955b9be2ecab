"""
The configuration files of Hugging Face's image processors and models, as Optimum exports them.

What an image processor does is told partly by its keys, partly by its class (``sidecar_processors``): the same
``size`` is the short side for some classes and both sides for others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dccausal._shared.checks import finite_number
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides, interpolation, make_cut, three
from dccausal.onnx.reading.sidecar_processors import (
    FOREIGN_KEYS,
    PROCESSORS,
    Processor,
    class_of,
    not_followed,
    rounding_of,
)
from dccausal.onnx.reading.sidecar_sizes import steps

_PLACEHOLDER = re.compile(r"LABEL_\d+")
# Keys of which None means the default of the class, in transformers 4.
_NEVER_NONE = ("image_mean", "image_std", "resample", "size", "rescale_factor")


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
    kind, known, values = _known(values)
    trouble = not_followed(kind)
    if trouble is not None:
        raise OptionError(f"{kind} {trouble}; resizing both sides, or the short one and a centre, is needed")
    foreign = sorted(values.keys() & FOREIGN_KEYS) if known is None else []
    if foreign:
        raise OptionError(f"what {kind or 'the processor'} does with {', '.join(foreign)} is not known")
    found = steps(values, class_of(kind), known)
    return Preprocess(
        **make_cut(model, sides=found.sides, geometry=found.geometry, whole=found.whole),
        rounding=rounding_of(kind),
        **_pixels(values, kind, known),
    )


def processor_pixels(values: Mapping[str, Any]) -> Preprocess:
    """
    Return what a configuration tells of pixels alone: filter, order of channels, scale, mean and std.

    Raises
    ------
    OptionError
        If it does not tell them.

    """
    kind, known, values = _known(values)
    if values.get("do_normalize", True) and "image_mean" not in values:
        raise OptionError("image_mean is absent; three numbers are needed")
    return Preprocess(**_pixels(values, kind, known))


def _known(values: Mapping[str, Any]) -> tuple[str, Processor | None, Mapping[str, Any]]:
    """Return the name of the class, what is known of it, and the values with its defaults."""
    kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
    if "do_color_quantize" in values or "clusters" in values:
        raise OptionError(f"{kind or 'the processor'} makes no tensor of pixels; mean and std are needed")
    known = PROCESSORS.get(class_of(kind))
    if known is None:
        return kind, None, values
    return (
        kind,
        known,
        {**known.defaults(), **{k: v for k, v in values.items() if v is not None or k not in _NEVER_NONE}},
    )


def _pixels(values: Mapping[str, Any], kind: str, known: Processor | None) -> dict[str, Any]:
    """Return filter, order of channels, scale, mean and std. What is done one after the other becomes one step."""
    name = class_of(kind)
    scale = values.get("rescale_factor", 1 / 255)
    is_scaled = values.get("do_rescale", True) and scale is not None
    mean, std = (0.0,) * 3, (1.0,) * 3
    is_normalised = values.get("do_normalize", "image_mean" in values)
    if is_normalised:
        mean, std = (three(key, values.get(key)) for key in ("image_mean", "image_std"))
    if known is None or name == "EfficientNet":
        if values.get("rescale_offset"):  # pixels are shifted by -1 after they are scaled
            mean = three("image_mean", [value + 1 for value in mean])
        if values.get("include_top"):  # all is divided by std once more
            std = three(
                "image_std",
                [a * b for a, b in zip(std, three("image_std", values.get("image_std")), strict=True)],
            )
    is_bgr = bool(values.get("do_flip_channel_order")) and (known is None or known.flips)
    if name == "PPLCNet":  # normalised as RGB, then turned
        is_bgr, mean, std = True, mean[::-1], std[::-1]
    resample = values.get("resample", 2)
    return {
        "interpolation": interpolation("bilinear" if resample is None else resample),
        "channel_order": "BGR" if is_bgr else "RGB",
        "scale": finite_number("rescale_factor", scale) if is_scaled else 1.0,
        "mean": mean,
        "std": std,
    }


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
