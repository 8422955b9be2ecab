"""
Layer-wise relevance propagation, as an ONNX model.

The rules of linear layers are chosen by a preset; all others are the same in each:

=========================================  ==================================================================
operation                                  relevance
=========================================  ==================================================================
functions of one number                    passes unchanged
sums, means, lengths, resizing             by contribution, ``x J'(R / z)``
a bias, or a constant that is added        takes its share and loses it, unless ``bias="none"``
maxima, moving, padding, joining           the way of the gradient
product with a constant                    passes unchanged
product with a gate                        all to what is gated (sigmoid, softmax, the bounded part of a GELU)
product of two others                      half to each (AttnLRP)
quotient, also by a product with 1 / x     all to the numerator
matrix product of two computed tensors     half to each, by contribution (AttnLRP)
logarithm of a sum of exponentials         the way of the gradient
softmax                                    ``x (R - y sum R)`` (AttnLRP)
layer, instance, group normalisation       passes unchanged (AttnLRP)
batch normalisation                        folded into the layer before; where there is none it passes
=========================================  ==================================================================

References: Bach 2015; Montavon 2019; Ali 2022; Achtibat 2024 (AttnLRP).
Stabilisers and presets are those of zennit 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dccausal.gradients.nodes import Node
from dccausal.gradients.relevance.graph import Forward
from dccausal.gradients.relevance.linear import (
    LAYERS,
    Layer,
    by_box,
    by_epsilon,
    by_gamma,
    by_zplus,
    share,
    stable,
)
from dccausal.gradients.rules import GRADIENT, RuleBook
from dccausal.gradients.rules.book import Gradients, Rule
from dccausal.gradients.rules.conv import refuse_computed_weights
from dccausal.gradients.rules.norm import batch_slope
from dccausal.gradients.tape import Tape

Preset = Literal["epsilon", "zplus", "composite"]
PRESETS = ("epsilon", "zplus", "composite")

_PASSING = (
    *(
        "Relu",
        "LeakyRelu",
        "PRelu",
        "ThresholdedRelu",
        "Elu",
        "Selu",
        "Celu",
        "Clip",
        "HardSwish",
        "Gelu",
        "Mish",
    ),
    *(
        "Swish",
        "Softplus",
        "Neg",
        "Softsign",
        "Sigmoid",
        "HardSigmoid",
        "Tanh",
        "Erf",
        "Identity",
        "Dropout",
        "Cast",
    ),
    *(
        "Abs",
        "Sqrt",
        "Exp",
        "Log",
        "Pow",
        "Mod",
        "Shrink",
        "Reciprocal",
        "Sin",
        "Cos",
        "Tan",
        "Atan",
        "Sinh",
        "Cosh",
    ),
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"),
    *("MeanVarianceNormalization", "LpNormalization", "LRN", "QuantizeLinear", "DequantizeLinear"),
)
_MOVING = (
    *("MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min", "Pad", "Concat", "Split", "Slice"),
    *(
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Expand",
        "Tile",
        "Gather",
        "GatherElements",
    ),
    *("GatherND", "DepthToSpace", "SpaceToDepth", "Trilu", "TopK", "Where", "ReverseSequence"),
    "ReduceLogSumExp",
)
_BY_CONTRIBUTION = (
    *("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "Mean", "Resize", "CumSum", "Col2Im"),
    *("ReduceL1", "ReduceL2", "LpPool", "GlobalLpPool"),
)
_OWN_BIAS = (
    "Mul",
    "Div",
    "BatchNormalization",
    "LayerNormalization",
    "InstanceNormalization",
    "GroupNormalization",
)


@dataclass(frozen=True, kw_only=True)
class LrpRules:
    """
    What may be chosen.

    Attributes
    ----------
    preset
        "epsilon": the epsilon rule at every linear layer. "zplus": z+ at convolutions, epsilon at dense layers.
        "composite": z-box at the first convolution, gamma at the others, epsilon at dense layers.
    epsilon
        Of the preset "epsilon", and of dense layers in the others.
    gamma
        Of "composite".
    bias
        "share": a bias takes its share of the relevance away. "none": it is left out, so that relevance is conserved.
    batch_norm
        What one does that is not behind a linear layer: "pass", or "epsilon" for the epsilon rule.
    attention
        "shared": a product of attention weights and values is halved between them, and softmax hands on by its first
        order (AttnLRP); what that loses or adds can be much. "fixed": the weights are taken to be constants and get
        nothing, which conserves relevance (Ali 2022).
    box
        Least and greatest value of each channel of the model's input, for "composite".

    """

    preset: Preset = "composite"
    epsilon: float = 1e-6
    gamma: float = 0.25
    bias: Literal["share", "none"] = "share"
    batch_norm: Literal["pass", "epsilon"] = "pass"
    attention: Literal["shared", "fixed"] = "shared"
    box: tuple[tuple[float, ...], tuple[float, ...]] | None = None


class Lrp:
    """The rules of one relevance graph."""

    def __init__(self, forward: Forward, rules: LrpRules) -> None:
        """Find the first convolutions."""
        self.forward, self.rules = forward, rules
        self.first = forward.first_layers(["Conv"])

    def book(self) -> RuleBook:
        """Return the rules, for ``write_backward``."""
        own: dict[str, Rule] = {op: GRADIENT[op] for op in _MOVING}
        own |= dict.fromkeys(_PASSING, _pass)
        own |= dict.fromkeys(_BY_CONTRIBUTION, self.contribution)
        own |= dict.fromkeys(LAYERS, self.layer)
        own |= {
            "Add": self.add,
            "Sum": self.add,
            "Sub": self.sub,
            "Mul": self.mul,
            "Div": _numerator,
            "Softmax": _softmax,
            "Einsum": self.einsum,
            "BatchNormalization": self.batch_norm,
        }
        return RuleBook("relevance", own, {}, stops=True)

    def layer(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out by the preset's rule of a linear layer."""
        if node.op in ("MatMul", "Gemm") and not tape.is_free(node.inputs[1]):
            return self.product(tape, node, relevance)
        refuse_computed_weights(tape, node)
        rules = self.rules
        layer = Layer(tape, node, rules.bias == "share")
        is_dense = node.op in ("Gemm", "MatMul")
        if rules.preset == "epsilon" or is_dense:
            return by_epsilon(layer, relevance, rules.epsilon)
        if rules.preset == "composite" and node.outputs[0] in self.first and rules.box is not None:
            return by_box(layer, relevance, *self._bounds(tape, layer.x))
        is_never_negative = self.forward.is_never_negative(tape, layer.x)
        if rules.preset == "composite":
            return by_gamma(layer, relevance, rules.gamma, is_never_negative=is_never_negative)
        return by_zplus(layer, relevance, is_never_negative=is_never_negative)

    def _bounds(self, tape: Tape, x: str) -> tuple[str, str]:
        """Return the least and greatest value of the first layer's input, by what the model makes of the image's."""
        image = self.forward.source.image
        rank, box = tape.rank(image), self.rules.box or ((0.0,), (1.0,))
        is_last = tape.shape(image)[1] != len(box[0]) and tape.shape(image)[-1] == len(box[0])
        along = [1] * rank
        along[-1 if is_last else 1] = len(box[0])
        ends = []
        for bound in box:
            filled = tape.constant(np.asarray(bound).reshape(along), tape.float_dtype(image))
            ends.append(self.forward.replay(tape, x, {image: tape.expand_like(filled, image)}))
        if x == image:
            return ends[0], ends[1]
        return tape.op("Min", *ends), tape.op("Max", *ends)

    def product(self, tape: Tape, node: Node, relevance: str) -> list[str | None]:
        """Share out a product of two computed matrices, half to each, by contribution."""
        y = node.outputs[0]
        left, right = node.inputs[:2]
        is_fixed = self.rules.attention == "fixed" and self.forward.is_gate(tape, left)
        if tape.is_free(left) or is_fixed:
            q = share(tape, relevance, y, y)
        else:
            double = tape.op("Mul", y, tape.number(2.0, y))
            q = share(tape, relevance, double, y)
        found = GRADIENT[node.op](tape, node, q)
        parts = [
            None if g is None else tape.op("Mul", name, g)
            for name, g in zip((left, right), list(found or ()), strict=False)
        ]
        return [None, *parts[1:]] if is_fixed else parts

    def contribution(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out by contribution: ``x J'(R / z)``."""
        x, y = node.inputs[0], node.outputs[0]
        back = GRADIENT[node.op](tape, node, share(tape, relevance, y, y))
        (first,) = [back] if isinstance(back, str) else list(back or ())[:1]
        return tape.op("Mul", x, first or "")

    def add(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out a sum by what each operand brings."""
        return self._sum(tape, node, relevance, [1.0] * len(node.inputs))

    def sub(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out a difference by what each operand brings; all to one that its own mean is taken from."""
        if self.forward.is_own_mean(node.inputs[1], node.inputs[0]):
            return relevance
        return self._sum(tape, node, relevance, [1.0, -1.0])

    def _sum(self, tape: Tape, node: Node, relevance: str, signs: Sequence[float]) -> Gradients:
        y = node.outputs[0]
        computed = [name for name in node.inputs if not tape.is_free(name)]
        if len(computed) == 1 and not self._takes_share(computed[0]):
            return [tape.sum_to(relevance, name, y) if name in computed else None for name in node.inputs]
        q = share(tape, relevance, y, y)
        found: list[str | None] = []
        for name, sign in zip(node.inputs, signs, strict=True):
            if name not in computed:
                found.append(None)
                continue
            part = tape.op("Mul", tape.sum_to(q, name, y), name)
            found.append(part if sign > 0 else tape.op("Neg", part))
        return found

    def _takes_share(self, name: str) -> bool:
        """Whether a constant that is added to a tensor takes a share: not where it is a normalisation's own."""
        maker = self.forward.maker(name)
        return self.rules.bias == "share" and maker is not None and maker.op not in _OWN_BIAS

    def mul(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Hand the relevance of a product to what is gated, or half to each."""
        y = node.outputs[0]
        computed = [name for name in node.inputs if not tape.is_free(name)]
        gated = [name for name in computed if not self._is_factor(tape, name)]
        taking = gated if len(gated) == 1 else computed
        handed = relevance if len(taking) == 1 else tape.op("Mul", relevance, tape.number(0.5, y))
        return [tape.sum_to(handed, name, y) if name in taking else None for name in node.inputs]

    def _is_factor(self, tape: Tape, name: str) -> bool:
        """Whether a tensor only scales another: a gate, or what that is divided by."""
        return self.forward.is_gate(tape, name) or self.forward.is_inverse(tape, name)

    def einsum(self, tape: Tape, node: Node, relevance: str) -> list[str | None]:
        """Share out a product by contribution, evenly between the tensors that are computed."""
        y = node.outputs[0]
        computed = [name for name in node.inputs if not tape.is_free(name)]
        q = share(tape, relevance, tape.op("Mul", y, tape.number(float(len(computed)), y)), y)
        found = list(GRADIENT["Einsum"](tape, node, q) or ())
        return [
            None if g is None else tape.op("Mul", name, g) for name, g in zip(node.inputs, found, strict=True)
        ]

    def batch_norm(self, tape: Tape, node: Node, relevance: str, *_: object) -> Gradients:
        """Pass unchanged, or by the epsilon rule of its affine map."""
        if self.rules.batch_norm == "pass":
            return relevance
        x = node.inputs[0]
        z = node.outputs[0]
        if self.rules.bias == "none":
            z = tape.op("Mul", x, batch_slope(tape, node))
        q = tape.op("Div", relevance, stable(tape, z, x, self.rules.epsilon))
        return tape.op("Mul", x, tape.op("Mul", q, batch_slope(tape, node)))


def _pass(_tape: Tape, _node: Node, relevance: str, *_: object) -> str:
    return relevance


def _numerator(tape: Tape, node: Node, relevance: str) -> list[str | None]:
    return [tape.sum_to(relevance, node.inputs[0], node.outputs[0]), None]


def _softmax(tape: Tape, node: Node, relevance: str) -> str:
    """Give what is masked, by scores of minus infinity, nothing."""
    y, zero = node.outputs[0], tape.number(0.0, node.outputs[0])
    x = tape.op("Where", tape.op("Equal", y, zero), zero, node.inputs[0])
    total = tape.sum(relevance, [node.get("axis", -1)])
    return tape.op("Mul", x, tape.op("Sub", relevance, tape.op("Mul", y, total)))
