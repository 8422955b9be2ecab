"""How photographs are to be prepared for detectors, segmenters and embeddings."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dccausal._shared.checks import whole_number, whole_numbers
from dccausal.inputs.preprocess import Preprocess
from dccausal.inputs.sizing import Sizing
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.image_input import DEFAULT_SIDE, ImageInput
from dccausal.onnx.reading.preprocessing import GUESSED, guess_preprocess
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.sidecar_processors import PROCESSORS, class_of
from dccausal.onnx.reading.sidecar_sizes import pair

_MIDDLE = (128, 128, 128)
LETTERBOX = Preprocess(geometry="pad", pad_colour=(114, 114, 114), interpolation="opencv")
_YOLO_SIDE, _STRIDE = 640, 32
_MAX_SIDE = 16384
# What torchvision's detectors shrink photographs to themselves.
_LONGEST = 1333
_TASKS = ("detect", "segment", "pose", "obb", "semantic")
# Processors whose sides are rounded down to multiples, and those that round up to what their files say.
_MULTIPLES = {"Yolos": 16}
_ROUNDED_UP = ("MaskFormer", "Mask2Former")
_LONGEST_EDGE = 1333  # of processors that came with one number, where the file says no other


def guess_task_preprocess(
    metadata: Mapping[str, str],
    image: ImageInput,
    sidecar: Sidecar,
    graph: Graph | None,
    family: str,
) -> tuple[Preprocess, Sizing, str]:
    """
    Return the settings, how large the image is, and the reason in words.

    Parameters
    ----------
    metadata, image, sidecar, graph
        What is known of the model.
    family
        What its decoder reads.

    """
    if "preprocess" not in metadata and (
        metadata.get("task") in _TASKS or family.startswith(("YOLO", "Ultralytics"))
    ):
        return _letterbox(metadata, image, family)
    processor = next(iter(sidecar.documents.get(name, {}) for name in _processors(sidecar)), {})
    edges = _edges(processor)
    settings, reason = guess_preprocess(metadata, image, sidecar, graph)
    pixels = sidecar.pixels()
    square = _square(processor)
    if square is not None and pixels is not None and "preprocess" not in metadata:
        padded = replace(pixels[0], geometry="pad-corner", pad_colour=_MIDDLE)
        reason = f"{pixels[1]}; the filter is a little other than its own"
        return padded, Sizing("fixed", (image.height or square[0], image.width or square[1])), reason
    if edges is not None and image.is_open and pixels is not None and "preprocess" not in metadata:
        return pixels[0], edges, pixels[1]
    if image.dropped == 0 and image.is_open and reason.startswith(GUESSED):
        settings = replace(settings, geometry="squash", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3)
        reason = f"{GUESSED}: one image without a batch, as torchvision's detectors take it: 0..1, resized by the model"
        return settings, Sizing("photograph", longest=_LONGEST), reason
    if reason.startswith(GUESSED):
        settings = replace(settings, geometry="squash")  # a box at the border must not be cut off
        reason = reason.replace("and the centre as torchvision cuts it", "and the whole photograph")
    if image.is_open and settings.size is None and image.dtype.kind != "f":
        return settings, Sizing("photograph", longest=_LONGEST), f"{reason}; the model resizes it itself"
    side = settings.size or (image.height or DEFAULT_SIDE, image.width or DEFAULT_SIDE)
    return settings, Sizing("fixed", (image.height or side[0], image.width or side[1])), reason


def _letterbox(metadata: Mapping[str, str], image: ImageInput, family: str) -> tuple[Preprocess, Sizing, str]:
    """Return the letterbox of Ultralytics and YOLOv5: fitted, centred, grey around, not antialiased."""
    is_ultralytics = metadata.get("task") in _TASKS
    height = width = _YOLO_SIDE
    with contextlib.suppress(*UNREADABLE):
        height, width = whole_numbers("imgsz", ast.literal_eval(metadata["imgsz"]), 2, 1, _MAX_SIDE)
    size = (image.height or height, image.width or width)
    who = "metadata of an Ultralytics export" if is_ultralytics else f"{family}: as YOLOv5 does it"
    reason = f"{who}: letterbox in grey, OpenCV's bilinear, 0..1"
    settings = LETTERBOX if image.dtype.kind == "f" else replace(LETTERBOX, scale=1.0)
    if family == "Ultralytics RT-DETR":
        reason = f"{who}: the whole photograph, OpenCV's bilinear, 0..1, as its RT-DETR takes it"
        return replace(settings, geometry="squash"), Sizing("fixed", size), reason
    if family.startswith("YOLOX"):
        reason = f"{family}: as YOLOX does it: fitted into the corner, grey beside it, OpenCV's bilinear, BGR, 0..255"
        return (
            replace(settings, geometry="pad-corner", scale=1.0, channel_order="BGR"),
            Sizing("fixed", size),
            reason,
        )
    if image.is_open and is_ultralytics:
        try:
            stride = whole_number("stride", ast.literal_eval(metadata.get("stride", "32")), 1, 1024)
        except UNREADABLE:
            stride = _STRIDE
        return settings, Sizing("letterbox", size, stride), reason
    return settings, Sizing("fixed", size), reason


def _processors(sidecar: Sidecar) -> list[str]:
    return [
        name for name in ("preprocessor_config.json", "processor_config.json") if name in sidecar.documents
    ]


def _square(processor: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size that OWLv2's processor resizes to, having padded photographs to squares at right and below."""
    part = processor.get("image_processor")
    values = part if isinstance(part, Mapping) else processor
    if class_of(str(values.get("image_processor_type", ""))) != "Owlv2":
        return None
    try:
        return pair(values.get("size"))
    except UNREADABLE:
        return None


def _edges(processor: Mapping[str, Any]) -> Sizing | None:
    """Return the rule of processors that bring the shorter side to a length and cut nothing (DETR, YOLOS)."""
    part = processor.get("image_processor")
    values = part if isinstance(part, Mapping) else processor
    kind = class_of(str(values.get("image_processor_type") or values.get("feature_extractor_type") or ""))
    size = values.get("size")
    if isinstance(size, int) and kind in PROCESSORS and PROCESSORS[kind].is_short:
        size = {"shortest_edge": size, "longest_edge": values.get("max_size", _LONGEST_EDGE)}
    if not isinstance(size, Mapping) or "shortest_edge" not in size or values.get("do_center_crop"):
        return None
    if not values.get("do_resize", True) or "crop_pct" in values or "crop_size" in values:
        return None
    try:
        shortest = whole_number("shortest_edge", size["shortest_edge"], 1, _MAX_SIDE)
        longest = size.get("longest_edge")
        longest = None if longest is None else whole_number("longest_edge", longest, 1, _MAX_SIDE)
        multiple, is_up = _MULTIPLES.get(kind, 1), kind in _ROUNDED_UP
        if is_up:
            given = values.get("size_divisor", values.get("size_divisibility", 32))
            multiple = max(1, whole_number("size_divisor", given, 0, _MAX_SIDE))
    except UNREADABLE:
        return None
    return Sizing("edges", multiple=multiple, shortest=shortest, longest=longest, is_rounded_up=is_up)
