"""
Relative attributing propagation (Nam 2020), as an ONNX model.

Relevance for and against is shared out by relative influence, and shifted evenly over what received any, so that each
layer's sum is the one before. It is defined for networks of convolutions, dense layers, ReLU, pools, residual sums and
batch normalisation.

With R the relevance of a layer's output, x its input, W+ and W- the parts of its weights, and a / 0 = 0:

* The last dense layer: each input's contribution to the target's logit, the bias shared out with it; then its absolute
  values, scaled to the same sum.
* Dense layers and convolutions: P = W+ x and N = abs(W- x) where R is not 0; ``x W+'(R+ / P) + x abs(W-)'(R / (P + N))
  + D``, where D is ``x abs(W-)'(R- / N)`` in a convolution and ``x W+'(R- / P)`` in a dense layer; then the shift.
* The first convolution: the z-box rule between the image's least and greatest value.
* Pools, residual sums: by contribution.

Where inputs may be negative, as in inverted bottlenecks, this goes beyond the paper: W+ x+ + W- x- counts as P and
W- x+ + W+ x- as N, and a sum that no ReLU follows is shared by absolute values. For inputs that are not negative it is
the same.
"""

from __future__ import annotations

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.relevance.graph import Forward
from dccausal.gradients.relevance.linear import Layer, by_box, divide
from dccausal.gradients.rules import GRADIENT, RuleBook
from dccausal.gradients.rules.book import Gradients, Rule
from dccausal.gradients.tape import Tape

_PASSING = ("Relu", "Neg", "Identity", "Dropout", "Cast", "BatchNormalization", "Clip")
_MOVING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Pad")
_BY_CONTRIBUTION = ("MaxPool", "GlobalMaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")
_LAYERS = ("Conv", "Gemm", "MatMul")


