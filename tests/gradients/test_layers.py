"""The layer that class activation maps are drawn from, in networks that take their maps apart on the way."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal.gradients.whitebox import WhiteBox
from differences import node, weights


def network(nodes, constants):
    value = helper.make_tensor_value_info
    head = [
        node("GlobalAveragePool", "last", outputs=["mean"]),
        node("Flatten", "mean", outputs=["flat"]),
        node("MatMul", "flat", "dense"),
    ]
    constants = {"dense": weights(8, 5), **constants}
    graph = helper.make_graph(
        [*nodes, *head],
        "layers",
        [value("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [value("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def shuffled():
    """Channels are shuffled, by a detour over five dimensions."""
    nodes = [
        node("Conv", "image", "w1", outputs=["a"], strides=[2, 2]),
        node("Reshape", "a", "apart", outputs=["b"]),
        node("Transpose", "b", outputs=["c"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", "c", "whole", outputs=["d"]),
        node("Conv", "d", "w2", outputs=["e"]),
        node("Relu", "e", outputs=["last"]),
    ]
    constants = {"apart": np.array([0, 2, 4, 8, 8]), "whole": np.array([0, 8, 8, 8])}
    return network(nodes, {"w1": weights(8, 3, 1, 1), "w2": weights(8, 8, 1, 1), **constants})


def weighed_by_channel():
    """Channels are taken one by one at the beginning, and scaled, as GoogLeNet's weights expect it."""
    nodes = []
    for at in range(3):
        nodes += [
            node("Gather", "image", f"i{at}", outputs=[f"channel {at}"], axis=1),
            node("Unsqueeze", f"channel {at}", "one", outputs=[f"row {at}"]),
            node("Mul", f"row {at}", f"s{at}", outputs=[f"scaled {at}"]),
        ]
    nodes += [
        node("Concat", *(f"scaled {at}" for at in range(3)), outputs=["a"], axis=1),
        node("Conv", "a", "w", outputs=["b"], strides=[2, 2]),
        node("Relu", "b", outputs=["last"]),
    ]
    constants = {f"i{at}": np.array(at) for at in range(3)} | {
        f"s{at}": np.float32(at + 1) for at in range(3)
    }
    return network(nodes, {"one": np.array([1]), "w": weights(8, 3, 1, 1), **constants})


@pytest.mark.parametrize("make", [shuffled, weighed_by_channel])
def test_a_map_begins_anew_at_a_convolution(make):
    found = WhiteBox(make().SerializeToString()).layer()
    assert (found.name, found.grid, found.kind) == ("last", (8, 8), "NCHW")


def test_a_convolution_that_the_output_no_longer_depends_on_is_passed_over():
    """Beside a class token that is read alone: the convolution of the other tokens comes last, and brings nothing."""
    nodes = [
        node("Conv", "image", "patches", outputs=["a"], strides=[4, 4]),
        node("Reshape", "a", "rows", outputs=["b"]),
        node("Transpose", "b", outputs=["c"], perm=[0, 2, 1]),
        node("LayerNormalization", "c", "scale", "shift", outputs=["normal"]),
        node("ReduceMean", "normal", outputs=["token"], axes=[1], keepdims=1),
        node("Transpose", "normal", outputs=["d"], perm=[0, 2, 1]),
        node("Reshape", "d", "grid", outputs=["e"]),
        node("Conv", "e", "w", outputs=["f"]),
        node("Reshape", "f", "rows", outputs=["g"]),
        node("Transpose", "g", outputs=["h"], perm=[0, 2, 1]),
        node("Concat", "token", "h", outputs=["tokens"], axis=1),
        node("Gather", "tokens", "first", outputs=["read"], axis=1),
        node("Unsqueeze", "read", "ends", outputs=["last"]),
    ]
    constants = {
        "patches": weights(8, 3, 4, 4),
        "w": weights(8, 8, 1, 1),
        "rows": np.array([0, 8, 16]),
        "grid": np.array([0, 8, 4, 4]),
        "scale": np.ones(8, np.float32),
        "shift": np.zeros(8, np.float32),
        "first": np.array(0),
        "ends": np.array([2, 3]),
    }
    found = WhiteBox(network(nodes, constants).SerializeToString()).layer()
    assert (found.name, found.grid, found.kind) == ("normal", (4, 4), "tokens")
