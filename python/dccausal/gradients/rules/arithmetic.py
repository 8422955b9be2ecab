"""Sums, products and choices of several tensors, which may be broadcast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.elementwise import Sums
from dccausal.gradients.tape import Tape


def summed(tape: Tape, node: Node, gradients: Sequence[str | None]) -> list[str | None]:
    """Return gradients that have the result's shape, each summed to the shape of its operand."""
    return [
        None if g is None else tape.sum_to(g, name, node.outputs[0])
        for name, g in zip(node.inputs, gradients, strict=False)
    ]


def each(tape: Tape, node: Node, *makers: object) -> list[str | None]:
    """Return what is made for each input that wants a gradient, summed to its shape."""
    made = [
        make() if callable(make) and tape.wants(name) else None
        for name, make in zip(node.inputs, makers, strict=False)
    ]
    return summed(tape, node, made)


@rule("Add", "Sum")
def _add(tape: Tape, node: Node, g: str) -> list[str | None]:
    return each(tape, node, *[lambda: g] * len(node.inputs))


@rule("Sub")
def _sub(tape: Tape, node: Node, g: str) -> list[str | None]:
    return each(tape, node, lambda: g, lambda: tape.op("Neg", g))


@rule("Mul")
def _mul(tape: Tape, node: Node, g: str) -> list[str | None]:
    a, b = node.inputs
    return each(tape, node, lambda: tape.op("Mul", g, b), lambda: tape.op("Mul", g, a))


@rule("Div")
def _div(tape: Tape, node: Node, g: str) -> list[str | None]:
    b, y = node.inputs[1], node.outputs[0]
    by_bottom = tape.op("Div", g, b)
    return each(tape, node, lambda: by_bottom, lambda: tape.op("Neg", tape.op("Mul", by_bottom, y)))


@rule("Mod")
def _mod(tape: Tape, node: Node, g: str) -> list[str | None]:
    """Take what is divided by to be a constant; the rest grows with what is divided."""
    return each(tape, node, lambda: g)


@rule("Pow")
def _pow(tape: Tape, node: Node, g: str) -> list[str | None]:
    base, exponent = node.inputs

    def of_base() -> str:
        return tape.op("Mul", g, _power_slope(tape, node))

    def of_exponent() -> str:
        return tape.op("Mul", tape.op("Mul", g, node.outputs[0]), tape.op("Log", base))

    if tape.dtype(exponent) != tape.dtype(base):
        return each(tape, node, of_base)
    return each(tape, node, of_base, of_exponent)


def _power_slope(tape: Tape, node: Node) -> str:
    base, exponent = node.inputs
    value = tape.value(exponent)
    if value is None:
        less = tape.op("Sub", exponent, tape.number(1.0, exponent))
        return tape.op("Mul", exponent, tape.op("Pow", base, less))
    power = np.asarray(value, tape.float_dtype(base))
    times = tape.constant(power, power.dtype)
    if power.size == 1 and power.item() == 2:  # noqa: PLR2004  its slope is 2 x
        return tape.op("Mul", base, times)
    if np.any(power < 1):  # as of a root: 0 at 0
        some, is_some = Sums(tape, base).without_zeros(base)
        times = tape.op("Mul", is_some, times)
        return tape.op("Mul", tape.op("Pow", some, tape.constant(power - 1, power.dtype)), times)
    return tape.op("Mul", tape.op("Pow", base, tape.constant(power - 1, power.dtype)), times)


@rule("Max", "Min")
def _extreme(tape: Tape, node: Node, g: str) -> list[str | None]:
    """Operands that are equal share the gradient evenly."""
    y = node.outputs[0]
    if len(node.inputs) == 1:
        return [g]
    chosen = [tape.cast(tape.op("Equal", name, y), y) for name in node.inputs]
    share = tape.op("Div", g, tape.op("Sum", *chosen))
    return each(tape, node, *[lambda m=m: tape.op("Mul", share, m) for m in chosen])


@rule("Mean")
def _mean(tape: Tape, node: Node, g: str) -> list[str | None]:
    part = tape.op("Mul", g, tape.number(1 / len(node.inputs), node.outputs[0]))
    return each(tape, node, *[lambda: part] * len(node.inputs))


@rule("Where")
def _where(tape: Tape, node: Node, g: str) -> list[str | None]:
    condition, y = node.inputs[0], node.outputs[0]
    zero = tape.number(0.0, y)
    return each(
        tape,
        node,
        None,
        lambda: tape.op("Where", condition, g, zero),
        lambda: tape.op("Where", condition, zero, g),
    )


@rule("PRelu")
def _prelu(tape: Tape, node: Node, g: str) -> list[str | None]:
    x, slope = node.inputs
    zero, one = tape.number(0.0, x), tape.number(1.0, x)
    is_below = tape.cast(tape.op("Less", x, zero), x)

    def of_input() -> str:
        factor = tape.op("Add", tape.op("Sub", one, is_below), tape.op("Mul", is_below, slope))
        return tape.op("Mul", g, factor)

    def of_slope() -> str:
        return tape.op("Mul", g, tape.op("Mul", is_below, x))

    return each(tape, node, of_input, of_slope)
