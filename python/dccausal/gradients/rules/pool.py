"""Pools: the winner gets the gradient of a maximum, all get an even share of that of a mean."""

from __future__ import annotations

import math

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.conv import transposed
from dccausal.gradients.rules.elementwise import Sums
from dccausal.gradients.rules.windows import window_of
from dccausal.gradients.sample import run_node
from dccausal.gradients.tape import Tape


@rule("MaxPool")
def _max_pool(tape: Tape, node: Node, g: str, *_: object) -> str:
    """Ask the pool where its maxima were (the first among equals), counted through the whole batch."""
    x = node.inputs[0]
    flat = tape.constant([-1])
    at = tape.op("Reshape", tape.forward_output(node, 1), flat)
    shape = tape.shape(x)
    if None in shape:
        size = tape.op("ReduceProd", tape.shape_of(x), keepdims=1)
    else:
        size = tape.constant([math.prod(n or 0 for n in shape)])
    zeros = tape.op("ConstantOfShape", size, value=_zero(tape, x))
    found = tape.op("ScatterElements", zeros, at, tape.op("Reshape", g, flat), axis=0, reduction="add")
    return tape.reshape_like(found, x)


def _zero(tape: Tape, name: str) -> object:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.zeros(1, tape.float_dtype(name)))


@rule("AveragePool")
def _average_pool(tape: Tape, node: Node, g: str) -> str:
    """Each channel is an image of its own, and its gradient a transposed convolution with ones."""
    x = node.inputs[0]
    window = window_of(tape, node, tuple(node.get("kernel_shape")))
    share = tape.op("Mul", g, _shares(tape, node, window.pads))
    spatial = list(range(2, tape.rank(x)))
    flat = tape.op("Reshape", share, _one_channel(tape, node.outputs[0], spatial))
    ones = tape.constant(np.ones((1, 1, *window.kernel)), tape.float_dtype(x))
    return tape.reshape_like(transposed(tape, flat, window, ones, x, 1), x)


def _one_channel(tape: Tape, name: str, spatial: list[int]) -> str:
    sizes = [tape.shape(name)[axis] for axis in spatial]
    if None not in sizes:
        return tape.constant([-1, 1, *sizes])
    kept = tape.op("Gather", tape.shape_of(name), tape.constant(spatial), axis=0)
    return tape.op("Concat", tape.constant([-1, 1]), kept, axis=0)


def _shares(tape: Tape, node: Node, pads: list[int]) -> str:
    """
    Return what each input gives to a mean, (1, 1, ...) or a number.

    Where windows reach over the border they differ. What the pool makes of ones, divided by how many of them a window
    holds, is its share, whatever the runtime counts.
    """
    x, kernel = node.inputs[0], node.get("kernel_shape")
    if not any(pads) and not node.get("ceil_mode", 0):
        return tape.number(1 / math.prod(kernel), x)
    spatial = list(range(2, tape.rank(x)))
    sizes = [tape.shape(x)[axis] for axis in spatial]
    if None not in sizes:
        ones = np.ones((1, 1, *(n or 0 for n in sizes)), np.float32)
        means = run_node("AveragePool", [ones], node.attributes, tape.opset)
        counts = run_node(
            "Conv", [ones, np.ones((1, 1, *kernel), np.float32)], _as_conv(node, pads), tape.opset
        )
        return tape.constant(means / np.maximum(counts, 1), tape.float_dtype(x))
    kept = tape.op("Gather", tape.shape_of(x), tape.constant(spatial), axis=0)
    shape = tape.op("Concat", tape.constant([1, 1]), kept, axis=0)
    zeros = tape.op("ConstantOfShape", shape, value=_zero(tape, x))
    filled = tape.op("Add", zeros, tape.number(1.0, x))
    weights = tape.constant(np.ones((1, 1, *kernel)), tape.float_dtype(x))
    held = tape.op("Conv", filled, weights, **_as_conv(node, pads))
    return tape.op("Div", tape.op("AveragePool", filled, **node.attributes), held)


def _as_conv(node: Node, pads: list[int]) -> dict[str, object]:
    how = {"strides": node.get("strides"), "dilations": node.get("dilations"), "pads": pads}
    return {key: value for key, value in how.items() if value is not None}


@rule("GlobalAveragePool")
def _global_average_pool(tape: Tape, node: Node, g: str) -> str:
    x = node.inputs[0]
    shared = tape.op("Mul", g, one_over(tape, x, range(2, tape.rank(x))))
    return tape.expand_like(shared, x, has_rows=True)


def one_over(tape: Tape, name: str, axes: range | list[int]) -> str:
    """Return one divided by the number of elements along axes."""
    sizes = [tape.shape(name)[axis] for axis in axes]
    if None not in sizes:
        return tape.number(1 / max(math.prod(n or 0 for n in sizes), 1), name)
    kept = tape.op("Gather", tape.shape_of(name), tape.constant(list(axes)), axis=0)
    return tape.op("Reciprocal", tape.cast(tape.op("ReduceProd", kept, keepdims=0), name))


@rule("GlobalMaxPool")
def _global_max_pool(tape: Tape, node: Node, g: str) -> str:
    """Give it all to the first among equals."""
    x = node.inputs[0]
    rank = tape.rank(x)
    flat = tape.op("Reshape", x, tape.constant([0, 0, -1]))
    at = tape.op("ArgMax", flat, axis=2, keepdims=1)
    scores = tape.op("Reshape", g, tape.constant([0, 0, 1]))
    zeros = tape.op("Mul", flat, tape.number(0.0, x))
    found = tape.op("ScatterElements", zeros, at, scores, axis=2)
    return found if rank == 3 else tape.reshape_like(found, x)  # noqa: PLR2004


@rule("LpPool", "GlobalLpPool")
def _lp_pool(tape: Tape, node: Node, g: str) -> str:
    """
    Return the gradient of ``(sum abs(x)^p)^(1/p)``; 0 where all is 0.

    The sum of shares is that of a mean over the window, times its size.
    """
    x, y = node.inputs[0], node.outputs[0]
    p = node.get("p", 2)
    some, is_some = Sums(tape, x).without_zeros(y)
    by_top = tape.op("Div", tape.op("Mul", g, is_some), tape.op("Pow", some, tape.number(p - 1.0, x)))
    slope = tape.op("Mul", tape.op("Sign", x), tape.op("Pow", tape.op("Abs", x), tape.number(p - 1.0, x)))
    if node.op == "GlobalLpPool":
        return tape.op("Mul", tape.expand_like(by_top, x), slope)
    window = window_of(tape, node, tuple(node.get("kernel_shape")))
    flat = tape.op("Reshape", by_top, _one_channel(tape, y, list(range(2, tape.rank(x)))))
    ones = tape.constant(np.ones((1, 1, *window.kernel)), tape.float_dtype(x))
    return tape.op("Mul", tape.reshape_like(transposed(tape, flat, window, ones, x, 1), x), slope)
