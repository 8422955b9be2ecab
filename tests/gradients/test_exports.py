"""Models as exporters write them: a gradient is built and right, or what stands in the way is named."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal.errors import ModelError
from dccausal.gradients import gradient_model
from dccausal.gradients.relevance import relevance_model
from differences import session

REFUSED = {
    "keras_augment_inside": "ImageProjectiveTransformV3 'functional_14_1/random_rotation_1/.*' has no rule",
    "keras_normalization": "the model has 3 inputs",
}
# Their numbers are rounded on the way, so that differences of small steps say nothing.
ROUNDED = {"ort_quant_dynamic", "ort_quant_qdq"}
NAMES = [
    *("keras_augment_inside", "keras_binary", "keras_divided_outside", "keras_mnist", "keras_normalization"),
    *(
        "keras_rescaling_127",
        "keras_resizing",
        "occ_float16",
        "onnxslim",
        "opt_convnext_slow",
        "opt_poolformer",
    ),
    *(
        "opt_vit_fast",
        "ort_quant_dynamic",
        "ort_quant_qdq",
        "timm_mini_border",
        "timm_mini_center",
        "timm_mini_rect",
    ),
    *(
        "tv_baked_f255_nhwc_ts",
        "tv_baked_norm01_ts",
        "tv_baked_uint8_ts",
        "tv_bf16_dynamo",
        "tv_binary_squeeze_dynamo",
    ),
    *("tv_features_and_logits", "tv_half_dynamo", "tv_mnist_style", "tv_mobilenet_dynamo_dynhw"),
    *("tv_mobilenet_dynamo_ext", "tv_mobilenet_ts_fixed", "tv_multilabel_dynamo"),
]
OUTPUT = {"tv_features_and_logits": "logits"}


@pytest.mark.parametrize("name", NAMES)
def test_small_exports(name, shared):
    path = shared / "cases" / "exports" / "models" / name / "model.onnx"
    if name in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name]):
            gradient_model(path, size=(64, 64))
        return
    built = gradient_model(path, output=OUTPUT.get(name), size=(64, 64))
    onnx.checker.check_model(built)
    runner = session(built)
    given = runner.get_inputs()[0]
    sides = [64 if isinstance(n, str) or n is None else n for n in given.shape]
    if given.shape[-1] not in (1, 3) and isinstance(given.shape[1], str):
        sides[1] = 3
    check_slopes(
        built, given.name, [1, *sides[1:]], 50.0 if name in HUNDREDS else 1.0, is_rounded=name in ROUNDED
    )


HUNDREDS = {
    "keras_binary",
    "keras_mnist",
    "keras_rescaling_127",
    "keras_resizing",
    "tv_baked_f255_nhwc_ts",
    "tv_baked_uint8_ts",
}


def check_slopes(built, name, shape, scale, *, is_rounded):
    """Compare with differences of the forward pass by ONNX Runtime; most steps must be free of kinks."""
    runner = session(built)
    random = np.random.default_rng(0)
    x = (random.random(shape) * scale).astype(np.float32)
    target = np.ones(shape[0], np.int64)
    logits, gradient = runner.run(["logits", "gradient"], {name: x, "target": target})
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    if is_rounded:
        return
    column = 0 if logits.shape[1] == 1 else 1
    off = []
    for _ in range(12):
        v = random.standard_normal(shape) * scale * 3e-4
        ahead, behind = (x + v).astype(np.float32), (x - v).astype(np.float32)
        ends = [
            runner.run(["logits"], {name: end, "target": target})[0][0, column] for end in (ahead, behind)
        ]
        wanted = (gradient.astype(np.float64) * (ahead.astype(np.float64) - behind)).sum()
        size = np.linalg.norm(gradient) * np.linalg.norm(v) * 2 / np.sqrt(gradient.size)
        off.append(abs(float(ends[0]) - float(ends[1]) - wanted) / size)
    assert np.median(off) < 0.1


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet_v1_0.25_128_nhwc", "squeezenet1.1"])
def test_published_models(name, shared):
    built = gradient_model(shared / "models" / f"{name}.onnx")
    onnx.checker.check_model(built)
    given = built.graph.input[0]
    shape = [1, *(d.dim_value for d in given.type.tensor_type.shape.dim[1:])]
    check_slopes(built, given.name, shape, 1.0, is_rounded=True)


def tiny(nodes, *, opset=17, shape=(3, 4, 4), more=(), kind=TensorProto.FLOAT, constants=()):
    inputs = [helper.make_tensor_value_info("image", kind, ["N", *shape]), *more]
    graph = helper.make_graph(
        nodes, "tiny", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], list(constants)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_an_operation_without_a_rule_is_named_before_any_work():
    model = tiny([
        helper.make_node("Relu", ["image"], ["a"], "first"),
        helper.make_node("Det", ["a"], ["y"], "the_determinant"),
    ])  # fmt: skip
    with pytest.raises(
        ModelError, match=r"Det 'the_determinant' has no rule for the gradient; export the model without"
    ):
        gradient_model(model)


def test_a_custom_operation_is_named():
    model = tiny([helper.make_node("FusedConv", ["image"], ["y"], "fused", domain="com.microsoft")])
    with pytest.raises(ModelError, match=r"com\.microsoft:FusedConv 'fused' has no rule"):
        gradient_model(model)


def test_several_inputs_are_refused():
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 3, 4, 4])
    model = tiny([helper.make_node("Add", ["image", "other"], ["y"])], more=[other])
    with pytest.raises(ModelError, match="the model has 2 inputs"):
        gradient_model(model)
    with pytest.raises(ModelError, match="it can be given an image only"):
        gradient_model(model, image="image")


def test_numbers_that_are_compared_only_have_no_gradient():
    model = tiny([
        helper.make_node("Sign", ["image"], ["a"]),
        helper.make_node("Flatten", ["a"], ["y"]),
    ])  # fmt: skip
    with pytest.raises(ModelError, match="has no gradient: between it and 'image' all numbers are"):
        gradient_model(model)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no ONNX model"):
        gradient_model(b"not a model")
    with pytest.raises(ModelError, match="cannot be read"):
        gradient_model(tmp_path / "nothing.onnx")


def test_the_weights_are_in_the_model_once(shared):
    path = shared / "models" / "squeezenet1.1.onnx"
    assert gradient_model(path).ByteSize() < 1.05 * path.stat().st_size


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_half_precision_and_whole_numbers_are_computed_in_float32(kind):
    model = tiny([
        helper.make_node("Cast", ["image"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["a", "a"], ["b"]),
        helper.make_node("ReduceMean", ["b"], ["y"], axes=[2, 3], keepdims=0),
    ], kind=kind)  # fmt: skip
    runner = session(gradient_model(model))
    x = np.random.default_rng(0).random((2, 3, 4, 4)).astype(np.float32)
    found = runner.run(["gradient"], {"image": x, "target": np.array([0, 2])})[0]
    wanted = np.zeros_like(x)
    for row, column in enumerate((0, 2)):
        wanted[row, column] = 2 * x[row, column] / 16
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_model_of_one_output_has_two_targets():
    model = tiny([
        helper.make_node("ReduceMean", ["image"], ["a"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sigmoid", ["a"], ["y"]),
    ])  # fmt: skip
    runner = session(gradient_model(model))
    x = np.ones((2, 3, 4, 4), np.float32)
    logits, found = runner.run(["logits", "gradient"], {"image": x, "target": np.array([1, 0])})
    assert logits.tolist() == [[1.0], [1.0]]
    np.testing.assert_allclose(found[0], 1 / 48, rtol=1e-6)
    np.testing.assert_allclose(found[1], -1 / 48, rtol=1e-6)


def test_a_softmax_is_left_off_where_its_probabilities_are_rounded():
    numbers = {"s": np.float32(1 / 255), "z": np.uint8(0), "times": np.float32(40)}
    model = tiny([
        helper.make_node("ReduceMean", ["image"], ["a"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["a", "times"], ["b"]),
        helper.make_node("Softmax", ["b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["d", "s", "z"], ["y"]),
    ], constants=[numpy_helper.from_array(np.asarray(v), k) for k, v in numbers.items()])  # fmt: skip
    runner = session(gradient_model(model))
    x = np.ones((1, 3, 4, 4), np.float32)
    logits, found = runner.run(["logits", "gradient"], {"image": x, "target": np.array([1])})
    np.testing.assert_allclose(logits, [[40, 40, 40]])
    np.testing.assert_allclose(found[0, 1], 40 / 16)


def old_model(opset):
    """A model in the words of an old opset: attributes where inputs are now, softmax over all that follows."""
    nodes = [
        helper.make_node("Clip", ["image"], ["a"], min=0.1, max=0.8),
        helper.make_node("Pad", ["a"], ["b"], pads=[0, 0, 1, 0, 0, 0, 0, 1], value=0.2),
        helper.make_node("Upsample", ["b"], ["c"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]) if opset < 9
        else helper.make_node("Identity", ["b"], ["c"]),
        helper.make_node("Slice", ["c"], ["d"], axes=[2], starts=[1], ends=[4]),
        helper.make_node("Split", ["d"], ["e", "f"], axis=1, split=[1, 2]),
        helper.make_node("ReduceSum", ["f"], ["g"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["e", "g"], ["h"]),
        helper.make_node("Softmax", ["h"], ["i"]),
        helper.make_node("Dropout", ["i"], ["j"], ratio=0.5),
        helper.make_node("Squeeze", ["j"], ["k"], axes=[1]),
        helper.make_node("Unsqueeze", ["k"], ["l"], axes=[1]),
        helper.make_node("Mul", ["l", "l"], ["m"]),
        helper.make_node("ReduceMean", ["m"], ["y"], axes=[1, 3], keepdims=0),
    ]  # fmt: skip
    model = tiny(nodes, opset=opset)
    model.ir_version = 4
    return model


@pytest.mark.parametrize("opset", [7, 8, 9])
def test_old_opsets_are_raised(opset):
    model = old_model(opset)
    x = np.random.default_rng(opset).random((2, 3, 4, 4)).astype(np.float32)
    (wanted,) = session(model).run(None, {"image": x})
    runner = session(gradient_model(model))
    target = np.array([1, 2])
    logits, found = runner.run(["logits", "gradient"], {"image": x, "target": target})
    np.testing.assert_allclose(logits, wanted, rtol=1e-5)
    v = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32) * 2e-3
    ends = [runner.run(["logits"], {"image": e, "target": target})[0] for e in (x + v, x - v)]
    change = (ends[0] - ends[1])[np.arange(2), target]
    expected = 2 * (found * v).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(change, expected, atol=0.1 * np.abs(expected).max())


def test_the_largest_and_a_scatter_in_old_words():
    """TopK had its number as an attribute, and ScatterElements was Scatter."""
    model = tiny([
        helper.make_node("Transpose", ["image"], ["a"], perm=[0, 2, 3, 1]),
        helper.make_node("TopK", ["a"], ["b", "places"], axis=-1, k=2),
        helper.make_node("Scatter", ["a", "places", "b"], ["c"], axis=3),
        helper.make_node("Mul", ["c", "c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["y"], axes=[1, 2], keepdims=0),
    ], opset=9)  # fmt: skip
    x = np.random.default_rng(9).random((2, 3, 4, 4)).astype(np.float32)
    runner = session(gradient_model(model))
    found = runner.run(["gradient"], {"image": x, "target": np.array([1, 2])})[0]
    wanted = np.zeros_like(x)
    for row, column in enumerate((1, 2)):
        wanted[row, column] = 2 * x[row, column] / 16
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_relevance_by_weights_that_are_computed_is_refused():
    weights = helper.make_tensor("size", TensorProto.INT64, [4], [3, 1, 1, 1])
    model = tiny([
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[0, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["means", "size"], ["w"]),
        helper.make_node("Conv", ["image", "w"], ["a"], "by itself", group=3),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["y"]),
    ], constants=[weights])  # fmt: skip
    with pytest.raises(ModelError, match="Conv 'by itself' has weights that are computed from the image"):
        relevance_model(model)


@pytest.mark.parametrize("name", ["logits", "target", "gradient"])
def test_nodes_and_tensors_may_be_called_like_ours(name):
    model = tiny([
        helper.make_node("Mul", ["image", "image"], [name], name),
        helper.make_node("ReduceMean", [name], ["y"], "last", axes=[2, 3], keepdims=0),
    ])  # fmt: skip
    runner = session(gradient_model(model))
    x = np.ones((1, 3, 4, 4), np.float32)
    found = runner.run(["gradient"], {"image": x, "target": np.array([1])})[0]
    np.testing.assert_allclose(found[0, 1], 2 / 16)
    at_layer = session(gradient_model(model, layer=name))
    assert at_layer.run(["activation"], {"image": x, "target": np.array([1])})[0].shape == x.shape


def test_a_choice_by_shapes_is_taken():
    """As exporters write a squeeze of an axis whose size they did not see; the branches call their tensors alike."""
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    two = helper.make_tensor("two", TensorProto.INT64, [1], [2])

    def choice(given, axis, result):
        return [
            helper.make_node("Shape", [given], [f"{result} sizes"]),
            helper.make_node("Gather", [f"{result} sizes", axis], [f"{result} size"]),
            helper.make_node("Equal", [f"{result} size", "one"], [f"{result} is one"]),
            helper.make_node(
                "If",
                [f"{result} is one"],
                [result],
                f"choice of {result}",
                then_branch=helper.make_graph(
                    [helper.make_node("Squeeze", [given, axis], ["inner"])],
                    "then",
                    [],
                    [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
                ),
                else_branch=helper.make_graph(
                    [helper.make_node("Mul", [given, "ten"], ["inner"])],
                    "else",
                    [],
                    [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
                    [helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0])],
                ),
            ),
        ]

    model = tiny([
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2], keepdims=1),
        helper.make_node("Reshape", ["means", "rows"], ["unseen"]),
        *choice("unseen", "two", "a"),
        *choice("a", "two", "b"),
        helper.make_node("Mul", ["b", "b"], ["c"]),
        helper.make_node("ReduceSum", ["c", "two"], ["y"], keepdims=0),
    ], constants=[one, two, helper.make_tensor("rows", TensorProto.INT64, [4], [0, 3, -1, 4])])  # fmt: skip
    x = np.random.default_rng(0).random((2, 3, 4, 4)).astype(np.float32)
    (wanted,) = session(model).run(None, {"image": x})
    runner = session(gradient_model(model))
    logits, found = runner.run(["logits", "gradient"], {"image": x, "target": np.array([1, 2])})
    np.testing.assert_allclose(logits, wanted, rtol=1e-5)
    np.testing.assert_allclose(found[0, 1], np.tile(200 * x[0, 1].mean(0) / 4, (4, 1)), rtol=1e-5)
    assert np.count_nonzero(found) == 2 * 16


def test_a_choice_by_what_the_image_shows_is_refused():
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branches = {
        f"{name}_branch": helper.make_graph([helper.make_node(op, ["image"], ["inner"])], name, [], [value])
        for name, op in (("then", "Relu"), ("else", "Neg"))
    }
    model = tiny([
        helper.make_node("ReduceMax", ["image"], ["top"], keepdims=0),
        helper.make_node("Greater", ["top", "half"], ["is_bright"]),
        helper.make_node("If", ["is_bright"], ["seen"], "bright or dark", **branches),
        helper.make_node("Flatten", ["seen"], ["y"]),
    ], constants=[helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])])  # fmt: skip
    with pytest.raises(ModelError, match="If 'bright or dark' has a graph inside"):
        gradient_model(model)


@pytest.mark.parametrize("is_apart", [True, False])
def test_a_hard_sigmoid_is_a_gate_however_it_is_written(is_apart):
    """Of a product with one the relevance goes to what is gated."""
    whole = [helper.make_node("HardSigmoid", ["a"], ["gate"], alpha=1 / 6, beta=0.5)]
    apart = [
        helper.make_node("Add", ["a", "three"], ["b"]),
        helper.make_node("Clip", ["b", "zero", "six"], ["c"]),
        helper.make_node("Div", ["c", "six"], ["gate"]),
    ]
    numbers = {"three": 3, "zero": 0, "six": 6}
    model = tiny([
        helper.make_node("ReduceMean", ["image"], ["a"], axes=[2, 3], keepdims=1),
        *(apart if is_apart else whole),
        helper.make_node("Mul", ["image", "gate"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["y"], axes=[2, 3], keepdims=0),
    ], constants=[numpy_helper.from_array(np.float32(v), k) for k, v in numbers.items()])  # fmt: skip
    x = np.random.default_rng(0).uniform(0.2, 1, (1, 3, 4, 4)).astype(np.float32)
    runner = session(relevance_model(model))
    logits, found = runner.run(["logits", "relevance"], {"image": x, "target": np.array([1])})
    np.testing.assert_allclose(found[0, 1], logits[0, 1] * x[0, 1] / x[0, 1].sum(), rtol=1e-4)
