"""
Preprocessing that a model does itself: what its graph does with the pixels before the network begins.

Keras' EfficientNet, ConvNeXt and MobileNetV3 begin with layers that scale the pixels, and so do models that were
wrapped together with their preprocessing before the export. What range of pixels such a model takes can be told from
the scale: after it, images of a classifier span a few units. Layers that resize, flip, pad, clip or reorder the
channels may come between; one that resizes tells the size. A batch normalisation at the start has learned the mean
and the deviation of the pixels themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.onnx.graph.graph import (
    ATTRIBUTE_FLOAT,
    TENSOR_DIMS,
    TENSOR_RAW,
    TENSOR_TYPE,
    Graph,
    Node,
    read_int64s,
)
from dccausal.onnx.graph.protobuf import read_fields, read_ints

Pixels = Literal["raw", "unit"]

_TENSOR_FLOATS, _TENSOR_DOUBLES = 4, 10
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
# These change the place, the order or the type of pixels, and not their values.
_HANDING_ON = {
    *("Cast", "DequantizeLinear", "Gather", "Identity", "Pad", "QuantizeLinear", "Resize", "ReverseSequence"),
    *("Slice", "Squeeze", "Transpose", "Unsqueeze", "Upsample"),
}
_LOOKING_ON = ("Shape", "Size")  # they take a value and hand no pixel on
_RESIZING = ("Resize", "Upsample")
_SIZES_INPUT = 3
_STEPS = ("Add", "Div", "Mul", "Sub")
_BATCH_NORMALISATION = 5  # inputs: of the image, scale, bias, mean, variance
_MAX_BYTES = 64 << 20  # of a constant: a mean image has a value for each pixel
_SPAN = (0.5, 12.0)  # of what comes out, from black to white: 1 / std is 4.4 for ImageNet, 2 for -1..1
_PIXELS = 10.0  # a mean above this is one of pixels of 0..255, not of 0..1
_LEARNED = (
    0.15,
    0.5,
)  # the deviation of pixels of 0..1, over photographs; -1..1 has twice that, ImageNet's 1
_LEARNED_MEAN = 0.1  # and at least this mean; the others' is near 0


@dataclass
class _Range:
    """What the graph has done with the pixels so far: gain * pixel + offset, each a value or one for each channel."""

    gain: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    n_steps: int = 0
    hint: Pixels | None = None  # from the bounds that pixels are clipped to

    def take(self, op: str, value: NDArray[np.float64], *, is_first: bool) -> None:
        """Follow one step with a constant; ``is_first`` where the constant comes first, as in 1 - x."""
        self.n_steps += 1
        if op == "Add":
            self.offset = self.offset + value
        elif op == "Sub":
            sign = -1.0 if is_first else 1.0
            self.gain, self.offset = sign * self.gain, sign * (self.offset - value)
        elif op == "Mul" or np.all(value != 0):
            factor = value if op == "Mul" else 1 / value
            self.gain, self.offset = self.gain * factor, self.offset * factor

    def clip(self, high: float | None) -> None:
        """Follow a clip to a greatest value."""
        if high is not None and not self.n_steps:
            self.hint = "raw" if high == 255 else "unit" if high == 1 else self.hint  # noqa: PLR2004

    def told(self) -> Pixels | None:
        """Return which pixels give a span that classifiers take."""
        if not self.n_steps or not np.all(np.isfinite(self.gain)) or not np.all(np.isfinite(self.offset)):
            return self.hint
        low, high = _SPAN
        span = float(np.abs(self.gain).mean())
        if low <= 255 * span <= high:
            return "raw"
        if low <= span <= high and not (span == 1 and not self.offset.any()):
            return "raw" if np.abs(self.offset).max() > _PIXELS else "unit"
        return self.hint


def range_in_graph(graph: Graph, image: str) -> Pixels | None:
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
    found, name = _Range(), image
    for node in _first_nodes(graph, image):
        if node.op in _STEPS:
            value = _operand(graph, node, name)
            if value is None:
                break
            found.take(node.op, value, is_first=node.inputs[0] != name)
        elif node.op in ("Clip", "Min"):
            found.clip(_greatest(graph, node))
        elif node.op == "BatchNormalization":
            return _learned(graph, node) if not found.n_steps else found.told()
        name = node.outputs[0]
    return found.told()


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
        node = takers[0] if len(takers) == 1 else None
        if node is None or not node.outputs or not node.inputs:
            break
        if node.op == "Split":
            node = _joined(graph, node)
        elif node.op not in (*_STEPS, "Max", "Min") and (
            node.inputs[0] != name or node.op not in (*_HANDING_ON, "Clip", "BatchNormalization")
        ):
            break
        if node is None:
            break
        nodes.append(node)
        name = node.outputs[0]
    return nodes


def _joined(graph: Graph, split: Node) -> Node | None:
    """Return the operation that joins the parts of an image again, each once, as for channels turned round."""
    takers = [node for part in split.outputs for node in graph.consumers.get(part, [])]
    joining = takers[0] if len(takers) == len(split.outputs) else None
    if joining is None or joining.op != "Concat" or set(joining.inputs) != set(split.outputs):
        return None
    return joining if joining.outputs else None


def _operand(graph: Graph, node: Node, name: str) -> NDArray[np.float64] | None:
    """Return the constant that is the node's other input; None for one of another kind or order."""
    others = [source for source in node.inputs if source != name]
    if len(node.inputs) != 2 or len(others) != 1:  # noqa: PLR2004
        return None
    if node.op == "Div" and node.inputs[0] != name:
        return None
    return _constant(graph, others[0])


