"""
Preprocessing that a model does itself: the additions and multiplications by constants at the start of its graph.

Keras' EfficientNet, ConvNeXt and MobileNetV3 begin with layers that scale the pixels, and so do models that were
wrapped together with their preprocessing before the export. What range of pixels such a model takes can be told from
the scale: after it, images of a classifier span a few units. A layer that resizes may come first; it tells the size.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.onnx.graph.graph import TENSOR_DIMS, TENSOR_RAW, TENSOR_TYPE, Graph, Node, read_int64s
from dccausal.onnx.graph.protobuf import read_fields, read_ints

_TENSOR_FLOATS, _TENSOR_DOUBLES = 4, 10
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_HANDING_ON = (
    *(
        "Cast",
        "DequantizeLinear",
        "Identity",
        "QuantizeLinear",
        "Resize",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ),
    "Upsample",
)
_LOOKING_ON = ("Shape", "Size")  # they take a value and hand no pixel on
_RESIZING = ("Resize", "Upsample")
_SIZES_INPUT = 3
_STEPS = ("Add", "Div", "Mul", "Sub")
_MAX_BYTES = 64  # of a constant with a value for each channel
_SPAN = (0.5, 12.0)  # of what comes out, from black to white: 1 / std is 4.4 for ImageNet, 2 for -1..1
_PIXELS = 10.0  # a mean above this is one of pixels of 0..255, not of 0..1


def range_in_graph(graph: Graph, image: str) -> Literal["raw", "unit"] | None:
    """
    Return which pixels a model takes, if its graph begins with their normalisation.

    Parameters
    ----------
    graph
        The model's.
    image
        The name of its input.

    Returns
    -------
    str or None
        "raw" for 0 to 255, "unit" for 0 to 1, None where the graph does not tell.

    """
    gain, offset, n_steps = np.ones(1), np.zeros(1), 0
    for op, value in _steps(graph, image):
        if op in ("Add", "Sub"):
            offset = offset + (value if op == "Add" else -value)
        elif op == "Mul" or np.all(value != 0):
            factor = value if op == "Mul" else 1 / value
            gain, offset = gain * factor, offset * factor
        n_steps += 1
    if not n_steps or not np.all(np.isfinite(gain)) or not np.all(np.isfinite(offset)):
        return None
    low, high = _SPAN
    span = float(np.abs(gain).mean())
    if low <= 255 * span <= high:
        return "raw"
    if low <= span <= high and not (span == 1 and not offset.any()):
        return "raw" if np.abs(offset).max() > _PIXELS else "unit"
    return None


def size_in_graph(graph: Graph, image: str) -> tuple[int, int] | None:
    """Return the (height, width) that a model resizes its images to first, if it does, and to a constant."""
    for node in _first_nodes(graph, image):
        sides = _sides(graph, node) if node.op in _RESIZING else None
        if sides is not None:
            return sides
    return None


def _sides(graph: Graph, node: Node) -> tuple[int, int] | None:
    """Return the constant (height, width) that an operation resizes to; None where it is computed."""
    if len(node.inputs) <= _SIZES_INPUT:
        return None
    source = node.inputs[_SIZES_INPUT]
    maker = graph.producers.get(source)
    if (
        maker is not None and maker.op == "Concat"
    ):  # of the batch and the channels as they come, and the sides
        source = maker.inputs[-1]
    tensor = graph.constants.get(source)
    values = None if tensor is None else read_int64s(tensor)
    sides = [] if values is None else values[1]
    if len(sides) == 4:  # noqa: PLR2004  batch, height, width, channels or batch, channels, height, width
        sides = sides[1:3] if sides[3] in (1, 3) else sides[2:]
    if len(sides) != 2 or min(sides) < 1:  # noqa: PLR2004
        return None
    return sides[0], sides[1]


def _first_nodes(graph: Graph, name: str) -> list[Node]:
    """Return the operations that the input goes through first, alone, and that change no more than its range."""
    nodes: list[Node] = []
    for _ in graph.nodes:
        takers = [node for node in graph.consumers.get(name, ()) if node.op not in _LOOKING_ON]
        if len(takers) != 1 or not takers[0].outputs or takers[0].op not in (*_STEPS, *_HANDING_ON):
            break
        nodes.append(takers[0])
        if nodes[-1].op in _STEPS and _operand(graph, nodes[-1], name) is None:
            break
        name = takers[0].outputs[0]
    return nodes


def _steps(graph: Graph, name: str) -> list[tuple[str, NDArray[np.float64]]]:
    """Return the operations with a constant that the input goes through first, alone."""
    steps: list[tuple[str, NDArray[np.float64]]] = []
    for node in _first_nodes(graph, name):
        if node.op in _STEPS:
            value = _operand(graph, node, name)
            if value is None:
                break
            steps.append((node.op, value))
        name = node.outputs[0]
    return steps


def _operand(graph: Graph, node: Node, name: str) -> NDArray[np.float64] | None:
    """Return the constant that is the node's other input; None for one of another kind or order."""
    others = [source for source in node.inputs if source != name]
    if len(node.inputs) != 2 or len(others) != 1:  # noqa: PLR2004
        return None
    if node.op in ("Div", "Sub") and node.inputs[0] != name:
        return None
    tensor = graph.constants.get(others[0])
    return None if tensor is None else _values(tensor)


def _values(tensor: memoryview) -> NDArray[np.float64] | None:
    """Return the numbers of a TensorProto with one of them or one for each channel; None for any other."""
    dims: list[int] = []
    kind, data, packed = 0, None, None
    for number, value, _ in read_fields(tensor):
        if number == TENSOR_DIMS:
            dims += read_ints(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_RAW and isinstance(value, memoryview):
            data = value
        elif number in (_TENSOR_FLOATS, _TENSOR_DOUBLES) and isinstance(value, memoryview):
            packed = value
    n = math.prod(dims)
    content = data if data is not None else packed
    if n not in (1, 3) or kind not in _TYPES or content is None or len(content) > _MAX_BYTES:
        return None
    values = np.frombuffer(bytes(content), _TYPES[kind]).astype(np.float64)
    return values if len(values) == n else None
