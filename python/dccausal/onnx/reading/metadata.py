"""
How photographs are to be prepared, as a model's own metadata say it.

The key ``preprocess`` is this package's own. Known besides: Ultralytics' and YOLOv5's keys, the keys of Intel's Geti
and Training Extensions (Model API), ONNX's own for images (``Image.BitmapPixelFormat``; Azure's Custom Vision), and the
configurations of timm, Hugging Face and torchvision, put there by users.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dccausal._shared.checks import finite_number, whole_number, whole_numbers
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import PRESETS, Preprocess
from dccausal.onnx.failures import UNREADABLE, brief
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.label_values import literal
from dccausal.onnx.reading.sidecar_geometry import Sides, make_geometry, three
from dccausal.onnx.reading.sidecar_huggingface import processor_pixels, processor_settings
from dccausal.onnx.reading.sidecar_timm import timm_config, timm_pixels, timm_settings
from dccausal.onnx.reading.torch_transforms import transforms_settings

_SIDE, _MAX_SIDE = 224, 16384
_IMAGENET = PRESETS["imagenet"]
_FORMAT, _RANGE = "Image.BitmapPixelFormat", "Image.NominalPixelRange"
# Of each range that ONNX names: scale, and mean and std (as one number each).
_RANGES = {
    "nominalrange_0_255": (1.0, 0.0),
    "normalized_0_1": (1 / 255, 0.0),
    "normalized_1_1": (1 / 127.5, 1.0),
}
_UNTOLD_RANGE = "NominalRange_0_255"  # as Windows ML takes it
_GETI = "model_info "
_PROCESSOR_KEYS = (
    *("preprocessor_config.json", "preprocessor_config", "image_processor", "processor_config"),
    *("preprocess_config", "image_processor_config"),
)
_TIMM_KEYS = ("pretrained_cfg", "config.json", "config", "data_config", "data_cfg")
_TORCH_KEYS = ("transforms", "transform", "preprocessing", "preprocess", "image_transforms", "val_transforms")
# From this version on Ultralytics resizes before it cuts.
_ULTRALYTICS_RESIZES = (8, 1)

Read = Callable[[Mapping[str, str], ImageInput], "InMetadata | None"]


@dataclass(frozen=True)
class InMetadata:
    """
    What metadata tell.

    Attributes
    ----------
    settings
        How photographs are prepared.
    where
        Which keys do, in words.
    is_whole
        Whether they tell the geometry too, not only what becomes of a pixel.

    """

    settings: Preprocess
    where: str
    is_whole: bool = True


def read_metadata(metadata: Mapping[str, str], image: ImageInput) -> tuple[InMetadata | None, str]:
    """Return what metadata tell of an input, None where they tell nothing; and what could not be read, in words."""
    trouble = ""
    for read, key in _READERS:
        try:
            found = read(metadata, image)
        except UNREADABLE as error:
            trouble += f"; its metadata {key!r} cannot be read: {brief(error)}"
            continue
        if found is not None:
            return found, trouble
    return None, trouble


def _own(metadata: Mapping[str, str], _: ImageInput) -> InMetadata | None:
    text = metadata.get("preprocess", "")
    if not text or _looks_torch(text):
        return None
    settings = Preprocess.preset(text) if text in PRESETS else Preprocess.from_dict(json.loads(text))
    return InMetadata(settings, "the model's metadata")


# Ultralytics


def _ultralytics(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    """Return 0..1 and the centre of the short side's square; other shapes are squashed, as it does itself."""
    if metadata.get("task") != "classify" or "names" not in metadata:
        return None
    size = _open_size(metadata, image)
    height, width = size or (image.height or 0, image.width or 0)
    where = "metadata of an Ultralytics classifier"
    if _version(metadata) < _ULTRALYTICS_RESIZES:
        return InMetadata(_of_opencv(size), f"{where} of a version before 8.1")
    if height != width:
        return InMetadata(Preprocess(size=size, geometry="squash"), where)
    return InMetadata(Preprocess(size=size, geometry="crop", crop_ratio=1.0), where)


