"""How photographs are to be prepared for a model: told by its metadata, by files beside it, or guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dccausal.inputs.framing import Geometry
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.metadata import read_metadata
from dccausal.onnx.reading.normalisation import InGraph, read_in_graph
from dccausal.onnx.reading.sidecar import Sidecar

GUESSED = "guessed"

# From this side on a model of PyTorch's is taken to be torchvision's: smaller ones see whole pictures of their size.
_MIN_CUT_SIDE = 64
_TENSORFLOW = ("tf2onnx", "keras", "tensorflow", "tflite2onnx")
_PYTORCH = ("pytorch", "torch", "onnx.quantize")
# What Keras 3 calls the input of a model, whichever framework runs it. Over PyTorch, PyTorch's exporter writes it.
_KERAS_INPUTS = ("keras_tensor", "input_layer")
TWICE = (
    "but the graph begins with the normalisation of pixels of 0..255, so that they are normalised twice "
    "(preprocess='raw', or --preprocess raw, gives them as they are)"
)
_MOST_NORMALISED = 20.0  # what white may become, where pixels are normalised before the model
PIXELS_TOLD = "mean and std are those of"
IN_GRAPH = {
    "raw": "the graph begins with the normalisation of pixels of 0..255, so it gets them as they are",
    "unit": "the graph begins with a normalisation of 0..1",
    "tf": "the graph begins with what is made of pixels of -1..1",
    "imagenet": "the graph begins with what is made of pixels that ImageNet's mean and std have normalised",
}


def guess_preprocess(
    metadata: Mapping[str, str], image: ImageInput, sidecar: Sidecar, graph: Graph | None = None
) -> tuple[Preprocess, str]:
    """
    Return the settings that suit a model, and the reason in words.

    The model's metadata come first (``read_metadata``), next the files beside the model (``Sidecar``). What is left
    is a guess, from the beginning of the graph or else the input, and the reason says so. So it does where only the
    geometry is left.
    """
    inside = _inside(graph, image)
    found, trouble = read_metadata(metadata, image)
    if found is not None and found.is_whole:
        return _told(found.settings, found.where + trouble, image, inside)
    told, where = sidecar.preprocess(image)
    if told is not None:
        return _told(told, where + trouble, image, inside)
    partly = (found.settings, found.where) if found is not None else sidecar.pixels()
    if partly is not None and image.dtype.kind == "f":
        settings, source = partly
        settings = replace(settings, geometry="squash")
        return (
            settings,
            f"{GUESSED}: {PIXELS_TOLD} {source}, and the whole photograph is resized{trouble}{where}",
        )
    preprocess, reason = _by_graph(inside, image) or _by_input(graph, image)
    preprocess = replace(preprocess, **_framing(graph, image, inside))
    if inside.is_bgr:
        preprocess = replace(
            preprocess, channel_order="BGR", mean=preprocess.mean[::-1], std=preprocess.std[::-1]
        )
        reason = f"{reason}; the graph's means are those of blue, green and red, in this order"
    sides = inside.size
    if sides is not None and None in (image.height, image.width):
        preprocess = replace(preprocess, size=(image.height or sides[0], image.width or sides[1]))
        reason = f"{reason}; it resizes them to {sides[0]} x {sides[1]}"
    return preprocess, f"{GUESSED}: {reason}{trouble}{where}"


def _inside(graph: Graph | None, image: ImageInput) -> InGraph:
    try:
        return InGraph() if graph is None else read_in_graph(graph, image.name)
    except UNREADABLE:
        return InGraph()


def _framing(graph: Graph | None, image: ImageInput, inside: InGraph) -> dict[str, Any]:
    """Return how photographs are likely cut; a graph that resizes them itself cuts them itself too."""
    geometry = _geometry(graph, image)
    if geometry != "crop" or not inside.is_resized:
        return {"geometry": geometry}
    if inside.size is not None:  # both sides, whatever the photograph's proportions
        return {"geometry": "squash"}
    return {"geometry": geometry, "crop_ratio": 1.0}


def _told(settings: Preprocess, where: str, image: ImageInput, inside: InGraph) -> tuple[Preprocess, str]:
    """Return settings that something tells, as an input of this type takes them, and the reason."""
    if image.dtype.kind == "f":
        return settings, f"{where}; {TWICE}" if _is_normalised_twice(settings, inside) else where
    text = f"{where}; the model takes {image.dtype}, so it gets the pixels as they are"
    return _raw(settings, image), text


def _is_normalised_twice(settings: Preprocess, inside: InGraph) -> bool:
    levels = zip(settings.mean, settings.std, strict=True)
    white = max((255 * settings.scale - mean) / std for mean, std in levels)
    return white < _MOST_NORMALISED and inside.pixels == "raw"


def _raw(settings: Preprocess, image: ImageInput) -> Preprocess:
    """Return the settings for a model of whole numbers: the pixels as they are."""
    least = 128.0 if image.dtype == np.int8 else 0.0
    return replace(settings, scale=1.0, mean=(least,) * 3, std=(1.0,) * 3)


def _by_graph(inside: InGraph, image: ImageInput) -> tuple[Preprocess, str] | None:
    if inside.pixels is None or image.dtype.kind != "f":
        return None
    return Preprocess.preset(inside.pixels), IN_GRAPH[inside.pixels]


def _by_input(graph: Graph | None, image: ImageInput) -> tuple[Preprocess, str]:
    if image.dtype.kind != "f":
        return _raw(Preprocess(), image), f"the model takes {image.dtype}, so the pixels as they are"
    if is_tensorflow(graph) or _is_keras(image):
        return Preprocess.preset(
            "tf"
        ), "it was made by TensorFlow's or Keras' exporter; as in TensorFlow's models, -1..1"
    if image.layout == "NHWC":
        return Preprocess.preset("tf"), "channels come last, as in TensorFlow's models, so -1..1"
    if image.channels == 1:
        return Preprocess.preset("unit"), "one channel first, so 0..1"
    reason = "channels come first, as in PyTorch's models, so ImageNet's mean and std"
    if _geometry(graph, image) == "crop":
        reason += ", and the centre as torchvision cuts it"
    return Preprocess.preset("imagenet"), reason


def _geometry(graph: Graph | None, image: ImageInput) -> Geometry:
    """Return how photographs are likely brought to size: torchvision cuts the centre, others take the whole."""
    if not is_pytorch(graph) or image.channels != 3 or _is_keras(image):  # noqa: PLR2004
        return "squash"
    sides = (image.height, image.width)
    is_square = sides[0] == sides[1]
    return "crop" if is_square and (sides[0] is None or sides[0] >= _MIN_CUT_SIDE) else "squash"


def _is_keras(image: ImageInput) -> bool:
    return image.name.lower().startswith(_KERAS_INPUTS)


def is_tensorflow(graph: Graph | None) -> bool:
    """Return whether a model was made by an exporter of TensorFlow or Keras, whatever its layout."""
    return graph is not None and graph.producer.lower().startswith(_TENSORFLOW)


def is_pytorch(graph: Graph | None) -> bool:
    """Return whether a model was made by PyTorch's exporter."""
    return graph is not None and graph.producer.lower().startswith(_PYTORCH)
