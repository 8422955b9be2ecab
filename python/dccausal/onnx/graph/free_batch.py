"""
Setting a model free that was exported for one fixed batch size, most often 1.

Three things tie a graph to its batch size: the first dimension of its input and outputs, the constant shapes of
its Reshape operations, and constants that are joined to the rows of images, as the class token of a vision
transformer. All are changed here; shapes recorded in between are dropped, ONNX Runtime infers them again.

This is a guess about what the graph means, so a patched model is believed only after ``agrees`` has compared its
answers with the original's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.onnx.graph import graph as og
from dccausal.onnx.graph.protobuf import read_fields, read_ints, read_text, rewrite, write_bytes, write_int

_BATCH = b"dccausal_batch"
_VALUE_TYPE, _TENSOR_TYPE, _SHAPE, _DIM, _DIM_VALUE, _DIM_PARAM = 2, 1, 2, 1, 1, 2
_TENSOR_ATTRIBUTE, _INT_ATTRIBUTE = 4, 2
_PREFIX = "dccausal_repeated_"
_VALUE_NAME = 1
_MIN_DIFFERENT, _MAX_DIFFERENT = 3, 4
_MIN_DISTANCE = 1e-3  # of the largest score
_TOLERANCE = 0.02  # of the smallest distance between the answers compared


def free_batch(model: memoryview, graph: og.Graph, input_name: str, fixed: int) -> bytes:
    """
    Return the model with its batch dimension left open.

    Parameters
    ----------
    model
        A serialised ModelProto whose weights are all in it.
    graph
        ``Graph.read(model)``.
    input_name
        The image input.
    fixed
        Its first dimension.

    """
    shapes = _shape_constants(graph, fixed)
    joined, repeats = _joined_constants(graph) if fixed == 1 else ({}, [])

    def change_value(value: memoryview) -> bytes:
        return rewrite(value, {_VALUE_TYPE: lambda t: rewrite(t, {_TENSOR_TYPE: change_tensor_type})})

    def change_tensor_type(tensor: memoryview) -> bytes:
        return rewrite(tensor, {_SHAPE: lambda shape: _open_first(shape, fixed)})

    def change_input(value: memoryview) -> bytes:
        name = next((read_text(v) for n, v, _ in read_fields(value) if n == _VALUE_NAME), "")
        return change_value(value) if name == input_name else bytes(value)

    def change_initializer(tensor: memoryview) -> bytes:
        name, _ = og.read_int64s(tensor) or ("", [])
        return _tensor(name, shapes[name]) if name in shapes else bytes(tensor)

    def change_node(message: memoryview) -> bytes:
        node = og.Node.read(message)
        if node.op == "Concat" and node.outputs[0] in joined:
            return _with_inputs(message, joined[node.outputs[0]])
        if node.op != "Constant" or node.outputs[0] not in shapes:
            return bytes(message)
        return _constant_node(node.outputs[0], shapes[node.outputs[0]])

    changes: dict[int, Callable[[memoryview], bytes | None]] = {
        og.GRAPH_NODE: change_node,
        og.GRAPH_INITIALIZER: change_initializer,
        og.GRAPH_INPUT: change_input,
        og.GRAPH_OUTPUT: change_value,
        og.GRAPH_VALUE_INFO: lambda _: None,
    }
    added = b"".join(write_bytes(og.GRAPH_NODE, node) for node in repeats)
    return rewrite(model, {og.MODEL_GRAPH: lambda message: rewrite(message, changes) + added})


def agrees(
    single: Callable[[NDArray[Any]], NDArray[Any]],
    batched: Callable[[NDArray[Any]], NDArray[Any]],
    tensors: NDArray[Any],
) -> bool:
    """
    Return whether a patched model gives the answers of the original, in batches of several sizes and orders.

    Parameters
    ----------
    single
        The original: a tensor (n, ...) to answers (n, classes), asked in its own batch size.
    batched
        The patched model, all in one run; may raise whatever ONNX Runtime raises.
    tensors
        Varied inputs (n, ...). Only those that the original tells apart count: if it gives all the same
        answer, rows that are mixed up would not be noticed, and the answer is False.

    """
    answers = single(tensors).astype(np.float64)
    chosen = _different(answers)
    if len(chosen) < _MIN_DIFFERENT:
        return False
    expected = answers[chosen]
    distances = np.abs(expected[:, None] - expected[None]).max(axis=2)
    allowed = _TOLERANCE * distances[~np.eye(len(chosen), dtype=bool)].min()
    orders = (chosen, chosen[::-1], chosen[:2], chosen[1:_MIN_DIFFERENT], chosen[:1])
    for order in orders:
        try:
            given = batched(tensors[order])
        except Exception:  # noqa: BLE001  a graph that cannot be freed fails here in ONNX Runtime's own ways
            return False
        wanted = answers[order]
        if given.shape != wanted.shape or not np.abs(given - wanted).max() <= allowed:
            return False
    return True


def _different(answers: NDArray[np.float64]) -> list[int]:
    """Return indices of up to four answers, the first and others that lie far from it and each other."""
    smallest = _MIN_DISTANCE * max(1e-6, float(np.abs(answers).max()))
    chosen = [0]
    nearest = np.abs(answers - answers[0]).max(axis=1)
    while len(chosen) < _MAX_DIFFERENT and nearest.max() > smallest:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.abs(answers - answers[chosen[-1]]).max(axis=1))
    return chosen


def _shape_constants(graph: og.Graph, fixed: int) -> dict[str, list[int]]:
    """
    Return the new values of the constants that are the shapes of Reshape operations, by name.

    A shape without a -1 gets one in front: right if that dimension is the batch or a multiple of it, harmless
    if the data has nothing to do with the batch. One that has its -1 further back gets a 0 there, "as in the
    input".
    """
    constants = dict(filter(None, map(og.read_int64s, graph.initializers)))
    for node in graph.nodes:
        if node.op == "Constant" and (values := _constant_values(node)) is not None:
            constants[node.outputs[0]] = values
    as_shape = {n.inputs[1] for n in graph.nodes if n.op == "Reshape" and len(n.inputs) == 2}  # noqa: PLR2004
    changed = {}
    for name in as_shape:
        values = constants.get(name)
        if not values:
            continue
        if -1 not in values:
            changed[name] = [-1, *values[1:]]
        elif values[0] == fixed:
            changed[name] = [0, *values[1:]]
    return changed


def _joined_constants(graph: og.Graph) -> tuple[dict[str, list[str]], list[bytes]]:
    """
    Return the inputs of each Concat that joins a constant of one row to computed rows, and the nodes that repeat it.

    The constant is repeated as often as the computed rows are many. Concats along the rows stay as they are.
    """
    joined: dict[str, list[str]] = {}
    repeats: list[bytes] = []
    for node in graph.nodes:
        rows = [name for name in node.inputs if name not in graph.constants]
        if node.op != "Concat" or not rows or _axis(node) == 0:
            continue
        inputs = list(node.inputs)
        for place, name in enumerate(inputs):
            dims = _dims(graph.constants.get(name))
            if len(dims) > 1 and dims[0] == 1:
                inputs[place] = f"{_PREFIX}{len(repeats)}_{node.outputs[0]}"
                repeats += _repeat(name, rows[0], inputs[place], len(dims))
        if inputs != list(node.inputs):
            joined[node.outputs[0]] = inputs
    return joined, repeats


def _axis(node: og.Node) -> int:
    """Return the axis that a Concat joins along."""
    attribute = node.attribute("axis")
    values = () if attribute is None else read_fields(attribute)
    return next((read_ints(v)[0] for n, v, _ in values if n == og.ATTRIBUTE_INT and isinstance(v, int)), 0)


def _dims(tensor: memoryview | None) -> list[int]:
    values = () if tensor is None else read_fields(tensor)
    return [side for number, value, _ in values if number == og.TENSOR_DIMS for side in read_ints(value)]


def _repeat(constant: str, rows: str, output: str, rank: int) -> list[bytes]:
    """Return the nodes that give a constant as many rows as another value has."""
    names = [f"{output}_{part}" for part in ("shape", "zero", "number", "ones", "sides")]
    shape, zero, number, ones, sides = names
    return [
        _plain_node("Shape", [rows], shape),
        _constant_node(zero, [0]),
        _plain_node("Gather", [shape, zero], number),
        _constant_node(ones, [1] * (rank - 1)),
        _plain_node("Concat", [number, ones], sides, axis=0),
        _plain_node("Expand", [constant, sides], output),
    ]


def _plain_node(op: str, inputs: Sequence[str], output: str, **attributes: int) -> bytes:
    parts = [write_bytes(og.NODE_INPUT, name.encode()) for name in inputs]
    parts += [write_bytes(og.NODE_OUTPUT, output.encode()), write_bytes(og.NODE_OP, op.encode())]
    for name, value in attributes.items():
        content = write_bytes(og.ATTRIBUTE_NAME, name.encode()) + write_int(og.ATTRIBUTE_INT, value)
        parts.append(write_bytes(og.NODE_ATTRIBUTE, content + write_int(og.ATTRIBUTE_TYPE, _INT_ATTRIBUTE)))
    return b"".join(parts)


def _with_inputs(message: memoryview, inputs: Sequence[str]) -> bytes:
    """Return a NodeProto with other inputs."""
    others = [bytes(raw) for number, _, raw in read_fields(message) if number != og.NODE_INPUT]
    return b"".join([*(write_bytes(og.NODE_INPUT, name.encode()) for name in inputs), *others])


def _constant_values(node: og.Node) -> list[int] | None:
    """Return the int64 values that a Constant operation holds, as a tensor or as a list; None for others."""
    for attribute in node.attributes:
        ints: list[int] = []
        for number, value, _ in read_fields(attribute):
            if number == og.ATTRIBUTE_TENSOR and not isinstance(value, int):
                constant = og.read_int64s(value)
                return constant[1] if constant else None
            if number == og.ATTRIBUTE_INTS:
                ints += read_ints(value)
        if ints:
            return ints
    return None


def _open_first(shape: memoryview, fixed: int) -> bytes:
    """Return the TensorShapeProto with its first dimension open, if that is the batch."""
    parts = [bytes(raw) for _, _, raw in read_fields(shape)]
    first = next((value for _, value, _ in read_fields(shape)), 0)
    if not isinstance(first, int) and any(n == _DIM_VALUE and v == fixed for n, v, _ in read_fields(first)):
        parts[0] = write_bytes(_DIM, write_bytes(_DIM_PARAM, _BATCH))
    return b"".join(parts)


def _tensor(name: str, values: Sequence[int]) -> bytes:
    raw = b"".join(value.to_bytes(8, "little", signed=True) for value in values)
    return (
        write_int(og.TENSOR_DIMS, len(values))
        + write_int(og.TENSOR_TYPE, og.INT64)
        + write_bytes(og.TENSOR_NAME, name.encode())
        + write_bytes(og.TENSOR_RAW, raw)
    )


def _constant_node(output: str, values: Sequence[int]) -> bytes:
    attribute = (
        write_bytes(og.ATTRIBUTE_NAME, b"value")
        + write_bytes(og.ATTRIBUTE_TENSOR, _tensor("", values))
        + write_int(og.ATTRIBUTE_TYPE, _TENSOR_ATTRIBUTE)
    )
    return (
        write_bytes(og.NODE_OUTPUT, output.encode())
        + write_bytes(og.NODE_OP, b"Constant")
        + write_bytes(og.NODE_ATTRIBUTE, attribute)
    )
