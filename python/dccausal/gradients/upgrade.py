"""
Brings models of opsets 7 to 15 to opset 17, so that the rules need to know one form of an operation.

What changed in between are attributes that became inputs, defaults of Softmax, and Upsample, which became Resize.
The converter of the package onnx knows the same, and fails on a graph as soon as one of its operations is unknown to
it; it is asked for opsets below 7 only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node

TARGET = 17
_OLDEST = 7


def upgrade(model: Any) -> Any:
    """
    Return the model at opset 16 or later.

    Parameters
    ----------
    model
        A ModelProto; it is changed in place where its opset lies from 7 to 15.

    Raises
    ------
    ModelError
        If its opset is older than 7 and cannot be converted.

    """
    opset = opset_of(model)
    if opset >= TARGET - 1:
        return model
    if opset < _OLDEST:
        model = _convert(model, opset)
        opset = opset_of(model)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for proto in nodes:
        model.graph.node.extend(_upgraded(proto, opset, model.graph))
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = TARGET
    return model


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operations that a ModelProto speaks."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def _convert(model: Any, opset: int) -> Any:
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, _OLDEST)
    except Exception as error:
        raise ModelError(
            f"the model has opset {opset}, and the package onnx cannot raise it to {_OLDEST} ({error}); "
            "export it again with opset 16 or later"
        ) from error


def _upgraded(proto: Any, opset: int, graph: Any) -> Iterator[Any]:
    change = _CHANGES.get(proto.op_type) if proto.domain in ("", "ai.onnx") else None
    if change is None:
        yield proto
    else:
        yield from change(proto, Node.of(proto), opset, graph)


def _constant(graph: Any, name: str, value: Any) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def _without(proto: Any, *names: str) -> None:
    kept = [attribute for attribute in proto.attribute if attribute.name not in names]
    del proto.attribute[:]
    proto.attribute.extend(kept)


def _to_inputs(**dtypes: Any) -> Callable[..., Iterator[Any]]:
    """Return a change that makes inputs, from the second on, of attributes."""

    def change(proto: Any, node: Node, _opset: int, graph: Any) -> Iterator[Any]:
        given = {name: node.get(name) for name in dtypes}
        if any(value is not None for value in given.values()):
            first = proto.input[0]
            del proto.input[:]
            proto.input.append(first)
            for name, dtype in dtypes.items():
                value = given[name]
                filled = "" if value is None else f"{node.outputs[0]}::{name}"
                if filled:
                    _constant(graph, filled, np.asarray(value, dtype))
                proto.input.append(filled)
            _without(proto, *dtypes)
        yield proto

    return change


def _slice(proto: Any, node: Node, _opset: int, graph: Any) -> Iterator[Any]:
    if node.get("starts") is not None:
        axes = node.get("axes") or list(range(len(node.get("starts"))))
        for name, value in (("starts", node.get("starts")), ("ends", node.get("ends")), ("axes", axes)):
            proto.input.append(_constant(graph, f"{node.outputs[0]}::{name}", np.asarray(value, np.int64)))
        _without(proto, "starts", "ends", "axes")
    yield proto


def _softmax(proto: Any, node: Node, opset: int, _graph: Any) -> Iterator[Any]:
    """Before opset 13, all axes from the given one on are flattened into one."""
    from onnx import helper

    axis = node.get("axis", 1) if opset < 13 else node.get("axis", -1)  # noqa: PLR2004
    _without(proto, "axis")
    if opset >= 13:  # noqa: PLR2004
        proto.attribute.append(helper.make_attribute("axis", axis))
        yield proto
        return
    given, result = proto.input[0], proto.output[0]
    flat, scores, shape = (f"{result}::{name}" for name in ("flat", "scores", "shape"))
    yield helper.make_node("Flatten", [given], [flat], f"{node.name}::flatten", axis=axis)
    proto.input[0], proto.output[0] = flat, scores
    proto.attribute.append(helper.make_attribute("axis", -1))
    yield proto
    yield helper.make_node("Shape", [given], [shape], f"{node.name}::shape")
    yield helper.make_node("Reshape", [scores, shape], [result], f"{node.name}::reshape")


def _upsample(proto: Any, node: Node, _opset: int, graph: Any) -> Iterator[Any]:
    from onnx import helper

    scales = node.input(1)
    if node.get("scales") is not None:
        scales = _constant(graph, f"{node.outputs[0]}::scales", np.asarray(node.get("scales"), np.float32))
    yield _resize_node(helper, proto, node, scales)


def _resize(proto: Any, node: Node, opset: int, _graph: Any) -> Iterator[Any]:
    from onnx import helper

    if opset < 11:  # noqa: PLR2004
        yield _resize_node(helper, proto, node, node.input(1))
    else:
        yield proto


def _resize_node(helper: Any, proto: Any, node: Node, scales: str) -> Any:
    mode = node.get("mode", "nearest")
    return helper.make_node(
        "Resize",
        [proto.input[0], "", scales],
        list(proto.output),
        node.name,
        mode="linear" if mode in ("linear", "bilinear") else mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _scatter(proto: Any, _node: Node, _opset: int, _graph: Any) -> Iterator[Any]:
    proto.op_type = "ScatterElements"
    yield proto


def _top_k(proto: Any, node: Node, _opset: int, graph: Any) -> Iterator[Any]:
    if node.get("k") is not None:
        proto.input.append(_constant(graph, f"{node.outputs[0]}::k", np.array([node.get("k")], np.int64)))
        _without(proto, "k")
    yield proto


def _inference(proto: Any, node: Node, _opset: int, _graph: Any) -> Iterator[Any]:
    """Of Dropout and BatchNormalization, keep what they do once a model is trained."""
    del proto.output[1:]
    if node.op == "Dropout":
        proto.op_type = "Identity"
        del proto.input[1:]
        del proto.attribute[:]
    else:
        _without(proto, "spatial", "is_test", "momentum", "consumed_inputs")
    yield proto


_INTS = np.int64
_CHANGES: dict[str, Callable[..., Iterator[Any]]] = {
    "Squeeze": _to_inputs(axes=_INTS),
    "Unsqueeze": _to_inputs(axes=_INTS),
    "ReduceSum": _to_inputs(axes=_INTS),
    "Split": _to_inputs(split=_INTS),
    "Clip": _to_inputs(min=np.float32, max=np.float32),
    "Pad": _to_inputs(pads=_INTS, value=np.float32),
    "Slice": _slice,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Upsample": _upsample,
    "Resize": _resize,
    "Scatter": _scatter,
    "TopK": _top_k,
    "Dropout": _inference,
    "BatchNormalization": _inference,
}
