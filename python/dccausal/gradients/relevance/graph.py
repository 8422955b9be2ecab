"""What relevance asks of the forward graph: who made a tensor, whether it can be negative, what gates what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.gradients.nodes import Node
from dccausal.gradients.source import Source
from dccausal.gradients.tape import Tape

_NEVER_NEGATIVE = {
    "Relu",
    "Sigmoid",
    "HardSigmoid",
    "Softmax",
    "Abs",
    "Sqrt",
    "Exp",
    "Softplus",
    "ThresholdedRelu",
}
_KEEPING_SIGN = {
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum"),
    *(
        "Concat",
        "Add",
        "Sum",
        "Mul",
        "Reshape",
        "Flatten",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Slice",
    ),
    *("Split", "Expand", "Gather", "Dropout", "DepthToSpace", "Tile", "Cast"),
}
_GATES = {"Sigmoid", "HardSigmoid", "Erf", "Tanh", "Softmax"}
_OF_ONE_TENSOR = {
    *(
        "Reshape",
        "Flatten",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Expand",
        "Identity",
        "Slice",
        "Split",
        "Resize",
    ),
    *("Tile", "Gather"),
}
_WITH_A_CONSTANT = {"Add", "Sub", "Mul", "Div"}


class Forward:
    """
    Questions about the forward graph.

    Parameters
    ----------
    source
        The model.

    """

    def __init__(self, source: Source) -> None:
        """Index the nodes by their outputs."""
        self.source = source
        self.makers: dict[str, Node] = {name: node for node in source.nodes for name in node.outputs}

    def maker(self, name: str) -> Node | None:
        """Return the node that makes a tensor, None for an input or a weight."""
        return self.makers.get(name)

    def is_never_negative(self, tape: Tape, name: str) -> bool:
        """Whether a tensor has no value below 0, as far as its makers tell."""
        if tape.is_free(name):
            value = tape.value(name)
            return value is not None and value.size > 0 and bool(np.min(value) >= 0)
        node = self.maker(name)
        if node is None:
            return False
        if node.op == "Clip":
            low = tape.value(node.input(1)) if node.input(1) else None
            return low is not None and bool(low >= 0)
        if node.op in _NEVER_NEGATIVE:
            return True
        inputs = node.inputs if node.op in ("Concat", "Add", "Sum", "Mul") else node.inputs[:1]
        if node.op == "Pad":
            inputs = (node.inputs[0], *filter(None, [node.input(2)]))
            return node.get("mode", "constant") != "constant" or all(
                self.is_never_negative(tape, n) for n in inputs
            )
        return node.op in _KEEPING_SIGN and all(self.is_never_negative(tape, n) for n in inputs)

    def is_gate(self, tape: Tape, name: str) -> bool:
        """Whether a tensor says how much of another passes: a sigmoid, a softmax, or the bounded part of a GELU."""
        node = self.maker(name)
        while node is not None:
            if node.op in _GATES or self._is_hard_sigmoid(tape, node):
                return True
            if node.op in _OF_ONE_TENSOR:
                name = node.inputs[0]
            elif node.op in _WITH_A_CONSTANT:
                computed = [n for n in node.inputs if not tape.is_free(n)]
                if len(computed) != 1:
                    return False
                (name,) = computed
            else:
                return False
            node = self.maker(name)
        return False

    def is_inverse(self, tape: Tape, name: str) -> bool:
        """Whether a tensor is one divided by another, as norms are exported that a product divides by."""
        node = self.maker(name)
        while node is not None and node.op in _OF_ONE_TENSOR:
            node = self.maker(node.inputs[0])
        if node is None or node.op not in ("Reciprocal", "Div", "Pow"):
            return False
        if node.op == "Pow":
            power = tape.value(node.inputs[1])
            return power is not None and bool(np.all(power < 0))
        return node.op == "Reciprocal" or tape.is_free(node.inputs[0])

    def _is_hard_sigmoid(self, tape: Tape, node: Node) -> bool:
        """Whether a node is the bounded part of a hard sigmoid that is taken apart: a constant is added before it."""
        if node.op != "Clip" or not (node.input(1) and node.input(2)):
            return False
        shifted = self.maker(node.inputs[0])
        if shifted is None or shifted.op != "Add":
            return False
        added = [tape.value(name) for name in shifted.inputs if tape.is_free(name)]
        return any(value is not None and value.size == 1 for value in added)

    def is_own_mean(self, name: str, of: str) -> bool:
        """Whether a tensor is the mean of another, which layer normalisation takes off."""
        node = self.maker(name)
        return node is not None and node.op == "ReduceMean" and node.inputs[0] == of

    def first_layers(self, ops: Iterable[str]) -> frozenset[str]:
        """Return the outputs of the layers that the image reaches through no other layer of these operations."""
        kinds = set(ops)
        fresh, found = {self.source.image}, set()
        for node in self.source.nodes:
            if not fresh & set(node.inputs):
                continue
            if node.op in kinds:
                found.add(node.outputs[0])
            else:
                fresh.update(node.outputs)
        return frozenset(found)

    def replay(self, tape: Tape, name: str, known: Mapping[str, str]) -> str:
        """Write once more what makes a tensor, with other tensors in place of some; return its name."""
        found = dict(known)
        for node in self._needed(name, set(known)):
            inputs = [found.get(n, n) for n in node.inputs]
            outputs = tape.outputs(node.op, *inputs, n=len(node.outputs), **node.attributes)
            found.update(zip(node.outputs, outputs, strict=True))
        return found.get(name, name)

    def _needed(self, name: str, known: set[str]) -> list[Node]:
        after = set(known)
        for node in self.source.nodes:
            if after & set(node.inputs):
                after.update(node.outputs)
        wanted, kept = {name}, []
        for node in reversed(self.source.nodes):
            if wanted & set(node.outputs) and after & set(node.outputs) and not known & set(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return kept[::-1]


def fold_batch_norms(source: Source) -> None:
    """
    Multiply each BatchNormalization behind a convolution or dense layer into it, where nothing else reads between.

    The source is changed in place. One that follows something else stays.
    """
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in source.model.graph.initializer}
    readers: dict[str, int] = {source.output: 1}
    for node in source.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    makers = {name: (index, node) for index, node in enumerate(source.nodes) for name in node.outputs}
    for at, norm in enumerate(source.nodes):
        index, layer = makers.get(norm.inputs[0], (0, None)) if norm.op == "BatchNormalization" else (0, None)
        if layer is None or layer.op not in ("Conv", "Gemm") or readers[norm.inputs[0]] > 1:
            continue
        if layer.get("transA", 0) or not all(n in constants for n in (*norm.inputs[1:5], *layer.inputs[1:])):
            continue
        arrays = [numpy_helper.to_array(constants[n]) for n in (*layer.inputs[1:], *norm.inputs[1:5])]
        weight, bias = _folded(layer, norm, arrays)
        names = [f"{norm.outputs[0]}::{part}" for part in ("weight", "bias")]
        source.model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for array, name in zip((weight, bias), names, strict=True)
        )
        _replace(source, index, at, names)


def _folded(layer: Node, norm: Node, arrays: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    weight, *more, scale, shift, mean, variance = (array.astype(np.float64) for array in arrays)
    factor = scale / np.sqrt(variance + norm.get("epsilon", 1e-5))
    axis = 0 if layer.op == "Conv" or layer.get("transB", 0) else 1
    along = [1] * weight.ndim
    along[axis] = -1
    bias = more[0] * layer.get("beta", 1.0) if more else 0.0
    folded_bias = ((bias - mean) * factor + shift) / (layer.get("beta", 1.0) if layer.op == "Gemm" else 1.0)
    dtype = arrays[0].dtype
    return (weight * factor.reshape(along)).astype(dtype), folded_bias.astype(dtype)


def _replace(source: Source, index: int, at: int, names: list[str]) -> None:
    """Let a layer have other weights, and the output of the normalisation that was folded into it."""
    layer, norm = source.nodes[index], source.nodes[at]
    source.nodes[index] = Node(
        layer.op, layer.name, (layer.inputs[0], *names), norm.outputs[:1], layer.attributes
    )
    source.nodes[at] = Node("Identity", norm.name, norm.outputs[:1], norm.inputs[:1])
    proto, behind = source.model.graph.node[index], source.model.graph.node[at]
    proto.input[:] = source.nodes[index].inputs
    proto.output[:] = norm.outputs[:1]
    behind.op_type = "Identity"
    behind.input[:] = norm.outputs[:1]
    behind.output[:] = norm.inputs[:1]
    del behind.attribute[:]
