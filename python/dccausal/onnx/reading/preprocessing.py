"""How photographs are to be prepared for a model: told by its metadata, by files beside it, or guessed."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dccausal._shared.checks import whole_numbers
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.normalisation import range_in_graph
from dccausal.onnx.reading.sidecar import Sidecar

_MAX_SIDE = 16384
_IN_GRAPH = {
    "raw": "the graph begins with the normalisation of pixels of 0..255, so it gets them as they are",
    "unit": "the graph begins with a normalisation of 0..1",
}


def guess_preprocess(
    metadata: Mapping[str, str], image: ImageInput, sidecar: Sidecar, graph: Graph | None = None
) -> tuple[Preprocess, str]:
    """
    Return the settings that suit a model, and the reason in words.

    The metadata key "preprocess" (JSON of ``Preprocess.to_dict``) is followed; a classifier that Ultralytics
    exported is known by its metadata. Next come the files beside the model (``_sidecar``). What is left is a
    guess, from the beginning of the graph or else the input, and the reason says so.
    """
    text = metadata.get("preprocess")
    trouble = ""
    if text:
        try:
            return Preprocess.from_dict(json.loads(text)), "the model's metadata"
        except (OptionError, ValueError, AttributeError, TypeError) as error:
            trouble = f"; its metadata 'preprocess' cannot be read: {error}"
    if metadata.get("task") == "classify" and "names" in metadata:
        return _ultralytics(metadata, image), "metadata of an Ultralytics classifier"
    told, where = sidecar.preprocess(image)
    if told is not None:
        if image.dtype != np.uint8:
            return told, f"{where}{trouble}"
        return replace(told, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3), (
            f"{where}{trouble}; the model takes uint8, so it gets the pixels as they are"
        )
    preprocess, reason = _by_graph(graph, image) or _by_input(image)
    return preprocess, f"guessed: {reason}{trouble}{where}"


def _ultralytics(metadata: Mapping[str, str], image: ImageInput) -> Preprocess:
    """Return 0..1 and the centre of the short side's square; other shapes are squashed, as it does itself."""
    size = None
    if None in (image.height, image.width):
        try:
            height, width = whole_numbers("imgsz", ast.literal_eval(metadata["imgsz"]), 2, 1, _MAX_SIDE)
        except (KeyError, OptionError, ValueError, SyntaxError, MemoryError, RecursionError):
            height = width = 224
        size = (image.height or height, image.width or width)
    height, width = size or (image.height or 0, image.width or 0)
    if height != width:
        return Preprocess(size=size, geometry="squash")
    return Preprocess(size=size, geometry="crop", crop_ratio=1.0)


def _by_graph(graph: Graph | None, image: ImageInput) -> tuple[Preprocess, str] | None:
    if graph is None or image.dtype == np.uint8:
        return None
    try:
        pixels = range_in_graph(graph, image.name)
    except ValueError:
        return None
    return None if pixels is None else (Preprocess.preset(pixels), _IN_GRAPH[pixels])


def _by_input(image: ImageInput) -> tuple[Preprocess, str]:
    if image.dtype == np.uint8:
        return Preprocess.preset("raw"), "the model takes uint8, so the pixels as they are"
    if image.layout == "NHWC":
        return Preprocess.preset("tf"), "channels come last, as in TensorFlow's models, so -1..1"
    if image.channels == 1:
        return Preprocess.preset("unit"), "one channel first, so 0..1"
    return Preprocess.preset(
        "imagenet"
    ), "channels come first, as in PyTorch's models, so ImageNet's mean and std"
