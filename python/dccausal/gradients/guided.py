"""Guided backpropagation: at a ReLU only what argues for the class passes (Springenberg 2015)."""

from __future__ import annotations

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules import GRADIENT, RuleBook
from dccausal.gradients.rules.elementwise import clip, step_up
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source
from dccausal.gradients.tape import Tape


def _relu(tape: Tape, node: Node, g: str) -> str:
    y = node.outputs[0]
    return tape.op("Mul", tape.op("Relu", g), step_up(tape, y, 0.0))


def _clip(tape: Tape, node: Node, g: str) -> str:
    """Treat a Clip from 0 (ReLU6) as a ReLU, any other as it is."""
    return clip(tape, node, tape.op("Relu", g) if _is_from_zero(tape, node) else g)


def _is_from_zero(tape: Tape, node: Node) -> bool:
    low = tape.value(node.input(1)) if node.input(1) else None
    return low is not None and low.size == 1 and float(low.item()) == 0


GUIDED_BOOK = RuleBook("guided gradient", {"Relu": _relu, "Clip": _clip}, GRADIENT)


def check_guided(source: Source, sample: Sample) -> None:
    """
    Do nothing if a model has a ReLU.

    Raises
    ------
    ModelError
        If it has none: guided backpropagation would be the plain gradient; its text names what the model has instead.

    """
    tape = Tape(sample, source.opset, [])
    others = []
    for node in source.nodes:
        if node.op == "Relu" or (node.op == "Clip" and _is_from_zero(tape, node)):
            return
        if node.op in (
            "Gelu",
            "Erf",
            "HardSwish",
            "Sigmoid",
            "LeakyRelu",
            "PRelu",
            "Elu",
            "Swish",
            "Mish",
            "Tanh",
        ):
            others.append(str(node))
    found = f"; its first other activation is {others[0]}" if others else ""
    raise ModelError(
        f"the model has no ReLU and no Clip from 0{found}: guided backpropagation is defined at those only; "
        "take gradient or integrated-gradients"
    )
