"""Relevance through what networks have besides layers and ReLU: it is conserved, or goes the way that is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from dccausal.gradients.relevance import LrpRules, relevance_model
from differences import image, node, session, small_model, weights

NO_BIAS = LrpRules(preset="epsilon", bias="none")
SEEDS = st.integers(0, 2**16)
SHAPES = st.tuples(st.integers(2, 4), st.integers(2, 4), st.integers(2, 4))

# From "image" to "y"; each keeps the sum, for inputs that are greater than 0.
CONSERVING = {
    "mean to a power": [
        node("Pow", "image", "three", outputs=["a"]),
        node("GlobalAveragePool", "a", outputs=["b"]),
        node("Pow", "b", "third"),
    ],
    "logarithm of a sum": [node("ReduceLogSumExp", "image", axes=[2, 3], keepdims=0)],
    "logarithm of a sum, taken apart": [
        node("Exp", "image", outputs=["a"]),
        node("ReduceSum", "a", "space", outputs=["b"], keepdims=0),
        node("Log", "b"),
    ],
    "length": [node("ReduceL2", "image", axes=[1], keepdims=1)],
    "sum of sizes": [node("ReduceL1", "image", axes=[2], keepdims=0)],
    "deviation": [
        node("ReduceMean", "image", outputs=["a"], axes=[2, 3], keepdims=1),
        node("Sub", "image", "a", outputs=["b"]),
        node("Mul", "b", "b", outputs=["c"]),
        node("ReduceMean", "c", outputs=["d"], axes=[2, 3], keepdims=0),
        node("Sqrt", "d"),
    ],
    "times one by the root of the mean square": [
        node("Mul", "image", "image", outputs=["a"]),
        node("ReduceMean", "a", outputs=["b"], axes=[1], keepdims=1),
        node("Sqrt", "b", outputs=["c"]),
        node("Reciprocal", "c", outputs=["d"]),
        node("Mul", "image", "d"),
    ],
    "the same by a quotient of one": [
        node("ReduceL2", "image", outputs=["a"], axes=[1], keepdims=1),
        node("Div", "one", "a", outputs=["b"]),
        node("Mul", "b", "image"),
    ],
    "product of two by letters": [node("Einsum", "image", "image", equation="nchw,ndhw->ncd")],
    "product with a constant by letters": [node("Einsum", "image", "w", equation="nchw,wk->nchk")],
    "running sums": [node("CumSum", "image", "axis")],
}


@pytest.mark.parametrize("name", CONSERVING)
@given(SHAPES, SEEDS)
@settings(max_examples=8, deadline=None)
def test_relevance_is_conserved(name, shape, seed):
    constants = {
        "three": np.float32(3),
        "third": np.float32(1 / 3),
        "one": np.float32(1),
        "space": np.array([2, 3]),
        "axis": np.array(2),
        "w": np.abs(weights(shape[2], 3, seed=seed)),
    }
    model = small_model(CONSERVING[name], shape, constants, seed=seed)
    x, targets = image(shape, seed=seed, low=0.5), np.array([0, 1])
    runner = session(relevance_model(model, NO_BIAS))
    logits, found = runner.run(["logits", "relevance"], {"image": x, "target": targets})
    wanted = logits[[0, 1], targets]
    assert np.isfinite(found).all()
    assert np.abs(found.sum(axis=(1, 2, 3)) - wanted).max() < 1e-2 * np.abs(found).sum()


def test_what_is_masked_gets_nothing():
    """As of a causal mask, which adds minus infinity before the softmax."""
    mask = np.where(np.tril(np.ones((3, 3), bool)), 0, -np.inf).astype(np.float32)
    nodes = [
        node("Add", "image", "mask", outputs=["a"]),
        node("Softmax", "a", outputs=["b"]),
        node("MatMul", "b", "image"),
    ]
    model = small_model(nodes, (2, 3, 3), {"mask": mask})
    x = image((2, 3, 3), n=1, low=0.2)
    found = session(relevance_model(model)).run(["relevance"], {"image": x, "target": np.array([1])})[0]
    assert np.isfinite(found).all()
    assert found.any()


def test_a_product_by_letters_is_one_by_matrices():
    shape = (2, 3, 3)
    made = [
        [node("MatMul", "image", "image")],
        [node("Einsum", "image", "image", equation="ncij,ncjk->ncik")],
    ]
    x = image(shape, low=0.2)
    found, wanted = (
        session(relevance_model(small_model(nodes, shape), NO_BIAS)).run(
            ["relevance"], {"image": x, "target": np.array([0, 1])}
        )[0]
        for nodes in made
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_pool_that_rounds_up_into_its_pads(op):
    """Of 20 rows in steps of 3 ONNX infers 8, the last in the pads alone, and ONNX Runtime makes 7."""
    pool = node(op, "z", outputs=["p"], kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    nodes = [node("Relu", "image", outputs=["z"]), pool, node("Conv", "p", "w", outputs=["c"])]
    head = [
        node("GlobalAveragePool", "c", outputs=["mean"]),
        node("Flatten", "mean", outputs=["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*nodes, *head],
        "rounds up",
        [value("image", TensorProto.FLOAT, ["N", 3, 20, 24])],
        [value("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights(2, 3, 1, 1), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = image((3, 20, 24))
    (wanted,) = session(model).run(None, {"image": x})
    runner = session(relevance_model(model, NO_BIAS))
    logits, found = runner.run(["logits", "relevance"], {"image": x, "target": np.array([0, 1])})
    np.testing.assert_allclose(logits, wanted, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), wanted[[0, 1], [0, 1]], rtol=1e-3)
