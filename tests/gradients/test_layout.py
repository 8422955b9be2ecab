"""What keeps gradients in the layout of the convolutions: pads that are folded, and rows that are known."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal.gradients.build import gradient_model
from dccausal.gradients.whitebox import WhiteBox


def padded_network(mode="constant", filling=0.0, pads=(0, 0, 1, 2, 0, 0, 0, 1), readers=1):
    """Pad, Conv, Clip, mean, dense; the pads come out of shape arithmetic, as PyTorch's exporter writes them."""
    random = np.random.default_rng(0)
    n = helper.make_node
    nodes = [
        n("Cast", ["pads as int32"], ["pads"], to=TensorProto.INT64),
        n("Pad", ["image", "pads", "filling"], ["padded"], "pad", mode=mode),
        n("Conv", ["padded", "w"], ["conv"], "conv", strides=[2, 2], pads=[1, 0, 0, 1]),
        n("Clip", ["conv", "low", "high"], ["seen"], "clip"),
        n("GlobalAveragePool", ["seen"], ["mean"], "mean"),
        n("Flatten", ["mean"], ["flat"], "flat"),
        n("Gemm", ["flat", "dense"], ["scores"], "dense", transB=1),
    ]
    if readers > 1:
        nodes[4:4] = [
            n("ReduceMean", ["padded"], ["top"], keepdims=1),
            n("Mul", ["seen", "top"], ["seen2"]),
        ]
        nodes[6].input[0] = "seen2"
    constants = {
        "pads as int32": np.array(pads, np.int32),
        "filling": np.float32(filling),
        "w": random.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(6),
        "dense": random.standard_normal((5, 4)).astype(np.float32),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "padded",
        [value("image", TensorProto.FLOAT, ["batch", 3, 9, 10])],
        [value("scores", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def by_differences(model, x, target):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found, step = np.zeros_like(x, np.float64), 2e-3
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            ends.append(float(session.run(None, {"image": moved})[0][0, target]))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def ops_of(model):
    return [node.op_type for node in gradient_model(model).graph.node]


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize(("mode", "filling"), [("constant", 0.0), ("constant", 0.5), ("reflect", 0.0)])
def test_pads_before_a_convolution(mode, filling, readers):
    model = padded_network(mode, filling, readers=readers)
    folds = mode == "constant" and filling == 0 and readers == 1
    assert ("Pad" not in ops_of(model)) == folds
    x = np.random.default_rng(1).random((1, 3, 9, 10)).astype(np.float32)
    found = WhiteBox(model.SerializeToString()).gradient(x, 3)
    np.testing.assert_allclose(found.values, by_differences(model, x, 3), atol=4e-3)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(found.logits, session.run(None, {"image": x})[0], rtol=1e-5)


def test_a_layer_that_is_a_pad_stays():
    built = gradient_model(padded_network(), layer="padded")
    assert "Pad" in [node.op_type for node in built.graph.node]


def test_the_number_of_images_is_known_all_the_way_back():
    """What ONNX infers of a gradient's rows is the name that the image's have."""
    built = onnx.shape_inference.infer_shapes(gradient_model(padded_network()))
    rows = {value.name: value.type.tensor_type.shape.dim[:1] for value in built.graph.value_info}
    last = next(node for node in built.graph.node if node.op_type == "ConvTranspose")
    (dim,) = rows[last.input[0]]
    assert dim.dim_param == "batch"
