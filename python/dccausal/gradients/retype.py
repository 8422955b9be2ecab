"""Changes the types of a model's numbers: half precision to single, for what follows to be computed in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def widen(model: Any, image: str) -> None:
    """
    Compute a model in float32 where it is written in float16 or bfloat16, and let its image be float32.

    Parameters
    ----------
    model
        A ModelProto, changed in place.
    image
        Name of the image input. Whatever its type was, it becomes float32: a gradient is a question about numbers
        between the whole ones.

    """
    from onnx import TensorProto

    retype(model, {TensorProto.FLOAT16: TensorProto.FLOAT, TensorProto.BFLOAT16: TensorProto.FLOAT})
    for value in model.graph.input:
        if value.name == image and value.type.tensor_type.elem_type != TensorProto.DOUBLE:
            value.type.tensor_type.elem_type = TensorProto.FLOAT


def retype(model: Any, types: Mapping[int, int]) -> None:
    """Replace types of ONNX by others in all of a ModelProto's values, constants and casts, in place."""
    graph = model.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        tensor = value.type.tensor_type
        tensor.elem_type = types.get(tensor.elem_type, tensor.elem_type)
    for tensor in graph.initializer:
        _retype_tensor(tensor, types)
    for node in graph.node:
        _retype_attributes(node.op_type, node.attribute, types)


def _retype_attributes(op: str, attributes: Iterable[Any], types: Mapping[int, int]) -> None:
    for attribute in attributes:
        if attribute.HasField("t"):
            _retype_tensor(attribute.t, types)
        elif attribute.name in ("to", "dtype", "output_dtype") and op != "QuantizeLinear":
            attribute.i = types.get(attribute.i, attribute.i)


def _retype_tensor(tensor: Any, types: Mapping[int, int]) -> None:
    from onnx import helper, numpy_helper

    wanted = types.get(tensor.data_type)
    if wanted is None:
        return
    dtype: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(wanted)
    array = numpy_helper.to_array(tensor).astype(dtype)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
