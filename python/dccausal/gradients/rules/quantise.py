"""
Quantised operations, straight through: a gradient passes as if nothing were rounded, nor cut off.

Between a quantisation and the step back the numbers are whole ones; their gradient is one of float32 all the same.
"""

from __future__ import annotations

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.conv import conv
from dccausal.gradients.tape import Tape


def _scale(tape: Tape, node: Node, scale: str, x: str) -> str:
    """Return a scale that goes with x: a number, or one along its axis."""
    if tape.rank(scale) == 0 or tape.shape(scale) == (1,):
        return tape.op("Reshape", scale, tape.constant([], np.int64))
    rank, axis = tape.rank(x), node.get("axis", 1) % tape.rank(x)
    return tape.op("Reshape", scale, tape.constant([-1 if at == axis else 1 for at in range(rank)]))


@rule("QuantizeLinear")
def _quantize(tape: Tape, node: Node, g: str) -> str:
    return tape.op("Div", g, _scale(tape, node, node.inputs[1], node.inputs[0]))


@rule("DequantizeLinear")
def _dequantize(tape: Tape, node: Node, g: str) -> str:
    return tape.op("Mul", g, _scale(tape, node, node.inputs[1], node.inputs[0]))


@rule("DynamicQuantizeLinear")
def _dynamic(tape: Tape, node: Node, g: str | None, *_: object) -> str | None:
    """Take the scale, which follows the image, to be a constant."""
    return None if g is None else tape.op("Div", g, node.outputs[1])


def _centred(tape: Tape, tensor: str, zero_point: str, rank: int, *, is_channelwise: bool) -> str:
    """Return whole numbers as float32, less their zero point."""
    numbers = tape.op("Cast", tensor, to=1)
    if not zero_point:
        return numbers
    zero = tape.op("Cast", zero_point, to=1)
    if is_channelwise and tape.shape(zero_point) not in ((), (1,)):
        zero = tape.op("Reshape", zero, tape.constant([-1] + [1] * (rank - 1)))
    return tape.op("Sub", numbers, zero)


@rule("ConvInteger")
def _conv_integer(tape: Tape, node: Node, g: str) -> list[str | None]:
    rank = tape.rank(node.inputs[1])
    weight = _centred(tape, node.inputs[1], node.input(3), rank, is_channelwise=True)
    return conv(tape, _two_inputs(node), g, weight=weight)[:1]


def _two_inputs(node: Node) -> Node:
    return Node(node.op, node.name, node.inputs[:2], node.outputs, node.attributes)


@rule("MatMulInteger")
def _matmul_integer(tape: Tape, node: Node, g: str) -> list[str | None]:
    a, b = node.inputs[:2]
    right = _centred(tape, b, node.input(3), tape.rank(b), is_channelwise=False)
    rank = tape.rank(b)
    turned = tape.op("Transpose", right, perm=[*range(rank - 2), rank - 1, rank - 2])
    return [tape.op("MatMul", g, turned) if tape.wants(a) else None]


@rule("QLinearConv")
def _qlinear_conv(tape: Tape, node: Node, g: str) -> list[str | None]:
    x, x_scale, _, w, w_scale, w_zero, y_scale = node.inputs[:7]
    rank = tape.rank(w)
    weight = _centred(tape, w, w_zero, rank, is_channelwise=True)
    if tape.shape(w_scale) not in ((), (1,)):
        weight = tape.op("Mul", weight, tape.op("Reshape", w_scale, tape.constant([-1] + [1] * (rank - 1))))
    else:
        weight = tape.op("Mul", weight, w_scale)
    real = tape.op("Mul", g, tape.op("Div", x_scale, y_scale))
    return conv(tape, Node(node.op, node.name, (x, w), node.outputs, node.attributes), real, weight=weight)[
        :1
    ]


@rule("QLinearMatMul")
def _qlinear_matmul(tape: Tape, node: Node, g: str) -> list[str | None]:
    _, a_scale, _, b, b_scale, b_zero, y_scale = node.inputs[:7]
    right = tape.op("Mul", _centred(tape, b, b_zero, tape.rank(b), is_channelwise=False), b_scale)
    rank = tape.rank(b)
    turned = tape.op("Transpose", right, perm=[*range(rank - 2), rank - 1, rank - 2])
    return [tape.op("MatMul", tape.op("Mul", g, tape.op("Div", a_scale, y_scale)), turned)]
