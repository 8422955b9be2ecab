"""Functions of one number: the gradient times the derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.tape import Tape


class Sums:
    """Arithmetic on the tape, in the type of one tensor, so that formulas read like formulas."""

    def __init__(self, tape: Tape, like: str) -> None:
        """Begin to write, in the type of the tensor ``like``."""
        self.tape, self.like = tape, like

    def _name(self, value: str | float) -> str:
        return value if isinstance(value, str) else self.tape.number(value, self.like)

    def __call__(self, op: str, *values: str | float, **attributes: object) -> str:
        """Add an operation on tensors and numbers; return the name of its output."""
        return self.tape.op(op, *map(self._name, values), **attributes)

    def where(self, op: str, left: str, right: str | float) -> str:
        """Return 1 where a comparison holds, 0 elsewhere."""
        return self.tape.cast(self(op, left, right), self.like)

    def without_zeros(self, value: str) -> tuple[str, str]:
        """Return a tensor with 1 in the place of zeros, and 0 where they were, 1 elsewhere."""
        is_zero = self.where("Equal", value, 0.0)
        return self("Add", value, is_zero), self("Sub", 1.0, is_zero)


Derivative = Callable[[Sums, Node, str, str], str]


def derivative(*ops: str) -> Callable[[Derivative], Derivative]:
    """Enter the rule of a function, from its derivative in terms of its input x and its output y."""

    def enter(function: Derivative) -> Derivative:
        def times(tape: Tape, node: Node, g: str) -> str:
            sums = Sums(tape, node.inputs[0])
            return sums("Mul", g, function(sums, node, node.inputs[0], node.outputs[0]))

        rule(*ops)(times)
        return function

    return enter


@derivative("Relu")
def _relu(f: Sums, _node: Node, _x: str, y: str) -> str:
    return step_up(f.tape, y, 0.0)


@derivative("LeakyRelu")
def _leaky_relu(f: Sums, node: Node, x: str, _y: str) -> str:
    alpha = node.get("alpha", 0.01)
    return f("Add", f("Mul", f.where("Greater", x, 0.0), 1 - alpha), alpha)


@derivative("ThresholdedRelu")
def _thresholded_relu(f: Sums, node: Node, x: str, _y: str) -> str:
    return f.where("Greater", x, node.get("alpha", 1.0))


@derivative("Elu")
def _elu(f: Sums, node: Node, x: str, y: str) -> str:
    """Below 0, y + alpha; above, 1."""
    is_above = f.where("Greater", x, 0.0)
    below = f("Add", f("Min", y, 0.0), node.get("alpha", 1.0))
    return f("Add", is_above, f("Mul", f("Sub", 1.0, is_above), below))


@derivative("Selu")
def _selu(f: Sums, node: Node, x: str, y: str) -> str:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    is_above = f.where("Greater", x, 0.0)
    below = f("Add", f("Min", y, 0.0), alpha * gamma)
    return f("Add", f("Mul", is_above, gamma), f("Mul", f("Sub", 1.0, is_above), below))


@derivative("Celu")
def _celu(f: Sums, node: Node, x: str, _y: str) -> str:
    return f("Exp", f("Div", f("Min", x, 0.0), node.get("alpha", 1.0)))


@derivative("Sigmoid")
def _sigmoid(f: Sums, _node: Node, _x: str, y: str) -> str:
    return f("Mul", y, f("Sub", 1.0, y))


@derivative("Tanh")
def _tanh(f: Sums, _node: Node, _x: str, y: str) -> str:
    return f("Sub", 1.0, f("Mul", y, y))


@derivative("Erf")
def _erf(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Mul", f("Exp", f("Neg", f("Mul", x, x))), 2 / math.sqrt(math.pi))


@derivative("Gelu")
def _gelu(f: Sums, node: Node, x: str, _y: str) -> str:
    if node.get("approximate", "none") == "tanh":
        return _gelu_tanh(f, x)
    density = f("Mul", f("Exp", f("Mul", f("Mul", x, x), -0.5)), 1 / math.sqrt(2 * math.pi))
    share = f("Mul", f("Add", f("Erf", f("Mul", x, 1 / math.sqrt(2))), 1.0), 0.5)
    return f("Add", share, f("Mul", x, density))


def _gelu_tanh(f: Sums, x: str) -> str:
    root, cubic = math.sqrt(2 / math.pi), 0.044715
    square = f("Mul", x, x)
    t = f("Tanh", f("Mul", f("Mul", x, f("Add", f("Mul", square, cubic), 1.0)), root))
    inner = f("Mul", f("Add", f("Mul", square, 3 * cubic), 1.0), root)
    slope = f("Mul", f("Mul", f("Sub", 1.0, f("Mul", t, t)), inner), f("Mul", x, 0.5))
    return f("Add", f("Mul", f("Add", t, 1.0), 0.5), slope)


@derivative("HardSigmoid")
def _hard_sigmoid(f: Sums, node: Node, _x: str, y: str) -> str:
    return f("Mul", _inside(f, y, 0.0, 1.0), node.get("alpha", 0.2))


@derivative("HardSwish")
def _hard_swish(f: Sums, _node: Node, x: str, _y: str) -> str:
    """Between -3 and 3, x / 3 + 1 / 2; above, 1."""
    slope = f("Add", f("Div", x, 3.0), 0.5)
    return f("Add", f("Mul", _inside(f, x, -3.0, 3.0), slope), f.where("GreaterOrEqual", x, 3.0))


def _inside(f: Sums, value: str, low: float, high: float) -> str:
    return f("Mul", f.where("Greater", value, low), f.where("Less", value, high))


@derivative("Softplus")
def _softplus(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Sigmoid", x)


@derivative("Softsign")
def _softsign(f: Sums, _node: Node, x: str, _y: str) -> str:
    size = f("Add", f("Abs", x), 1.0)
    return f("Reciprocal", f("Mul", size, size))


@derivative("Mish")
def _mish(f: Sums, _node: Node, x: str, _y: str) -> str:
    t = f("Tanh", f("Softplus", x))
    return f("Add", t, f("Mul", f("Mul", x, f("Sigmoid", x)), f("Sub", 1.0, f("Mul", t, t))))


@derivative("Swish")
def _swish(f: Sums, node: Node, x: str, _y: str) -> str:
    alpha = node.get("alpha", 1.0)
    s = f("Sigmoid", f("Mul", x, alpha))
    return f("Add", s, f("Mul", f("Mul", x, alpha), f("Mul", s, f("Sub", 1.0, s))))


@derivative("Sqrt")
def _sqrt(f: Sums, _node: Node, _x: str, y: str) -> str:
    """Take it to be 0 at 0, as of a length or a deviation, which are exported as roots: else all would be lost."""
    root, is_some = f.without_zeros(y)
    return f("Mul", is_some, f("Div", 0.5, root))


@derivative("Exp")
def _exp(_f: Sums, _node: Node, _x: str, y: str) -> str:
    return y


@derivative("Log")
def _log(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", x)


@derivative("Abs")
def _abs(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Sign", x)


@derivative("Reciprocal")
def _reciprocal(f: Sums, _node: Node, _x: str, y: str) -> str:
    return f("Neg", f("Mul", y, y))


@derivative("Sin")
def _sin(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Cos", x)


@derivative("Cos")
def _cos(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Neg", f("Sin", x))


@derivative("Tan")
def _tan(f: Sums, _node: Node, _x: str, y: str) -> str:
    return f("Add", f("Mul", y, y), 1.0)


@derivative("Asin")
def _asin(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", f("Sqrt", f("Sub", 1.0, f("Mul", x, x))))


@derivative("Acos")
def _acos(f: Sums, node: Node, x: str, y: str) -> str:
    return f("Neg", _asin(f, node, x, y))


@derivative("Atan")
def _atan(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", f("Add", f("Mul", x, x), 1.0))


@derivative("Sinh")
def _sinh(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Mul", f("Add", f("Exp", x), f("Exp", f("Neg", x))), 0.5)


@derivative("Cosh")
def _cosh(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Mul", f("Sub", f("Exp", x), f("Exp", f("Neg", x))), 0.5)


@derivative("Asinh")
def _asinh(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", f("Sqrt", f("Add", f("Mul", x, x), 1.0)))


@derivative("Acosh")
def _acosh(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", f("Sqrt", f("Sub", f("Mul", x, x), 1.0)))


@derivative("Atanh")
def _atanh(f: Sums, _node: Node, x: str, _y: str) -> str:
    return f("Reciprocal", f("Sub", 1.0, f("Mul", x, x)))


@derivative("Shrink")
def _shrink(f: Sums, node: Node, x: str, _y: str) -> str:
    return f.where("Greater", f("Abs", x), node.get("lambd", 0.5))


@rule("Neg")
def _neg(tape: Tape, _node: Node, g: str) -> str:
    return tape.op("Neg", g)


@rule("Identity", "Dropout")
def _identity(_tape: Tape, _node: Node, g: str) -> str:
    return g


@rule("Cast")
def _cast(tape: Tape, node: Node, g: str) -> str:
    is_same = tape.float_dtype(node.inputs[0]) == tape.float_dtype(node.outputs[0])
    return g if is_same else tape.cast(g, node.inputs[0])


@rule("CastLike")
def _cast_like(tape: Tape, node: Node, g: str) -> str:
    return _cast(tape, node, g)


# So steep a line is a step for any number that is further from the bound than 1e-30; being a power of two, it
# is computed without rounding.
_STEEP = 2.0**100


def step_up(tape: Tape, tensor: str, bound: float) -> str:
    """
    Return 1 where a tensor is greater than a bound, else 0.

    A hard sigmoid, steep enough, is one operation where a comparison and a cast would be two, and one that ONNX
    Runtime computes in the layout of its convolutions.
    """
    return tape.op("HardSigmoid", tensor, alpha=_STEEP, beta=-bound * _STEEP)


def step_down(tape: Tape, tensor: str, bound: float) -> str:
    """Return 1 where a tensor is less than a bound, else 0."""
    return tape.op("HardSigmoid", tensor, alpha=-_STEEP, beta=bound * _STEEP)


@rule("Clip")
def clip(tape: Tape, node: Node, g: str) -> str:
    """
    Nothing passes where the input lies at a bound or beyond, which the output tells as well.

    It is the output that is compared, so that a runtime can still make one of the clip and of what comes before it.
    """
    y = node.outputs[0]
    for step, compare, bound in ((step_up, "Greater", node.input(1)), (step_down, "Less", node.input(2))):
        value = tape.value(bound) if bound else None
        if value is not None and _is_moderate(value):
            g = tape.op("Mul", g, step(tape, y, float(value.item())))
        elif bound and (value is None or np.isfinite(value).all()):
            g = tape.mask(g, tape.op(compare, y, bound), y)
    return g


def _is_moderate(bound: np.ndarray[Any, Any]) -> bool:
    """Whether a steep line through a bound can be written in float32."""
    return bound.size == 1 and abs(float(bound.item())) < 2.0**20
