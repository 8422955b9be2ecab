"""Reductions over axes, and softmax."""

from __future__ import annotations

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.pool import one_over
from dccausal.gradients.tape import Tape


def axes_of(tape: Tape, node: Node) -> list[int]:
    """Return the axes of a reduction, not negative; given as an attribute or as an input, or all."""
    rank = tape.rank(node.inputs[0])
    given = node.get("axes")
    if given is None and node.input(1):
        given = tape.known(node, 1, "axes").ravel().tolist()
    if not given:
        return [] if node.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted(int(axis) % rank for axis in given)


def kept(tape: Tape, node: Node, tensor: str, axes: list[int]) -> str:
    """Return a tensor of the result's shape with the axes that were dropped, of size 1."""
    if node.get("keepdims", 1) or not axes:
        return tensor
    return tape.op("Unsqueeze", tensor, tape.constant(axes))


@rule("ReduceSum")
def _sum(tape: Tape, node: Node, g: str) -> str:
    axes = axes_of(tape, node)
    x, is_whole = node.inputs[0], 0 in axes
    return tape.expand_like(kept(tape, node, g, axes), x, has_rows=not is_whole) if axes else g


@rule("ReduceMean")
def _mean(tape: Tape, node: Node, g: str) -> str:
    x, axes = node.inputs[0], axes_of(tape, node)
    if not axes:
        return g
    share = tape.op("Mul", kept(tape, node, g, axes), one_over(tape, x, axes))
    return tape.expand_like(share, x, has_rows=0 not in axes)


@rule("ReduceMax", "ReduceMin")
def _extreme(tape: Tape, node: Node, g: str) -> str:
    """Elements that are equal share it evenly."""
    x, axes = node.inputs[0], axes_of(tape, node)
    chosen = tape.cast(tape.op("Equal", x, kept(tape, node, node.outputs[0], axes)), x)
    share = tape.op("Div", kept(tape, node, g, axes), tape.sum(chosen, axes))
    return tape.op("Mul", chosen, share)


@rule("ReduceL1")
def _l1(tape: Tape, node: Node, g: str) -> str:
    return tape.op("Mul", tape.op("Sign", node.inputs[0]), kept(tape, node, g, axes_of(tape, node)))


@rule("ReduceL2")
def _l2(tape: Tape, node: Node, g: str) -> str:
    """Take the slope of the length of nothing, which has none, to be 0."""
    x, axes = node.inputs[0], axes_of(tape, node)
    length = kept(tape, node, node.outputs[0], axes)
    is_nothing = tape.cast(tape.op("Equal", length, tape.number(0.0, x)), x)
    share = tape.op("Div", kept(tape, node, g, axes), tape.op("Add", length, is_nothing))
    return tape.op("Mul", x, share)


@rule("ReduceSumSquare")
def _sum_square(tape: Tape, node: Node, g: str) -> str:
    x = node.inputs[0]
    return tape.op("Mul", tape.op("Mul", x, tape.number(2.0, x)), kept(tape, node, g, axes_of(tape, node)))


@rule("ReduceLogSum")
def _log_sum(tape: Tape, node: Node, g: str) -> str:
    x, axes = node.inputs[0], axes_of(tape, node)
    total = tape.op("Exp", kept(tape, node, node.outputs[0], axes))
    return tape.expand_like(tape.op("Div", kept(tape, node, g, axes), total), x)


@rule("ReduceLogSumExp")
def _log_sum_exp(tape: Tape, node: Node, g: str) -> str:
    x, axes = node.inputs[0], axes_of(tape, node)
    share = tape.op("Exp", tape.op("Sub", x, kept(tape, node, node.outputs[0], axes)))
    return tape.op("Mul", share, kept(tape, node, g, axes))


@rule("ReduceProd")
def _product(tape: Tape, node: Node, g: str) -> str:
    """Multiply by the product of the others; elements that are 0 get no gradient."""
    x, axes = node.inputs[0], axes_of(tape, node)
    is_zero = tape.cast(tape.op("Equal", x, tape.number(0.0, x)), x)
    whole = tape.op("Mul", kept(tape, node, g, axes), kept(tape, node, node.outputs[0], axes))
    return tape.op("Div", whole, tape.op("Add", x, is_zero))


@rule("Softmax")
def _softmax(tape: Tape, node: Node, g: str) -> str:
    y = node.outputs[0]
    part = tape.op("Mul", g, y)
    total = tape.sum(part, [node.get("axis", -1)])
    return tape.op("Sub", part, tape.op("Mul", y, total))


@rule("LogSoftmax")
def _log_softmax(tape: Tape, node: Node, g: str) -> str:
    total = tape.sum(g, [node.get("axis", -1)])
    return tape.op("Sub", g, tape.op("Mul", tape.op("Exp", node.outputs[0]), total))


@rule("CumSum")
def _cumulative_sum(tape: Tape, node: Node, g: str) -> str:
    return tape.op(
        "CumSum", g, node.inputs[1], exclusive=node.get("exclusive", 0), reverse=1 - node.get("reverse", 0)
    )


@rule("TopK")
def _top_k(tape: Tape, node: Node, g: str | None, _at: str | None = None) -> str | None:
    if g is None:
        return None
    at = tape.forward_output(node, 1)
    x = node.inputs[0]
    return tape.op("ScatterElements", tape.zeros_like(x), at, g, axis=node.get("axis", -1))
