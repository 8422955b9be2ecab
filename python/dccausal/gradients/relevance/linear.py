"""
How a linear layer shares the relevance of its output out among its inputs.

Every rule is made of two steps: relevance divided by what the layer made, and that brought back through the layer's
transpose, times what went in. They differ in the weights that they count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.conv import conv, conv_transpose
from dccausal.gradients.rules.products import gemm, matmul
from dccausal.gradients.tape import Tape

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BACK: dict[str, Callable[..., list[str | None]]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
}
STABILISER = 1e-6


def stable(tape: Tape, z: str, like: str, epsilon: float = STABILISER) -> str:
    """Return z, moved away from 0 by epsilon (0 itself upwards)."""
    side = tape.cast(tape.op("GreaterOrEqual", z, tape.number(0.0, like)), like)
    signed = tape.op("Sub", tape.op("Mul", side, tape.number(2 * epsilon, like)), tape.number(epsilon, like))
    return tape.op("Add", z, signed)


def share(tape: Tape, relevance: str, z: str, like: str, epsilon: float = STABILISER) -> str:
    """Return relevance for each unit of what a layer made."""
    return tape.op("Div", relevance, stable(tape, z, like, epsilon))


def divide(tape: Tape, top: str, bottom: str, like: str) -> str:
    """Return a quotient that is 0 where what is divided by is 0."""
    is_zero = tape.op("Equal", bottom, tape.number(0.0, like))
    safe = tape.op("Add", bottom, tape.cast(is_zero, like))
    return tape.mask(tape.op("Div", top, safe), tape.op("Not", is_zero), like)


@dataclass(frozen=True)
class Layer:
    """
    A linear layer on the tape, to be run with other weights and back.

    Attributes
    ----------
    tape, node
        Where it is.
    has_bias
        Whether its bias takes a share of the relevance.

    """

    tape: Tape
    node: Node
    has_bias: bool

    @property
    def x(self) -> str:
        """Name of its input."""
        return self.node.inputs[0]

    @property
    def weight(self) -> str:
        """Name of its weights."""
        return self.node.inputs[1]

    @property
    def bias(self) -> str:
        """Name of its bias, empty without one, or where it takes no share."""
        return self.node.input(2) if self.has_bias else ""

    @property
    def z(self) -> str:
        """Name of what it makes, without a bias that takes no share."""
        if self.has_bias or not self.node.input(2):
            return self.node.outputs[0]
        return self.forward(self.x, self.weight)

    def forward(self, x: str, weight: str, bias: str = "") -> str:
        """Return what the layer makes of another input by other weights."""
        inputs = [x, weight, bias] if bias else [x, weight]
        return self.tape.op(self.node.op, *inputs, **self.node.attributes)

    def back(self, gradient: str, weight: str) -> str:
        """Return a gradient brought back through the layer with other weights."""
        found = _BACK[self.node.op](self.tape, self.node, gradient, weight=weight)[0]
        return found or ""

    def above(self, tensor: str) -> str:
        """Return the positive part of a tensor."""
        return self.tape.op("Relu", tensor)

    def below(self, tensor: str) -> str:
        """Return the negative part of a tensor."""
        return self.tape.op("Min", tensor, self.tape.number(0.0, self.x))

    def plus(self, *tensors: str) -> str:
        """Return a sum of those that are there."""
        given = [tensor for tensor in tensors if tensor]
        return given[0] if len(given) == 1 else self.tape.op("Sum", *given)

    def times(self, left: str, right: str) -> str:
        """Return a product."""
        return self.tape.op("Mul", left, right)


def by_epsilon(layer: Layer, relevance: str, epsilon: float) -> str:
    """Epsilon rule (Bach 2015): shares by contribution, those of a small sum damped."""
    q = share(layer.tape, relevance, layer.z, layer.x, epsilon)
    return layer.times(layer.x, layer.back(q, layer.weight))


def by_zplus(layer: Layer, relevance: str, *, is_never_negative: bool) -> str:
    """Z+ rule (alpha 1, beta 0; Montavon 2019): shares by positive contribution."""
    up, bias = layer.above(layer.weight), layer.bias and layer.above(layer.bias)
    if is_never_negative:
        q = share(layer.tape, relevance, layer.forward(layer.x, up, bias), layer.x)
        return layer.times(layer.x, layer.back(q, up))
    down, high, low = layer.below(layer.weight), layer.above(layer.x), layer.below(layer.x)
    z = layer.plus(layer.forward(high, up, bias), layer.forward(low, down))
    q = share(layer.tape, relevance, z, layer.x)
    return layer.plus(layer.times(high, layer.back(q, up)), layer.times(low, layer.back(q, down)))


def by_gamma(layer: Layer, relevance: str, gamma: float, *, is_never_negative: bool) -> str:
    """Gamma rule (Montavon 2019): contributions of the output's sign count 1 + gamma times."""
    tape, x = layer.tape, layer.x

    def favoured(tensor: str, part: str) -> str:
        return tape.op("Add", tensor, layer.times(part, tape.number(gamma, x)))

    up, down = (favoured(layer.weight, f(layer.weight)) for f in (layer.above, layer.below))
    bias = layer.bias
    ups, downs = (bias and favoured(bias, f(bias)) for f in (layer.above, layer.below))
    high, low = (x, "") if is_never_negative else (layer.above(x), layer.below(x))
    zero, z = tape.number(0.0, x), layer.z
    parts = []
    for compare, own, other, offset in (("Greater", up, down, ups), ("Less", down, up, downs)):
        made = layer.plus(layer.forward(high, own, offset), low and layer.forward(low, other))
        counted = tape.mask(relevance, tape.op(compare, z, zero), x)
        q = share(tape, counted, made, x)
        parts.append(layer.times(high, layer.back(q, own)))
        if low:
            parts.append(layer.times(low, layer.back(q, other)))
    return layer.plus(*parts)


def by_box(layer: Layer, relevance: str, low: str, high: str, epsilon: float = STABILISER) -> str:
    """
    Z-box rule (Montavon 2019), for an input of known bounds: shares by what lies above the lower, below the higher.

    ``W x - W+ low - W- high`` is summed as ``W+ (x - low) + W- (x - high)``, whose terms are never negative: nothing
    cancels, and a convolution is saved. Without an epsilon, what made nothing is given nothing.
    """
    tape = layer.tape
    up, down = layer.above(layer.weight), layer.below(layer.weight)
    above, below = tape.op("Sub", layer.x, low), tape.op("Sub", layer.x, high)
    z = layer.plus(layer.forward(above, up), layer.forward(below, down))
    q = share(tape, relevance, z, layer.x, epsilon) if epsilon else divide(tape, relevance, z, layer.x)
    return layer.plus(layer.times(above, layer.back(q, up)), layer.times(below, layer.back(q, down)))
