"""Resizing: the transpose of the interpolation, axis by axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.shape import contract
from dccausal.gradients.tape import Tape


@rule("Resize")
def _resize(tape: Tape, node: Node, g: str) -> str:
    """
    Multiply by the interpolation's matrices.

    What an axis' matrix is, the operation says itself: it is asked to resize the identity.
    """
    if node.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise ModelError(f"{node} crops as it resizes, for which there is no rule; crop with Slice")
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ModelError(f"{node} keeps the aspect ratio, for which there is no rule; give the sizes")
    x, y = node.inputs[0], node.outputs[0]
    rank = tape.rank(x)
    if tape.shape(x)[1:] == tape.shape(y)[1:] and None not in tape.shape(x)[1:]:
        return g
    axes = [axis % rank for axis in node.get("axes") or range(rank)]
    for index, axis in enumerate(axes):
        if not _is_kept(tape, node, index, axis):
            g = contract(tape, g, _matrix(tape, node, index, axis), axis, rank)
    return g


def _is_kept(tape: Tape, node: Node, index: int, axis: int) -> bool:
    """Whether an axis stays as it is, as the batch does. By a scale near 1 it may keep its size, and not its values."""
    small, large = tape.shape(node.inputs[0])[axis], tape.shape(node.outputs[0])[axis]
    if has_scales(tape, node):
        scales = tape.value(node.inputs[2])
        return scales is not None and bool(scales.ravel()[index] == 1)
    return small == large and (small is not None or axis == 0)


def has_scales(tape: Tape, node: Node) -> bool:
    """Whether the new size is given by scales."""
    return bool(node.input(2)) and tape.shape(node.input(2)) != (0,)


def _matrix(tape: Tape, node: Node, index: int, axis: int) -> str:
    """
    Return the matrix (new size, old size) of one axis.

    Each row of the identity is an image one pixel high, which becomes two: ONNX Runtime copies an image whose size does
    not change, whatever the scales say.
    """
    x, y = node.inputs[0], node.outputs[0]
    size = tape.dimension(x, axis)
    zero = _filled(tape, x, 0.0)
    eye = tape.op("EyeLike", tape.op("ConstantOfShape", tape.op("Concat", size, size, axis=0), value=zero))
    rows = tape.op("Unsqueeze", eye, tape.constant([1, 2]))
    attributes = {key: value for key, value in node.attributes.items() if key != "axes"}
    if has_scales(tape, node):
        ratio = tape.op("Gather", node.inputs[2], tape.constant([index]))
        ratios = tape.op("Concat", tape.constant([1, 1, 2], np.float32), ratio, axis=0)
        found = tape.op("Resize", rows, "", ratios, **attributes)
    else:
        sizes = tape.op("Concat", size, tape.constant([1, 2]), tape.dimension(y, axis), axis=0)
        found = tape.op("Resize", rows, "", "", sizes, **attributes)
    first = tape.op("Gather", tape.op("Squeeze", found, tape.constant([1])), tape.constant(0), axis=1)
    return tape.op("Transpose", first, perm=[1, 0])


def _filled(tape: Tape, name: str, value: float) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([value], tape.float_dtype(name)))
