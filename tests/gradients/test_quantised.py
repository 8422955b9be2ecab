"""Models that ONNX Runtime's own quantiser made, against those that it was given."""

import logging

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from dccausal.gradients import gradient_model
from dccausal.gradients.relevance import LrpRules, relevance_model
from differences import image, node, session, small_model, weights


def network(top):
    """Every operation that the quantiser has a form of its own for, and activations that it leaves out."""
    random = np.random.default_rng(3)

    def draw(*shape):
        return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    activation = (
        [node("Relu", "c1", outputs=["a1"])]
        if top is None
        else [node("Clip", "c1", "zero", "six", outputs=["a1"])]
    )
    nodes = [
        node("Conv", "image", "w1", "b1", outputs=["c1"], pads=[1, 1, 1, 1]),
        *activation,
        node("MaxPool", "a1", outputs=["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "m", "w2", "b2", outputs=["c2"], pads=[1, 1, 1, 1]),
        node("LeakyRelu", "c2", outputs=["a2"], alpha=0.3),
        node("Add", "a2", "m", outputs=["sum"]),
        node("Sigmoid", "c2", outputs=["gate"]),
        node("Mul", "sum", "gate", outputs=["gated"]),
        node("Concat", "gated", "m", outputs=["both"], axis=1),
        node("AveragePool", "both", outputs=["means"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "means", outputs=["mean"]),
        node("Flatten", "mean", outputs=["flat"]),
        node("Gemm", "flat", "w3", "b3", outputs=["dense"], transB=1),
        node("MatMul", "dense", "w4", outputs=["y"]),
    ]
    constants = {
        "w1": draw(8, 3, 3, 3) * 4,
        "b1": draw(8) * 0.3,
        "w2": draw(8, 8, 3, 3) * 2,
        "b2": draw(8) * 0.3,
        "w3": draw(12, 16),
        "b3": draw(12),
        "w4": draw(12, 10),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "to be quantised",
        [value("image", TensorProto.FLOAT, ["N", 3, 12, 12])],
        [value("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"image": image((3, 12, 12), n=1, seed=seed)} for seed in range(20)])

    def get_next(self):
        return next(self.left, None)


def quantised(model, form, folder):
    logging.getLogger().setLevel(logging.ERROR)
    given, into = folder / "model.onnx", folder / "quantised.onnx"
    onnx.save(model, given)
    if form == "dynamic":
        quantize_dynamic(given, into, weight_type=QuantType.QUInt8)
    else:
        quantize_static(
            given, into, Images(), quant_format=QuantFormat[form], activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=form == "QDQ",
        )  # fmt: skip
    return into


def ask(path, x, build=gradient_model, output="gradient", **options):
    runner = session(build(path, **options))
    return runner.run(["logits", output], {"image": x, "target": np.arange(len(x))})


@pytest.mark.parametrize("top", [None, 6], ids=["ReLU", "ReLU6"])
@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_gradients_of_a_quantised_model_are_those_of_the_model(form, top, tmp_path):
    model, x = network(top), image((3, 12, 12), n=8, seed=50)
    path = quantised(model, form, tmp_path)
    _, wanted = ask(model, x)
    logits, found = ask(path, x)
    (own,) = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": x})
    assert np.abs(logits - own).max() < 0.05 * np.abs(own).max()
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.93
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(wanted), rel=0.1)


def test_relevance_of_a_quantised_model_is_that_of_the_model(tmp_path):
    model, x = network(None), image((3, 12, 12), n=8, seed=50)
    found, wanted = (
        ask(m, x, relevance_model, "relevance", rules=LrpRules(preset="zplus"))[1]
        for m in (quantised(model, "QOperator", tmp_path), model)
    )
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@given(SHAPES, st.integers(0, 2**16), st.sampled_from([3.0, 6.0, 20.0]), st.booleans())
@settings(max_examples=10, deadline=None)
def test_an_activation_that_was_left_out(dtype, shape, seed, top, is_channelwise):
    """A range from 0 is a ReLU, one from 0 to 6 is a ReLU6; a greater number passes whatever a range ends at."""
    kind = np.iinfo(dtype)
    scale = np.full(shape[0] if is_channelwise else (), top / (kind.max - kind.min), np.float32)
    constants = {"s": scale, "z": np.full(scale.shape, kind.min, dtype), "w": weights(*shape)}
    nodes = [
        node("QuantizeLinear", "image", "s", "z", axis=1, outputs=["q"]),
        node("DequantizeLinear", "q", "s", "z", axis=1, outputs=["d"]),
        node("Mul", "d", "w"),
    ]
    plain = [
        node("Clip", "image", "zero", "six" if top == 6 else "", outputs=["d"]),
        node("Mul", "d", "w"),
    ]
    constants |= {"zero": np.float32(0), "six": np.float32(6)}
    models = [small_model(made, shape, constants, seed=seed, opset=21) for made in (nodes, plain)]
    x = image(shape, seed=seed, low=-4, high=9)
    found, wanted = (
        session(gradient_model(m, image="image")).run(["gradient"], {"image": x, "target": np.array([0, 1])})[
            0
        ]
        for m in models
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
