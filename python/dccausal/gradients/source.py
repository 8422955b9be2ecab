"""The model whose output is to be explained: read, brought to one form, its image and its logits found."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dccausal.errors import ModelError, OptionError, RuntimeMissingError
from dccausal.gradients.branches import take_branches
from dccausal.gradients.functions import write_out
from dccausal.gradients.nodes import Node
from dccausal.gradients.quantised import write_quantised_out
from dccausal.gradients.retype import widen
from dccausal.gradients.trials import has_graph
from dccausal.gradients.upgrade import opset_of, upgrade

Explained = Literal["logits", "probabilities"]
EXPLAINED = ("logits", "probabilities")

# Names of what the models built here take and give.
RESERVED = ("target", "logits", "gradient", "relevance", "activation")

_IMAGE_RANK = 4
_ACTIVATIONS = ("Softmax", "LogSoftmax", "Sigmoid")
_PASSING_ON = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Dropout")
_ROUNDING = ("QuantizeLinear", "DequantizeLinear")


@dataclass
class Source:
    """
    A model in the form that the rules know: opset 16 or later, float32, no functions of its own.

    Attributes
    ----------
    model
        The ModelProto. Its nodes are those that the explained output needs, in their order.
    image
        Name of the image input.
    output
        Name of the explained output.
    nodes
        The nodes of the graph, as ``model`` has them.
    activation
        What the model ended in and was left off ("Softmax", "Sigmoid"), or None.

    """

    model: Any
    image: str
    output: str
    nodes: list[Node]
    activation: str | None

    @property
    def opset(self) -> int:
        """Version of ONNX's own operations."""
        return opset_of(self.model)


def require_onnx() -> Any:
    """
    Return the package onnx.

    Raises
    ------
    RuntimeMissingError
        If it is not installed.

    """
    try:
        import onnx
    except ImportError as error:
        raise RuntimeMissingError(
            "the package onnx is not installed, and building a gradient graph needs it; "
            "pip install 'dccausal[models]' brings it"
        ) from error
    return onnx


def read_source(
    model: str | os.PathLike[str] | bytes | Any,
    *,
    image: str | None = None,
    output: str | None = None,
    explained: Explained = "logits",
    size: tuple[int, int] | None = None,
) -> Source:
    """
    Read a model and bring it to the form that the rules know.

    Parameters
    ----------
    model
        Path of an ONNX file, its bytes, or a ModelProto (which is left as it is).
    image, output
        Names, for models with several; by default the one input of rank 4 and the first output.
    explained
        "logits" leaves off the softmax or sigmoid that the model ends in; "probabilities" keeps it, or adds a
        softmax where there is none.
    size
        (height, width) of the images, where the model leaves them open and has choices that depend on them.

    Raises
    ------
    ModelError
        If the file is no ONNX model, has several image inputs or none, or a subgraph.
    OptionError
        If a name is not there.
    RuntimeMissingError
        If the package onnx is not installed.

    """
    if explained not in EXPLAINED:
        raise OptionError(f"explained is {explained!r}; one of {', '.join(EXPLAINED)} is needed")
    proto = write_out(_load(model))
    name = _choose_image(proto, image)
    wanted = _choose_output(proto, output)
    widen(proto, name)
    if any(has_graph(node) for node in proto.graph.node):
        take_branches(proto, name, size)
        widen(proto, name)
    proto = upgrade(proto)
    write_quantised_out(proto)
    chosen = _free_names(proto, wanted)
    activation = _end(proto, chosen, explained)
    _prune(proto, chosen)
    _refuse_more_inputs(proto)
    nodes = [Node.of(node) for node in proto.graph.node]
    _refuse_subgraphs(nodes)
    return Source(proto, name, chosen, nodes, activation)


