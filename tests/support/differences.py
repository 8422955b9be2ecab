"""Gradients by central differences in float64, of small models around the operation that is tested."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import reject
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from dccausal.gradients import gradient_model
from dccausal.gradients.retype import retype

N_CLASSES = 2
STEP = 1e-6


def node(op, *inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), f"{op}_{outputs[0]}", **attributes)


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def small_model(nodes, shape, constants=None, *, output="y", opset=17, open_size=False, seed=0):
    """A model from ``image`` (N, *shape) through the nodes to two random sums of what they make."""
    dims = ["N", shape[0], *(["H", "W"] if open_size else shape[1:])]
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, dims)

    def model(more, result, weights):
        graph = helper.make_graph(
            [*nodes, *more], "small", [image], [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
            [*given, *weights],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)

    try:
        probe = session(model([], output, []))
        (found,) = probe.run(None, {"image": np.full((1, *shape), 0.5, np.float32)})
    except Exception:  # noqa: BLE001  what ONNX Runtime cannot run needs no gradient
        reject()
    random = np.random.default_rng(seed)
    weights = random.standard_normal((found.size, N_CLASSES)).astype(np.float32)
    head = [
        helper.make_node("Reshape", [output, "head_rows"], ["head_flat"]),
        helper.make_node("MatMul", ["head_flat", "head_weights"], ["scores"]),
    ]
    rows = numpy_helper.from_array(np.array([-1, found.size]), "head_rows")
    return model(head, "scores", [rows, numpy_helper.from_array(weights, "head_weights")])


def slopes_by_differences(model, x, targets, directions, step=STEP, evaluate=None):
    """Return the slope of each row's target along each direction, (directions, N), in float64."""
    evaluate = evaluate or in_float64(model)
    rows = np.arange(len(x))
    return np.array(
        [
            (evaluate(x + step * v)[rows, targets] - evaluate(x - step * v)[rows, targets]) / (2 * step)
            for v in directions
        ]
    )


class Erf(OpRun):
    """The evaluator's own is computed in float32."""

    op_domain = ""

    def _run(self, x):
        return (np.vectorize(math.erf, otypes=[np.float64])(x),)


class Gelu(OpRun):
    """The evaluator's own is computed in float32, too."""

    op_domain = ""

    def _run(self, x, approximate=None):
        if approximate == "tanh":
            return (0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))),)


class Mean(OpRun):
    """The evaluator's own does not broadcast its first operand."""

    op_domain = ""

    def _run(self, *xs):
        return (sum(xs) / len(xs),)


def by_runtime(model):
    """Return the model as a function, computed by ONNX Runtime in float32: exact enough for large steps."""
    runner = session(model)
    return lambda x: runner.run(None, {"image": x.astype(np.float32)})[0].astype(np.float64)


def by_runtime_in_float64(model):
    """Return the model as a function, computed by ONNX Runtime in float64, where it has such kernels."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    retype(copy, {TensorProto.FLOAT: TensorProto.DOUBLE})
    runner = session(copy)
    return lambda x: runner.run(None, {"image": x})[0]


def in_float64(model):
    """Return the model as a function, computed in float64 by the package onnx's own evaluator."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    retype(copy, {TensorProto.FLOAT: TensorProto.DOUBLE})
    evaluator = ReferenceEvaluator(copy, new_ops=[Erf, Gelu, Mean])
    name = copy.graph.input[0].name
    return lambda x: evaluator.run(None, {name: x})[0].reshape(len(x), -1)


def check(model, x, *, tolerance=2e-4, step=STEP, evaluate=None, seed=0, is_standard=True, **options):
    """The gradient by ONNX Runtime in float32 is that of differences in float64, along random directions."""
    x = np.asarray(x, np.float32)
    targets = np.arange(len(x)) % N_CLASSES
    built = gradient_model(model, image="image", **options)
    if is_standard:
        onnx.checker.check_model(built)
    found = session(built).run(["gradient"], {"image": x, "target": targets.astype(np.int64)})[0]
    assert found.shape == x.shape
    random = np.random.default_rng(seed)
    directions = random.standard_normal((4, *x.shape))
    wanted = slopes_by_differences(model, x.astype(np.float64), targets, directions, step, evaluate)
    axes = tuple(range(1, x.ndim))
    ours = np.array([(found * v).sum(axis=axes) for v in directions])
    scale = np.sqrt((found.astype(np.float64) ** 2).sum(axis=axes)) + np.abs(wanted).max(initial=0) + 1e-3
    assert np.abs(ours - wanted).max() <= tolerance * scale.max(), (ours, wanted)
    return found


def image(shape, n=2, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, (n, *shape)).astype(np.float32)


def weights(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def gradient_in_float64(model, output="gradient"):
    """Return a model of both passes as a function of images and targets, computed in float64."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    retype(copy, {TensorProto.FLOAT: TensorProto.DOUBLE})
    evaluator = ReferenceEvaluator(copy, new_ops=[Erf, Gelu, Mean])
    name = copy.graph.input[0].name
    return lambda x, t: evaluator.run([output], {name: x.astype(np.float64), "target": t.astype(np.int64)})[0]


def session_free(nodes, shape, constants, seed):
    """Check nodes that hold for a batch of two only: the model is fixed to it."""
    random = np.random.default_rng(seed)
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    total = int(np.prod(shape))
    head = [
        helper.make_node("Reshape", ["y", "head_rows"], ["head_flat"]),
        helper.make_node("MatMul", ["head_flat", "head_weights"], ["scores"]),
    ]
    given += [
        numpy_helper.from_array(np.array([2, total]), "head_rows"),
        numpy_helper.from_array(
            random.standard_normal((total, N_CLASSES)).astype(np.float32), "head_weights"
        ),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*nodes, *head], "small", [value("image", TensorProto.FLOAT, [2, *shape])],
        [value("scores", TensorProto.FLOAT, [2, N_CLASSES])], given,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    x = image(shape, seed=seed)
    built = gradient_model(model, image="image")
    found = session(built).run(["gradient"], {"image": x, "target": np.array([0, 1])})[0]
    evaluate = by_runtime(model)
    for _ in range(4):
        v = random.standard_normal(x.shape)
        ahead, behind = evaluate(x + v / 4), evaluate(x - v / 4)
        wanted = 2 * sum((ahead - behind)[row, row] for row in range(2))
        assert abs((found * v).sum() - wanted) <= 2e-4 * (
            np.abs(found).max() * np.sqrt(x.size) + abs(wanted) + 1
        )
