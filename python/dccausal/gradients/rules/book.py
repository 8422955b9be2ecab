"""
The book of rules: what gradient an operation hands to its inputs, given the gradients of its outputs.

A rule is a function of the tape, the node, and the gradients of the node's outputs (None where nothing depends on
one). It returns the gradient of the first input, or one for each input; None, or a row that ends early, for those that
get none. Each has the shape of its input. What it computes for inputs that want none is cut out afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dccausal.gradients.nodes import Node
from dccausal.gradients.tape import Tape

Gradients = str | None | Sequence[str | None]
Rule = Callable[..., Gradients]
_Rule = TypeVar("_Rule", bound=Rule)

GRADIENT: dict[str, Rule] = {}

# Their output is a number of steps, a comparison or a shape: its derivative is 0 wherever there is one.
FLAT = frozenset(
    {
        *("Shape", "Size", "ConstantOfShape", "EyeLike", "Range", "OneHot", "NonZero", "ArgMax", "ArgMin"),
        *("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or", "Xor"),
        *("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "Hardmax"),
        *("IsNaN", "IsInf", "Floor", "Ceil", "Round", "Sign", "BitShift", "Bernoulli"),
        *("RandomNormalLike", "RandomUniformLike"),
    }
)


def rule(*ops: str) -> Callable[[_Rule], _Rule]:
    """Enter a function into the book, for these operations."""

    def enter(function: _Rule) -> _Rule:
        GRADIENT.update(dict.fromkeys(ops, function))
        return function

    return enter


@dataclass(frozen=True)
class RuleBook:
    """
    The rules of a backward pass.

    Attributes
    ----------
    what
        What is handed back ("gradient"), for errors.
    own
        The rules by which this pass differs.
    common
        Those that it shares with the gradient.
    stops
        Whether it hands nothing to some inputs on purpose, so that what makes them needs no rule.

    """

    what: str
    own: Mapping[str, Rule]
    common: Mapping[str, Rule]
    stops: bool = False

    def find(self, op: str) -> Rule | None:
        """Return the rule of an operation, None if there is none."""
        return self.own.get(op) or self.common.get(op)

    def apply(self, tape: Tape, node: Node, gradients: Sequence[str | None]) -> list[str | None]:
        """Return a gradient for each input of a node."""
        found = self.find(node.op)
        handed = None if found is None else found(tape, node, *gradients)
        row = [handed] if handed is None or isinstance(handed, str) else list(handed)
        return (row + [None] * len(node.inputs))[: len(node.inputs)]
