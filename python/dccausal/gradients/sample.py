"""
What a graph's tensors are like: types and shapes, and the values that do not depend on what the image shows.

Exporters compute shapes inside the graph, in a dozen ways. They are not interpreted here: ONNX Runtime runs the model
on a few random images, once for each size that is left open, and what differs between the runs is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import InputError, ModelError
from dccausal.gradients.source import Source
from dccausal.gradients.trials import image_free, trial_shapes

Shape = tuple[int | None, ...]

_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


@dataclass(frozen=True)
class Sample:
    """
    What was seen.

    Attributes
    ----------
    shapes
        Of each tensor; None for a dimension that depends on the number or the size of the images.
    dtypes
        NumPy's name of each tensor's type.
    values
        Of the tensors that depend on nothing, or on shapes that are fixed.
    image_free
        Names of the tensors that do not depend on what the image shows.
    sizes
        Shapes of the tensors of the first image.

    """

    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]
    values: Mapping[str, NDArray[Any]]
    image_free: frozenset[str]
    sizes: Mapping[str, tuple[int, ...]]


def take_sample(source: Source, size: tuple[int, int] | None = None) -> Sample:
    """
    Run a model on random images, and see.

    Parameters
    ----------
    source
        The model.
    size
        (height, width) of the images, where the model leaves them open; 224 x 224 by default.

    Raises
    ------
    ModelError
        If ONNX Runtime cannot load or run the model.

    """
    free = image_free(source.model.graph)
    session, wanted = _open(source, free)
    given = session.get_inputs()[0]
    dtypes = {value.name: _dtype(value.type) for value in (*session.get_inputs(), *session.get_outputs())}
    runs = []
    for shape in trial_shapes(given.shape, size):
        try:
            runs.append(_run(session, source, shape, wanted, dtypes))
        except InputError:
            if not runs:
                raise
    return _merge(runs, dtypes, free, source)


def _open(source: Source, free: frozenset[str]) -> tuple[Any, list[str]]:
    """Return a session of the model whose outputs are all tensors, and their shapes."""
    import onnx
    import onnxruntime as ort

    model = source.model
    n_nodes, n_outputs = len(model.graph.node), len(model.graph.output)
    wanted = []
    try:
        for node in source.nodes:
            for name in filter(None, node.outputs):
                if name != source.output:
                    model.graph.output.append(onnx.ValueInfoProto(name=name))
                if name in free:
                    wanted.append(name)
                else:
                    shape = _shape_name(name)
                    model.graph.node.append(onnx.helper.make_node("Shape", [name], [shape]))
                    model.graph.output.append(onnx.ValueInfoProto(name=shape))
                    wanted.append(shape)
        payload = model.SerializeToString()
    finally:
        del model.graph.node[n_nodes:]
        del model.graph.output[n_outputs:]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.enable_cpu_mem_arena = False
    try:
        return ort.InferenceSession(payload, options, providers=["CPUExecutionProvider"]), wanted
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot load the model in float32: {error}") from error


def _shape_name(name: str) -> str:
    return f"{name}::shape of"


def _dtype(kind: str) -> str:
    name = kind.removeprefix("tensor(").removesuffix(")")
    return _TYPES.get(kind, name)


def run_node(
    op: str, inputs: Sequence[NDArray[Any]], attributes: Mapping[str, Any], opset: int
) -> NDArray[Any]:
    """Return what ONNX Runtime makes of arrays by one operation of one output."""
    import onnxruntime as ort
    from onnx import ValueInfoProto, helper

    names = [f"input_{index}" for index in range(len(inputs))]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["output"], **attributes)],
        op,
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(names, inputs, strict=True)
        ],
        [ValueInfoProto(name="output")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return found


@dataclass(frozen=True)
class _Run:
    shapes: dict[str, tuple[int, ...]]
    values: dict[str, NDArray[Any]]


def _run(
    session: Any, source: Source, shape: tuple[int, ...], wanted: list[str], dtypes: Mapping[str, str]
) -> _Run:
    image = np.random.default_rng(0).random(shape).astype(dtypes[source.image])
    try:
        found = dict(zip(wanted, session.run(wanted, {source.image: image}), strict=True))
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot run the model on images {shape}: {error}") from error
    run = _Run({source.image: shape}, {})
    for node in source.nodes:
        for name in filter(None, node.outputs):
            if name in found:
                run.values[name] = found[name]
                run.shapes[name] = np.shape(found[name])
            else:
                run.shapes[name] = tuple(int(n) for n in found[_shape_name(name)])
    return run


def _merge(runs: list[_Run], dtypes: dict[str, str], free: frozenset[str], source: Source) -> Sample:
    from onnx import numpy_helper

    first = runs[0]
    shapes: dict[str, Shape] = {}
    for name, shape in first.shapes.items():
        others = [run.shapes[name] for run in runs[1:]]
        shapes[name] = tuple(
            n if all(len(other) == len(shape) and other[axis] == n for other in others) else None
            for axis, n in enumerate(shape)
        )
    values = {
        name: value
        for name, value in first.values.items()
        if all(np.array_equal(value, run.values[name]) for run in runs[1:])
    }
    for tensor in source.model.graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
        dtypes[tensor.name] = _tensor_dtype(tensor)
        values[tensor.name] = _Lazy(tensor, numpy_helper.to_array)  # type: ignore[assignment]
    return Sample(shapes, dtypes, values, free, first.shapes)


def _tensor_dtype(tensor: Any) -> str:
    from onnx import helper

    return str(helper.tensor_dtype_to_np_dtype(tensor.data_type))


@dataclass(frozen=True)
class _Lazy:
    """An initializer that is read only when a rule asks for its numbers."""

    tensor: Any
    read: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        array: NDArray[Any] = self.read(self.tensor)
        return array if dtype is None else array.astype(dtype)