class Rap:
    """The rules of one relevance graph."""

    def __init__(self, forward: Forward) -> None:
        """Find the first and last layers."""
        self.forward = forward
        self.first = forward.first_layers(_LAYERS)
        self.last = forward.source.output

    def book(self) -> RuleBook:
        """Return the rules, for ``write_backward``."""
        own: dict[str, Rule] = {op: GRADIENT[op] for op in _MOVING}
        own |= dict.fromkeys(_PASSING, _pass)
        own |= dict.fromkeys(_BY_CONTRIBUTION, _contribution)
        own |= dict.fromkeys(_LAYERS, self.layer)
        own |= {"Add": self.add, "Sum": self.add, "Sub": self.affine, "Mul": self.affine, "Div": self.affine}
        return RuleBook("relevance by RAP", own, {}, stops=True)

    def layer(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out by the rule of the layer's place."""
        if not tape.is_free(node.inputs[1]):
            raise ModelError(f"{node} multiplies two computed tensors, for which RAP has no rule; take lrp")
        layer = Layer(tape, node, has_bias=True)
        if self._is_last(node):
            return _first_step(layer, relevance)
        if node.outputs[0] in self.first:
            return _image_step(layer, relevance)
        return _step(layer, relevance, is_never_negative=self.forward.is_never_negative(tape, layer.x))

    def _is_last(self, node: Node) -> bool:
        """Whether only a reshape, or a bias that is added, lies between a layer and the output."""
        name = node.outputs[0]
        while name != self.last:
            readers = [other for other in self.forward.source.nodes if name in other.inputs]
            if len(readers) != 1 or readers[0].op not in (*_MOVING, "Identity", "Add"):
                return False
            name = readers[0].outputs[0]
        return True

    def add(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Share out a residual sum by contribution; a constant gets nothing."""
        y = node.outputs[0]
        if any(tape.is_free(name) for name in node.inputs):
            return self.affine(tape, node, relevance)
        if self._is_rectified(y):
            q = divide(tape, relevance, y, y)
            return [tape.op("Mul", name, tape.sum_to(q, name, y)) for name in node.inputs]
        sizes = [tape.op("Abs", name) for name in node.inputs]
        q = divide(tape, relevance, tape.op("Sum", *sizes), y)
        return [
            tape.op("Mul", size, tape.sum_to(q, name, y))
            for name, size in zip(node.inputs, sizes, strict=True)
        ]

    def _is_rectified(self, name: str) -> bool:
        """Whether only a ReLU reads a tensor, so that none but its positive numbers have relevance."""
        readers = [node for node in self.forward.source.nodes if name in node.inputs]
        return all(node.op in ("Relu", "Clip") for node in readers)

    def affine(self, tape: Tape, node: Node, relevance: str) -> Gradients:
        """Pass unchanged what is computed with a constant."""
        computed = [name for name in node.inputs if not tape.is_free(name)]
        if len(computed) > 1:
            raise ModelError(f"{node} combines two computed tensors, for which RAP has no rule; take lrp")
        y = node.outputs[0]
        return [tape.sum_to(relevance, name, y) if name in computed else None for name in node.inputs]


def _pass(_tape: Tape, _node: Node, relevance: str, *_: object) -> str:
    return relevance


def _contribution(tape: Tape, node: Node, relevance: str, *_: object) -> str:
    x, y = node.inputs[0], node.outputs[0]
    back = GRADIENT[node.op](tape, node, divide(tape, relevance, y, y))
    return tape.op("Mul", x, str(back))


def _axes(tape: Tape, name: str) -> list[int]:
    return list(range(1, tape.rank(name)))


def _first_step(layer: Layer, relevance: str) -> str:
    """Share out the target's logit, and give it the sign of the logit everywhere."""
    tape, x, z = layer.tape, layer.x, layer.forward(layer.x, layer.weight)
    contributions = layer.times(x, layer.back(divide(tape, relevance, z, x), layer.weight))
    axes, sizes = _axes(tape, x), tape.op("Abs", contributions)
    total = tape.sum(contributions, axes)
    return layer.times(divide(tape, sizes, tape.sum(sizes, axes), x), total)


def _image_step(layer: Layer, relevance: str) -> str:
    tape, x = layer.tape, layer.x
    axes = _axes(tape, x)
    low, high = (
        tape.expand_like(tape.reduce(op, x, axes, keepdims=True), x) for op in ("ReduceMin", "ReduceMax")
    )
    return by_box(layer, relevance, low, high, 0.0)


def _step(layer: Layer, relevance: str, *, is_never_negative: bool) -> str:
    tape, x = layer.tape, layer.x
    up, down = layer.above(layer.weight), layer.below(layer.weight)
    pairs = [(x, up, down)] if is_never_negative else [(layer.above(x), up, down), (layer.below(x), down, up)]
    counted = tape.op("Not", tape.op("Equal", relevance, tape.number(0.0, x)))
    for_it = tape.mask(layer.plus(*[layer.forward(part, own) for part, own, _ in pairs]), counted, x)
    less = layer.plus(*[layer.forward(part, other) for part, _, other in pairs])
    against = tape.mask(tape.op("Abs", less), counted, x)
    good, bad = layer.above(relevance), layer.below(relevance)
    both = divide(tape, relevance, layer.plus(for_it, against), x)
    if layer.node.op == "Conv":
        first, second = divide(tape, good, for_it, x), layer.plus(both, divide(tape, bad, against, x))
    else:
        first, second = divide(tape, relevance, for_it, x), both
    found = [
        layer.times(tape.op("Abs", part), tape.op("Add", layer.back(first, size), layer.back(second, other)))
        for part, own, opposed in pairs
        for size, other in [(tape.op("Abs", own), tape.op("Abs", opposed))]
    ]
    return _shifted(layer, layer.plus(*found), relevance)


def _shifted(layer: Layer, found: str, relevance: str) -> str:
    """Spread what is too much evenly over what received any."""
    tape, x = layer.tape, layer.x
    axes = _axes(tape, x)
    received = tape.cast(tape.op("Not", tape.op("Equal", found, tape.number(0.0, x))), x)
    wanted = tape.sum(relevance, _axes(tape, layer.node.outputs[0]))
    if tape.rank(layer.node.outputs[0]) != tape.rank(x):
        wanted = tape.op("Reshape", wanted, tape.constant([-1] + [1] * (tape.rank(x) - 1)))
    excess = tape.op("Sub", tape.sum(found, axes), wanted)
    each = divide(tape, excess, tape.sum(received, axes), x)
    return tape.op("Sub", found, layer.times(received, each))
