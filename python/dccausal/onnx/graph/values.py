"""
The numbers of a graph's constants, flat: those that it holds, and those that follow from them.

Exporters write one constant in many ways: an initializer, a node that holds a tensor or bare numbers, either of them
behind a Cast or a Reshape, quantised, or computed, as Keras does of a variance (``Maximum(Sqrt(v), epsilon)``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import open_regular
from dccausal.onnx.graph import graph as og
from dccausal.onnx.graph.graph import Graph, Node, external_place
from dccausal.onnx.graph.protobuf import read_fields, read_ints

_FLOATS, _INT32, _INT64, _DOUBLES = 4, 5, 7, 10  # where a TensorProto keeps its numbers, if not as bytes
_TYPES: Mapping[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    4: np.dtype("<u2"),
    5: np.dtype("<i2"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}
_FLOAT16 = 10
_MAX_BYTES = 64 << 20  # a mean image has a value for each pixel
_MAX_WHOLE_BYTES = 1 << 20  # of those that are read one by one
_MAX_DEPTH = 8

Numbers = NDArray[np.float64]

# They change the shape or the type of a constant, and not its numbers or their order.
_AS_IT_IS = ("Cast", "CastLike", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_OF_ONE: Mapping[str, Callable[[Numbers], Numbers]] = {
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
}
_OF_TWO: Mapping[str, Callable[[Numbers, Numbers], Numbers]] = {
    "Add": np.add,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
}


def constant_values(graph: Graph, name: str, depth: int = 0) -> Numbers | None:
    """
    Return the numbers of a constant, float64 (n,), in the order of its elements; None where they cannot be told.

    Parameters
    ----------
    graph
        The model's.
    name
        Of the value.
    depth
        How many operations have been followed; few are.

    """
    tensor = graph.constants.get(name)
    if tensor is not None:
        return tensor_values(tensor, graph.folder)
    node = graph.producers.get(name)
    if node is None or depth == _MAX_DEPTH:
        return None
    if node.op == "Constant":
        return _bare(node)
    if node.op not in (*_AS_IT_IS, *_OF_ONE, *_OF_TWO, "DequantizeLinear") or not node.inputs:
        return None
    taken = node.inputs[:1] if node.op in _AS_IT_IS else node.inputs
    values = [constant_values(graph, source, depth + 1) for source in taken]
    known = [value for value in values if value is not None]
    return _computed(node.op, known) if len(known) == len(values) else None


def _computed(op: str, values: list[Numbers]) -> Numbers | None:
    first, *others = values
    if op in _AS_IT_IS:
        return first
    n = max(map(len, values))
    if any(len(value) not in (1, n) for value in values):
        return None
    with np.errstate(all="ignore"):
        if op in _OF_ONE:
            return _OF_ONE[op](first)
        if op == "DequantizeLinear":
            return (first - others[1] if len(others) > 1 else first) * others[0]
        return _OF_TWO[op](first, others[0]) if len(others) == 1 else None


def _bare(node: Node) -> Numbers | None:
    """Return the numbers that a node holds as such."""
    for name, field in (("value_float", og.ATTRIBUTE_FLOAT), ("value_floats", og.ATTRIBUTE_FLOATS)):
        attribute = node.attribute(name)
        if attribute is not None:
            parts = [bytes(v) for n, v, _ in read_fields(attribute) if n == field and not isinstance(v, int)]
            content = b"".join(parts)
            return np.frombuffer(content, "<f4").astype(np.float64) if content else None
    for name, field in (("value_int", og.ATTRIBUTE_INT), ("value_ints", og.ATTRIBUTE_INTS)):
        attribute = node.attribute(name)
        if attribute is not None:
            numbers = [i for n, v, _ in read_fields(attribute) if n == field for i in read_ints(v)]
            return np.array(numbers, np.float64) if numbers else None
    return None


def tensor_values(tensor: memoryview, folder: Path | None = None) -> Numbers | None:
    """Return the numbers of a TensorProto, flat; None for one of another type, kept outside of the folder, or empty."""
    dims: list[int] = []
    kind = 0
    raw: memoryview | None = None
    packed: list[memoryview] = []
    whole: list[int] = []
    for number, value, _ in read_fields(tensor):
        if number == og.TENSOR_DIMS:
            dims += read_ints(value)
        elif number == og.TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number in (_INT32, _INT64):
            if not isinstance(value, int) and len(value) > _MAX_WHOLE_BYTES:
                return None
            whole += read_ints(value)
        elif number == og.TENSOR_RAW and not isinstance(value, int):
            raw = value
        elif number in (_FLOATS, _DOUBLES) and not isinstance(value, int):
            packed.append(value)
    n = math.prod(dims)
    if n < 1 or kind not in _TYPES:
        return None
    if whole and raw is None:
        return _of_whole(kind, whole) if len(whole) == n else None
    content: bytes | memoryview = b"".join(packed) if raw is None else raw
    if not content and folder is not None:
        content = _external(tensor, folder, n * _TYPES[kind].itemsize)
    if len(content) > _MAX_BYTES or len(content) != n * _TYPES[kind].itemsize:
        return None
    return np.frombuffer(content, _TYPES[kind]).astype(np.float64)


def _external(tensor: memoryview, folder: Path, n_bytes: int) -> bytes:
    """Return the bytes that a TensorProto keeps in a file of the folder; none where they cannot be read."""
    told = external_place(tensor)
    place = PurePath(told.get("location", ""))
    if n_bytes > _MAX_BYTES or not place.parts or place.is_absolute() or ".." in place.parts:
        return b""
    try:
        file = (folder / place).resolve()
        if not file.is_relative_to(folder.resolve()):  # a link that leads elsewhere
            return b""
        with open_regular(file) as stream:
            stream.seek(int(told.get("offset") or 0))
            return stream.read(n_bytes)
    except (OSError, ValueError):
        return b""


def constant_type(graph: Graph, name: str) -> np.dtype[Any] | None:
    """Return the type of a constant's numbers; None for one that is computed, or of another type."""
    tensor = graph.constants.get(name)
    fields = () if tensor is None else read_fields(tensor)
    kind = next((v for n, v, _ in fields if n == og.TENSOR_TYPE and isinstance(v, int)), 0)
    return _TYPES.get(kind)


def _of_whole(kind: int, numbers: list[int]) -> Numbers:
    """Return what whole numbers stand for: themselves, or the bits of float16."""
    if kind == _FLOAT16:
        return np.array(numbers, np.uint16).view(np.float16).astype(np.float64)
    return np.array(numbers, np.float64)