def _load(model: Any) -> Any:
    onnx = require_onnx()
    if isinstance(model, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return copy
    try:
        if isinstance(model, bytes | bytearray | memoryview):
            return onnx.load_model_from_string(bytes(model))
        return onnx.load(os.fspath(model))
    except OSError as error:
        raise ModelError(f"{model} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        what = "the bytes given" if isinstance(model, bytes) else Path(os.fspath(model)).name
        raise ModelError(f"{what}: no ONNX model ({error})") from error


def _choose_image(proto: Any, wanted: str | None) -> str:
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    names = ", ".join(value.name for value in inputs)
    if wanted is not None:
        if wanted not in {value.name for value in inputs}:
            raise OptionError(f"input is {wanted!r}; the model has {names}")
        return wanted
    if len(inputs) > 1:
        raise ModelError(
            f"the model has {len(inputs)} inputs ({names}); a gradient needs one image and no other"
        )
    found = [value.name for value in inputs if len(value.type.tensor_type.shape.dim) == _IMAGE_RANK]
    if not found:
        raise ModelError(
            f"the model has no input like a batch of images, of four dimensions; it has {names or 'none'}"
        )
    return str(found[0])


def _choose_output(proto: Any, wanted: str | None) -> str:
    names = [value.name for value in proto.graph.output]
    if wanted is None:
        return str(names[0])
    if wanted not in names:
        raise OptionError(f"output is {wanted!r}; the model has {', '.join(names)}")
    return wanted


def inner_name(name: str) -> str:
    """Return what a tensor of the model is called in the models built here."""
    return f"{name}::inner" if name in RESERVED else name


def _free_names(proto: Any, output: str) -> str:
    """Rename the tensors that are called like an input or output of the model to come; return the output's name."""
    changed = {name: inner_name(name) for name in RESERVED}
    for node in proto.graph.node:
        node.input[:] = [changed.get(name, name) for name in node.input]
        node.output[:] = [changed.get(name, name) for name in node.output]
    for named in (*proto.graph.initializer, *proto.graph.output):
        named.name = changed.get(named.name, named.name)
    return changed.get(output, output)


def _refuse_more_inputs(proto: Any) -> None:
    names = [value.name for value in proto.graph.input]
    if len(names) > 1:
        raise ModelError(
            f"the model has {len(names)} inputs ({', '.join(names)}); it can be given an image only"
        )


def _end(proto: Any, output: str, explained: Explained) -> str | None:
    """Leave off, or add, the activation at the end; return the one that was left off."""
    producers = {name: node for node in proto.graph.node for name in node.output}
    node, rounding = producers.get(output), []
    while node is not None and node.op_type in (*_PASSING_ON, *_ROUNDING) and node.input:
        if node.op_type in _ROUNDING:
            rounding.append(node)
        node = producers.get(node.input[0])
    found = node if node is not None and node.op_type in _ACTIVATIONS else None
    if explained == "probabilities":
        if found is None:
            _append_softmax(proto, output)
        return None
    if found is None:
        return None
    was = str(found.op_type)
    for left_out in (found, *rounding):  # probabilities are rounded to ranges that scores do not fit into
        left_out.op_type = "Identity"
        del left_out.input[1:]
        del left_out.attribute[:]
    return was


def _append_softmax(proto: Any, output: str) -> None:
    from onnx import helper

    inner = f"{output}::logits"
    for node in proto.graph.node:
        node.output[:] = [inner if name == output else name for name in node.output]
        node.input[:] = [inner if name == output else name for name in node.input]
    proto.graph.node.append(helper.make_node("Softmax", [inner], [output], f"{output}::softmax", axis=1))


def _prune(proto: Any, output: str) -> None:
    """Keep what the output needs, in order."""
    wanted, kept = {output}, []
    for node in reversed(list(proto.graph.node)):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    graph = proto.graph
    del graph.node[:]
    graph.node.extend(reversed(kept))
    _keep(graph.initializer, (t for t in graph.initializer if t.name in wanted))
    constants = {tensor.name for tensor in graph.initializer}
    _keep(graph.input, (v for v in graph.input if v.name not in constants))
    _keep(graph.output, (v for v in graph.output if v.name == output))


def _keep(field: Any, chosen: Iterable[Any]) -> None:
    kept = list(chosen)
    if len(kept) < len(field):
        del field[:]
        field.extend(kept)


def _refuse_subgraphs(nodes: list[Node]) -> None:
    for node in nodes:
        if node.op in ("If", "Loop", "Scan", "SequenceMap"):
            raise ModelError(
                f"{node} has a graph inside, which a gradient cannot be taken of; simplify the model first "
                "(onnxsim or onnxslim fold what does not depend on the image)"
            )
