"""
The small graphs that draw masked images and read scores on a device, written without the package onnx.

They hold to operations that the CUDA provider has kernels for. It has none for shifts and bitwise operations,
which would run on the CPU: bits are unpacked by looking up each byte in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dccausal.onnx.graph.protobuf import write_bytes, write_int

_OPSET, _IR = 17, 8
# Numbers of ONNX's data types.
_TYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
}
_INT = 2  # of an attribute

Value = tuple[str, str, Sequence[int | str]]
Node = tuple[str, Sequence[str], str, Mapping[str, int]]


def compose_graph(shape: tuple[int, ...], layout: str, dtype: str) -> bytes:
    """
    Return the graph that draws masked images.

    Parameters
    ----------
    shape
        Of one image: (channels, height, width) or (height, width, channels).
    layout
        "NCHW" or "NHWC".
    dtype
        Name of the images' type.

    Returns
    -------
    bytes
        A model from ``bits`` uint8 (n, ceil(height width / 8)), as ``numpy.packbits`` has them, ``image`` and
        ``baseline`` (1 or n, *shape) to ``batch`` (n, *shape): the baseline where a bit is set. Numbers are
        copied, never computed.

    """
    height, width = shape[1:] if layout == "NCHW" else shape[:2]
    n_pixels = height * width
    n_bytes = -(-n_pixels // 8)
    plane = (-1, 1, height, width) if layout == "NCHW" else (-1, height, width, 1)
    constants = {
        "table": np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.bool_),
        "flat": np.array([-1, 8 * n_bytes]),
        "zero": np.array([0]),
        "n_pixels": np.array([n_pixels]),
        "one": np.array([1]),
        "plane": np.array(plane),
    }
    nodes: list[Node] = [
        ("Cast", ["bits"], "bytes", {"to": _TYPES["int32"]}),
        ("Gather", ["table", "bytes"], "unpacked", {"axis": 0}),
        ("Reshape", ["unpacked", "flat"], "padded", {}),
        ("Slice", ["padded", "zero", "n_pixels", "one"], "pixels", {}),
        ("Reshape", ["pixels", "plane"], "masked", {}),
        ("Where", ["masked", "baseline", "image"], "batch", {}),
    ]
    inputs: list[Value] = [
        ("bits", "uint8", ("n", n_bytes)),
        ("image", dtype, ("m", *shape)),
        ("baseline", dtype, ("m", *shape)),
    ]
    return _model("compose", nodes, inputs, [("batch", dtype, ("n", *shape))], constants)


def head_graph(dtype: str, rank: int, n_columns: int, activation: str, *, is_binary: bool) -> bytes:
    """
    Return the graph that reads scores.

    Parameters
    ----------
    dtype, rank
        Name of the type of the model's output, and its number of dimensions.
    n_columns
        Numbers a row.
    activation
        "softmax", "sigmoid" or "none".
    is_binary
        Whether the one column p becomes [1 - p, p].

    Returns
    -------
    bytes
        A model from ``output`` (n, ...) with n_columns numbers a row, and ``labels`` int64 (n,), to ``found``
        float32 (n, 3): the score of the row's label, its rank (1 for the best; among equal scores the first
        comes first), and the number of scores that are not finite.

    """
    n_classes = 2 if is_binary else n_columns
    constants = {
        "rows": np.array([-1, n_columns]),
        "axis": np.array([1]),
        "places": np.arange(n_classes),
        "first": np.array([1], np.float32),
        "largest": np.array([np.finfo(np.float32).max], np.float32),
    }
    nodes: list[Node] = [
        ("Reshape", ["output", "rows"], "numbers", {}),
        ("Cast", ["numbers"], "logits", {"to": _TYPES["float32"]}),
        {
            "softmax": ("Softmax", ["logits"], "values", {"axis": 1}),
            "sigmoid": ("Sigmoid", ["logits"], "values", {}),
            "none": ("Identity", ["logits"], "values", {}),
        }[activation],
    ]
    if is_binary:
        nodes += [
            ("Sub", ["first", "values"], "others", {}),
            ("Concat", ["others", "values"], "scores", {"axis": 1}),
        ]
    else:
        nodes += [("Identity", ["values"], "scores", {})]
    number = {"to": _TYPES["float32"]}
    nodes += [
        ("Unsqueeze", ["labels", "axis"], "column", {}),
        ("GatherElements", ["scores", "column"], "own", {"axis": 1}),
        ("Greater", ["scores", "own"], "is_better", {}),
        ("Equal", ["scores", "own"], "is_equal", {}),
        ("Less", ["places", "column"], "is_before", {}),
        ("And", ["is_equal", "is_before"], "is_ahead_of_equals", {}),
        ("Or", ["is_better", "is_ahead_of_equals"], "is_ahead", {}),
        ("Cast", ["is_ahead"], "ahead", number),
        ("ReduceSum", ["ahead", "axis"], "n_ahead", {"keepdims": 1}),
        ("Add", ["n_ahead", "first"], "rank", {}),
        ("Abs", ["scores"], "sizes", {}),
        ("LessOrEqual", ["sizes", "largest"], "is_finite", {}),
        ("Not", ["is_finite"], "is_bad", {}),
        ("Cast", ["is_bad"], "bad", number),
        ("ReduceSum", ["bad", "axis"], "n_bad", {"keepdims": 1}),
        ("Concat", ["own", "rank", "n_bad"], "found", {"axis": 1}),
    ]
    inputs: list[Value] = [
        ("output", dtype, [f"side_{axis}" for axis in range(rank)]),
        ("labels", "int64", ("n",)),
    ]
    return _model("head", nodes, inputs, [("found", "float32", ("n", 3))], constants)


def _model(
    name: str,
    nodes: Sequence[Node],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: Mapping[str, NDArray[np.generic]],
) -> bytes:
    """Return a ModelProto; numbers of fields are those of onnx.proto."""
    graph = b"".join(
        [
            *(write_bytes(1, _node(*node)) for node in nodes),
            write_bytes(2, name.encode()),
            *(write_bytes(5, _tensor(key, value)) for key, value in constants.items()),
            *(write_bytes(11, _value(*value)) for value in inputs),
            *(write_bytes(12, _value(*value)) for value in outputs),
        ]
    )
    opset = write_bytes(1, b"") + write_int(2, _OPSET)
    return write_int(1, _IR) + write_bytes(2, b"dccausal") + write_bytes(7, graph) + write_bytes(8, opset)


def _node(op: str, inputs: Sequence[str], output: str, attributes: Mapping[str, int]) -> bytes:
    parts = [write_bytes(1, name.encode()) for name in inputs]
    parts += [write_bytes(2, output.encode()), write_bytes(3, output.encode()), write_bytes(4, op.encode())]
    for name, number in attributes.items():
        parts.append(
            write_bytes(5, write_bytes(1, name.encode()) + write_int(3, number) + write_int(20, _INT))
        )
    return b"".join(parts)


def _tensor(name: str, array: NDArray[np.generic]) -> bytes:
    dims = b"".join(write_int(1, side) for side in array.shape)
    head = dims + write_int(2, _TYPES[array.dtype.name]) + write_bytes(8, name.encode())
    return head + write_bytes(9, array.astype(array.dtype.newbyteorder("<")).tobytes())


def _value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    sides = (write_bytes(2, side.encode()) if isinstance(side, str) else write_int(1, side) for side in shape)
    tensor = write_int(1, _TYPES[dtype]) + write_bytes(2, b"".join(write_bytes(1, side) for side in sides))
    return write_bytes(1, name.encode()) + write_bytes(2, write_bytes(1, tensor))
