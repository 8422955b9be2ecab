"""
Quantised operations, straight through: a gradient passes as if nothing were rounded, nor cut off.

Quantisers leave ReLU and ReLU6 out where the range of the whole numbers does their work: it begins at 0, and ends at 6.
There the gradient is that of ReLU. Between a quantisation and the step back the numbers are whole ones; their gradient
is one of float32 all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.conv import conv
from dccausal.gradients.tape import Tape

_SIX = 6.0


def _scale(tape: Tape, node: Node, scale: str, x: str) -> str:
    """Return a scale, or a zero point as a number, that goes with x: one number, or one along its axis."""
    rank, axis = tape.rank(x), node.get("axis", 1) % tape.rank(x)
    is_one = tape.rank(scale) == 0 or tape.shape(scale) == (1,)
    sides = [] if is_one else [-1 if at == axis else 1 for at in range(rank)]
    if tape.dtype(scale) not in ("float32", "float64"):
        scale = tape.op("Cast", scale, to=1)
    return tape.op("Reshape", scale, tape.constant(sides))


@rule("QuantizeLinear", "com.microsoft:QuantizeLinear")
def _quantize(tape: Tape, node: Node, g: str) -> str:
    x = node.inputs[0]
    scale = _scale(tape, node, node.inputs[1], x)
    for compare, bound in _rectified(tape, node):
        g = tape.mask(g, tape.op(compare, x, tape.number(bound, x)), x)
    return tape.op("Div", g, scale)


def _rectified(tape: Tape, node: Node) -> Iterator[tuple[str, float]]:
    """Yield the comparisons that hold for what a range lets through that begins at 0, and that ends at 6 as well."""
    dtype = tape.dtype(node.outputs[0])
    bits = dtype.removeprefix("u").removeprefix("int")
    scale, zero = tape.value(node.inputs[1]), tape.value(node.input(2)) if node.input(2) else np.zeros(1)
    if not bits.isdecimal() or scale is None or zero is None:
        return
    least = 0 if dtype.startswith("u") else -(2 ** (int(bits) - 1))
    if np.all(zero == least):
        yield "GreaterOrEqual", 0.0
        if np.allclose((2 ** int(bits) - 1) * scale, _SIX, rtol=1e-3):
            yield "LessOrEqual", _SIX


@rule("DequantizeLinear", "com.microsoft:DequantizeLinear")
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