def _greatest(graph: Graph, node: Node) -> float | None:
    """Return the greatest value that an operation lets through; None where it is computed."""
    bounds = node.inputs[2:] if node.op == "Clip" else node.inputs
    for bound in (_constant(graph, source) for source in bounds):
        if bound is not None:
            return float(bound.max())
    told = node.attribute("max")  # as before opset 11
    fields = () if told is None else read_fields(told)
    values = [v for n, v, _ in fields if n == ATTRIBUTE_FLOAT and isinstance(v, memoryview)]
    return float(np.frombuffer(values[0], "<f4")[0]) if values else None


def _learned(graph: Graph, node: Node) -> Pixels | None:
    """Return which pixels a batch normalisation has seen, from the mean and the variance that it has learned."""
    if len(node.inputs) < _BATCH_NORMALISATION:
        return None
    mean, variance = (_constant(graph, source) for source in node.inputs[3:5])
    if mean is None or variance is None or not np.all(np.isfinite(mean)) or not np.all(variance >= 0):
        return None
    kinds: tuple[tuple[Pixels, float], ...] = (("unit", 1.0), ("raw", 255.0))
    for pixels, white in kinds:
        deviation = float(np.sqrt(variance).mean()) / white
        if _LEARNED[0] <= deviation <= _LEARNED[1] and _LEARNED_MEAN <= float(mean.mean()) / white <= 1:
            return pixels
    return None


def _constant(graph: Graph, name: str) -> NDArray[np.float64] | None:
    """Return a constant of the graph: one number, or one for each channel; the mean of a larger one."""
    tensor = graph.constants.get(name)
    values = None if tensor is None else _values(tensor)
    return values if values is None or len(values) in (1, 3) else values.mean(keepdims=True)


def _values(tensor: memoryview) -> NDArray[np.float64] | None:
    """Return the numbers of a TensorProto, flat; None for one of another type, kept elsewhere, or empty."""
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
    if n < 1 or kind not in _TYPES or content is None or len(content) > _MAX_BYTES:
        return None
    if len(content) != n * _TYPES[kind].itemsize:
        return None
    return np.frombuffer(bytes(content), _TYPES[kind]).astype(np.float64)
