"""Normalisations: over a layer, an instance, groups, neighbouring channels; and that of a trained batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.tape import Tape


def channelwise(tape: Tape, parameter: str, rank: int) -> str:
    """Return a parameter (C,) in a shape that goes with (N, C, ...)."""
    return tape.op("Reshape", parameter, tape.constant([-1] + [1] * (rank - 2)))


@rule("BatchNormalization")
def _batch(tape: Tape, node: Node, g: str, *_: object) -> str:
    if node.get("training_mode", 0):
        raise ModelError(
            f"{node} normalises by the batch that it is given, as in training; export the model for inference"
        )
    return tape.op("Mul", g, batch_slope(tape, node))


def batch_slope(tape: Tape, node: Node) -> str:
    """Return what a BatchNormalization multiplies by, (C, 1, ...)."""
    _, scale, _, _, variance = node.inputs[:5]
    epsilon = tape.number(node.get("epsilon", 1e-5), variance)
    slope = tape.op("Div", scale, tape.op("Sqrt", tape.op("Add", variance, epsilon)))
    return channelwise(tape, slope, tape.rank(node.inputs[0]))


def standardised(tape: Tape, x: str, axes: Sequence[int], epsilon: float, like: str) -> tuple[str, str]:
    """Return x brought to mean 0 and variance 1 over axes, and one divided by its standard deviation."""
    centred = tape.op("Sub", x, tape.mean(x, axes))
    variance = tape.mean(tape.op("Mul", centred, centred), axes)
    deviation = tape.op("Sqrt", tape.op("Add", variance, tape.number(epsilon, like)))
    inverse = tape.op("Reciprocal", deviation)
    return tape.op("Mul", centred, inverse), inverse


def standardised_back(tape: Tape, g: str, normal: str, inverse: str, axes: Sequence[int]) -> str:
    """Return the gradient of ``standardised``: less its mean, and less its share along what was normalised."""
    along = tape.op("Mul", normal, tape.mean(tape.op("Mul", g, normal), axes))
    rest = tape.op("Sub", tape.op("Sub", g, tape.mean(g, axes)), along)
    return tape.op("Mul", rest, inverse)


@rule("LayerNormalization")
def _layer(tape: Tape, node: Node, g: str, *_: object) -> list[str | None]:
    x, scale, y = node.inputs[0], node.inputs[1], node.outputs[0]
    rank = tape.rank(x)
    axes = list(range(node.get("axis", -1) % rank, rank))
    normal, inverse = standardised(tape, x, axes, node.get("epsilon", 1e-5), x)
    found: list[str | None] = [
        standardised_back(tape, tape.op("Mul", g, scale), normal, inverse, axes),
    ]
    if tape.wants(scale):
        found.append(tape.sum_to(tape.op("Mul", g, normal), scale, y))
    elif tape.wants(node.input(2)):
        found.append(None)
    if tape.wants(node.input(2)):
        found.append(tape.sum_to(g, node.inputs[2], y))
    return found


@rule("RMSNormalization")
def _root_mean_square(tape: Tape, node: Node, g: str) -> str:
    x, scale = node.inputs[:2]
    rank = tape.rank(x)
    axes = list(range(node.get("axis", -1) % rank, rank))
    square = tape.mean(tape.op("Mul", x, x), axes)
    root = tape.op("Sqrt", tape.op("Add", square, tape.number(node.get("epsilon", 1e-5), x)))
    inverse = tape.op("Reciprocal", root)
    normal = tape.op("Mul", x, inverse)
    scaled = tape.op("Mul", g, scale)
    along = tape.op("Mul", normal, tape.mean(tape.op("Mul", scaled, normal), axes))
    return tape.op("Mul", tape.op("Sub", scaled, along), inverse)


@rule("InstanceNormalization")
def _instance(tape: Tape, node: Node, g: str) -> str:
    x, scale = node.inputs[:2]
    rank = tape.rank(x)
    axes = list(range(2, rank))
    normal, inverse = standardised(tape, x, axes, node.get("epsilon", 1e-5), x)
    scaled = tape.op("Mul", g, channelwise(tape, scale, rank))
    return standardised_back(tape, scaled, normal, inverse, axes)


@rule("GroupNormalization")
def _group(tape: Tape, node: Node, g: str) -> str:
    """Until opset 20 scale is given a group, from 21 on a channel."""
    x, scale = node.inputs[:2]
    n_groups = node.get("num_groups")
    grouped = tape.constant([0, n_groups, -1])
    rank = tape.rank(x)
    if tape.shape(scale) == (n_groups,) and tape.shape(x)[1] != n_groups:
        rows = tape.op("Mul", tape.op("Reshape", g, grouped), channelwise(tape, scale, 3))
    else:
        rows = tape.op("Reshape", tape.op("Mul", g, channelwise(tape, scale, rank)), grouped)
    normal, inverse = standardised(tape, tape.op("Reshape", x, grouped), [2], node.get("epsilon", 1e-5), x)
    return tape.reshape_like(standardised_back(tape, rows, normal, inverse, [2]), x)


@rule("MeanVarianceNormalization")
def _mean_variance(tape: Tape, node: Node, g: str) -> str:
    x = node.inputs[0]
    axes = [axis % tape.rank(x) for axis in node.get("axes", [0, 2, 3])]
    normal, inverse = standardised(tape, x, axes, 1e-9, x)
    return standardised_back(tape, g, normal, inverse, axes)


@rule("LpNormalization")
def _lp(tape: Tape, node: Node, g: str) -> str:
    """Of x divided by its length; what has none gets no gradient."""
    x, y = node.inputs[0], node.outputs[0]
    axes = [node.get("axis", -1)]
    if node.get("p", 2) == 1:
        length, slope = tape.sum(tape.op("Abs", x), axes), tape.op("Sign", x)
    else:
        length, slope = tape.op("Sqrt", tape.sum(tape.op("Mul", x, x), axes)), y
    is_nothing = tape.cast(tape.op("Equal", length, tape.number(0.0, x)), x)
    along = tape.op("Mul", slope, tape.sum(tape.op("Mul", g, y), axes))
    return tape.op("Div", tape.op("Sub", g, along), tape.op("Add", length, is_nothing))


@rule("LRN")
def _local_response(tape: Tape, node: Node, g: str) -> str:
    """Of x s^-beta, s being the mean square of neighbouring channels times alpha, plus a bias."""
    x, size = node.inputs[0], node.get("size")
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    before, behind = (size - 1) // 2, math.ceil((size - 1) / 2)
    squares = _over_channels(tape, tape.op("Mul", x, x), x, size, (before, behind))
    s = tape.op("Add", tape.op("Mul", squares, tape.number(alpha / size, x)), tape.number(bias, x))
    own = tape.op("Mul", g, tape.op("Pow", s, tape.number(-beta, x)))
    shared = tape.op("Mul", tape.op("Mul", g, x), tape.op("Pow", s, tape.number(-beta - 1, x)))
    gathered = _over_channels(tape, shared, x, size, (behind, before))
    factor = tape.number(2 * alpha * beta / size, x)
    return tape.op("Sub", own, tape.op("Mul", tape.op("Mul", x, gathered), factor))


def _over_channels(tape: Tape, tensor: str, like: str, size: int, pads: tuple[int, int]) -> str:
    """Return sums over neighbouring channels: a convolution along them."""
    flat = tape.op("Unsqueeze", tape.op("Reshape", tensor, tape.constant([0, 0, -1])), tape.constant([1]))
    ones = tape.constant(np.ones((1, 1, size, 1)), tape.float_dtype(like))
    return tape.reshape_like(tape.op("Conv", flat, ones, pads=[pads[0], 0, pads[1], 0]), like)