def _yolov5(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    """Return what YOLOv5's classifiers get; its exports have names and a stride, and nothing else."""
    if "task" in metadata or not {"names", "stride"} <= metadata.keys() or len(metadata) > 2:  # noqa: PLR2004
        return None
    settings = replace(_of_opencv(_open_size(metadata, image)), mean=_IMAGENET.mean, std=_IMAGENET.std)
    return InMetadata(settings, "metadata of a YOLOv5 classifier")


def _of_opencv(size: tuple[int, int] | None) -> Preprocess:
    """Return the square in the centre, cut out and then resized by OpenCV."""
    return Preprocess(size=size, geometry="crop-first", crop_ratio=1.0, interpolation="opencv")


def _version(metadata: Mapping[str, str]) -> tuple[int, int]:
    match = re.match(r"(\d{1,4})\.(\d{1,4})", metadata.get("version", ""))
    return (int(match[1]), int(match[2])) if match else _ULTRALYTICS_RESIZES


def _open_size(metadata: Mapping[str, str], image: ImageInput) -> tuple[int, int] | None:
    """Return the size that Ultralytics' metadata name for a model that leaves it open; None for any other."""
    if None not in (image.height, image.width):
        return None
    try:
        height, width = whole_numbers("imgsz", ast.literal_eval(metadata["imgsz"]), 2, 1, _MAX_SIDE)
    except UNREADABLE:
        height = width = _SIDE
    return image.height or height, image.width or width


# Geti, OpenVINO Training Extensions


def _geti(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    """Return what Model API does before a model that Intel's Geti or Training Extensions exported."""
    values = {key.removeprefix(_GETI): value for key, value in metadata.items() if key.startswith(_GETI)}
    if not {"mean_values", "scale_values"} & values.keys():
        return None
    mode = values.get("intensity_mode", "none")
    if mode not in ("none", "scale_to_unit"):
        raise OptionError(f"intensity_mode is {mode!r}; none or scale_to_unit is needed")
    scale = 1 / finite_number("intensity_max_value", float(values.get("intensity_max_value") or 255))
    mean, std = (
        three(key, [float(part) for part in values.get(key, "").replace(",", " ").split()] or default)
        for key, default in (("mean_values", 0.0), ("scale_values", 1.0))
    )
    way = values.get("resize_type", "standard")
    pixels = Preprocess(
        interpolation="opencv",
        channel_order="RGB" if values.get("reverse_input_channels", "True").lower() == "true" else "BGR",
        scale=scale if mode == "scale_to_unit" else 1.0,
        mean=mean,
        std=std,
    )
    ways = {"standard": "squash", "fit_to_window_letterbox": "pad", "crop": "crop-first"}
    where = "metadata of Geti or OpenVINO Training Extensions"
    if way not in ways:
        return InMetadata(pixels, where, is_whole=False)
    grey = whole_number("pad_value", int(values.get("pad_value", 0)), 0, 255)
    made = make_geometry((image.height, image.width), sides=None, geometry=ways[way], ratio=1.0)  # type: ignore[arg-type]
    return InMetadata(replace(pixels, **made, pad_colour=(grey,) * 3), where)


# ONNX's own keys


def _onnx(metadata: Mapping[str, str], _: ImageInput) -> InMetadata | None:
    """Return what ONNX's own keys tell: the order of channels and the range, not the geometry."""
    span = (metadata.get(_RANGE) or (_UNTOLD_RANGE if _FORMAT in metadata else "")).lower()
    if not span:
        return None
    if span not in _RANGES:
        raise OptionError(f"it is {span!r}; one of {', '.join(_RANGES)} is needed")
    scale, mean = _RANGES[span]
    order = "BGR" if metadata.get(_FORMAT, "").lower().startswith("bgr") else "RGB"
    # Custom Vision's own script resizes so.
    settings = Preprocess(interpolation="bicubic", scale=scale, mean=(mean,) * 3, channel_order=order)  # type: ignore[arg-type]
    return InMetadata(settings, f"the model's metadata ({_FORMAT}, {_RANGE})", is_whole=False)


# Configurations that users put there


def _processor(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    values = _document(metadata, _PROCESSOR_KEYS)
    if values is None:
        return None
    return _in_part(values, image, processor_settings, processor_pixels)


def _timm(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    values = _document(metadata, _TIMM_KEYS)
    if values is None:
        values = _flat(metadata)
        if values is None:
            return None
        if not {"input_size", "crop_pct", "interpolation"} & values.keys():
            return InMetadata(timm_pixels(values), "the model's metadata", is_whole=False)
    values = timm_config(values) or values
    return _in_part(values, image, timm_settings, timm_pixels) if "mean" in values else None


def _flat(metadata: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return mean, std and what else timm calls so, as keys of their own; None without a mean and a std."""
    if {"image_mean", "image_std"} <= metadata.keys():
        metadata = {**metadata, "mean": metadata["image_mean"], "std": metadata["image_std"]}
    if not {"mean", "std"} <= metadata.keys():
        return None
    keys = (
        "mean",
        "std",
        "input_size",
        "crop_pct",
        "crop_mode",
        "interpolation",
        "test_input_size",
        "test_crop_pct",
    )
    values: dict[str, Any] = {}
    for key in keys:
        if key in metadata:
            text = metadata[key]
            values[key] = text if re.fullmatch(r"[a-z]+", text) else literal(text)
    return values


def _in_part(
    values: Mapping[str, Any],
    image: ImageInput,
    settings: Callable[[Mapping[str, Any], Sides], Preprocess],
    pixels: Callable[[Mapping[str, Any]], Preprocess],
) -> InMetadata:
    try:
        return InMetadata(settings(values, (image.height, image.width)), "the model's metadata")
    except OptionError:
        return InMetadata(pixels(values), "the model's metadata", is_whole=False)


def _document(metadata: Mapping[str, str], keys: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the object that the first of some keys holds."""
    for key in keys:
        text = metadata.get(key, "").strip()
        if text.startswith("{"):
            found = literal(text)
            if isinstance(found, Mapping):
                return found
    return None


def _torchvision(metadata: Mapping[str, str], image: ImageInput) -> InMetadata | None:
    text = next((metadata[key] for key in _TORCH_KEYS if _looks_torch(metadata.get(key, ""))), None)
    if text is None:
        return None
    return InMetadata(transforms_settings(text, (image.height, image.width)), "the model's metadata")


def _looks_torch(text: str) -> bool:
    return re.match(r"\s*(Compose|ImageClassification)\s*\(", text) is not None


_READERS: tuple[tuple[Read, str], ...] = (
    (_own, "preprocess"),
    (_ultralytics, "task"),
    (_geti, "model_info"),
    (_processor, "preprocessor_config"),
    (_timm, "pretrained_cfg"),
    (_torchvision, "transforms"),
    (_onnx, _RANGE),
    (_yolov5, "stride"),
)
