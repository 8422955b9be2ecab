"""
Tiny ONNX image classifiers, each built in a line, for tests of how models are read and run.

What they compute is known: the average colour of the image, times ``WEIGHTS``.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dccausal.onnx.classifier import OnnxClassifier

TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
}
SIZE = (8, 10)


def weights(channels, classes):
    """Float64 (channels, classes): what the average colour is multiplied with."""
    return np.random.default_rng(5).normal(size=(channels, classes)) * 3


def expected(images, classes=4, *, scale=1 / 255, gain=1.0):
    """The logits of uint8 (N, H, W, 3), for a model fed ``pixel * scale``."""
    return images.astype(np.float64).mean(axis=(1, 2)) * scale @ weights(3, classes) * gain


def build(
    *,
    layout="NCHW",
    dtype="float32",
    batch="batch",
    size=SIZE,
    channels=3,
    classes=4,
    end=(),
    shape=None,
    reshape=None,
    metadata=None,
    extra_inputs=(),
    extra_outputs=(),
    gain=1.0,
):
    """
    Return a serialised model: the mean over height and width, a matrix product, then the operations ``end``.

    ``shape`` overrides the declared shape of the input, ``reshape`` puts a Reshape to that constant shape in
    between; ``extra_outputs`` are pairs of a name and an ONNX operation applied to the logits, declared
    before "scores".
    """
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    height, width = size
    if shape is None:
        shape = [batch, channels, height, width] if layout == "NCHW" else [batch, height, width, channels]
    computed = "float32" if dtype in ("uint8", "int32") else dtype
    matrix = (weights(channels if isinstance(channels, int) else 3, classes) * gain).astype(computed)
    constants = [numpy_helper.from_array(matrix, "matrix")]
    nodes, at = [], "image"

    def then(op, *more, **attributes):
        nonlocal at
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, [at, *more], [name], **attributes))
        at = name

    if computed != dtype:
        then("Cast", to=TYPES[computed])
    then("ReduceMean", axes=axes, keepdims=0)
    if reshape is not None:
        constants.append(numpy_helper.from_array(np.array(reshape, np.int64), "shape"))
        then("Reshape", "shape")
    then("MatMul", "matrix")
    logits = at
    for op in end:
        then(op) if isinstance(op, str) else then(op[0], **op[1])
    nodes.append(helper.make_node("Identity", [at], ["scores"]))
    nodes += [helper.make_node(op, [logits], [name]) for name, op in extra_outputs]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("image", TYPES[dtype], shape),
            *(helper.make_tensor_value_info(name, TYPES["float32"], s) for name, s in extra_inputs),
        ],
        [
            *(helper.make_empty_tensor_value_info(name) for name, _ in extra_outputs),
            helper.make_tensor_value_info("scores", TYPES[computed], None),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def on_cpu(model, **options):
    """Return the classifier as every machine has it, whatever its devices."""
    return OnnxClassifier(model, device="cpu", **options)


def images(n, size=SIZE, seed=1):
    """Return random images, uint8 (n, height, width, 3), whose average colours differ much."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(20, 236, (n, 1, 1, 3))
    return np.clip(colours + rng.integers(-20, 20, (n, *size, 3)), 0, 255).astype(np.uint8)


def softmax(logits):
    """Return probabilities that sum to 1."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(logits):
    """Return a probability for each logit."""
    return 1 / (1 + np.exp(-logits))


def replace_end(model, nodes, **constants):
    """Return the model with its last operation, which names the logits v1 "scores", replaced."""
    model = onnx.load_from_string(model)
    del model.graph.node[-1]
    model.graph.node.extend(helper.make_node(op, inputs, [out], **more) for op, inputs, out, more in nodes)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(v), name) for name, v in constants.items()
    )
    return model.SerializeToString()
