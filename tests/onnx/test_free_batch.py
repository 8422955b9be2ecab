"""Models exported for a fixed batch size are freed from it, and believed only if they then say the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from dccausal.onnx.graph.free_batch import agrees, free_batch
from dccausal.onnx.graph.graph import Graph, read_int64s
from dccausal.onnx.graph.protobuf import read_fields, read_ints, rewrite, write_bytes, write_int
from small_models import TYPES, build, expected, images, on_cpu, replace_end, softmax

X = images(9)
FREED = "the model's fixed batch of {} was freed"


def with_shapes(model):
    """Record the shapes in between, as many exporters do; they are wrong once the batch is free."""
    return onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).SerializeToString()


def as_constant(model, *, ints):
    """Turn the initializer "shape" into a Constant operation."""
    proto = onnx.load_from_string(model)
    tensor = next(t for t in proto.graph.initializer if t.name == "shape")
    proto.graph.initializer.remove(tensor)
    held = {"value_ints": numpy_helper.to_array(tensor).tolist()} if ints else {"value": tensor}
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["shape"], **held))
    return proto.SerializeToString()


def unpacked(model):
    """Keep the numbers of "shape" in int64_data instead of raw bytes."""
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name == "shape":
            tensor.int64_data.extend(numpy_helper.to_array(tensor).tolist())
            tensor.ClearField("raw_data")
    return proto.SerializeToString()


@pytest.mark.parametrize(
    "model",
    [
        build(batch=1),
        build(batch=1, layout="NHWC"),
        build(batch=1, dtype="float16"),
        build(batch=1, end=["Softmax"]),
        with_shapes(build(batch=1)),
        build(batch=1, reshape=[1, 3]),
        build(batch=1, reshape=[1, -1]),
        build(batch=1, reshape=[-1, 3]),
        with_shapes(build(batch=1, reshape=[1, 3])),
        unpacked(build(batch=1, reshape=[1, 3])),
        unpacked(build(batch=1, reshape=[1, -1])),
        as_constant(build(batch=1, reshape=[1, 3]), ints=False),
        as_constant(build(batch=1, reshape=[1, 3]), ints=True),
        build(batch="any", reshape=[1, 3]),
        replace_end(build(batch=1), [("Reshape", ["v1", "long"], "scores", {})], long=[1, 4, 1, 1]),
    ],
)
def test_a_fixed_batch_of_one_is_freed(model):
    classifier = on_cpu(model, preprocess="unit")
    assert (classifier.fixed_batch, classifier.batch_size) == (None, 4)
    assert classifier.notes[-1].startswith(FREED.format(1))
    assert classifier.provenance()["notes"] == list(classifier.notes)
    atol = 1e-2 if classifier.dtype == np.float16 else 1e-6
    for n in (1, 3, 4, 9):
        np.testing.assert_allclose(classifier(X[:n]), softmax(expected(X[:n])), atol=atol)


def test_a_fixed_batch_of_three_is_freed_if_another_is_wanted():
    classifier = on_cpu(build(batch=3, reshape=[3, 3]), preprocess="unit", batch_size=5)
    assert (classifier.fixed_batch, classifier.batch_size) == (None, 5)
    assert classifier.notes[-1].startswith(FREED.format(3))
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def mixes_rows():
    """Return a model that adds the batch's average, which a batch of one cannot show."""
    return replace_end(
        build(batch=1),
        [
            ("ReduceMean", ["v1"], "mean", {"axes": [0], "keepdims": 1}),
            ("Add", ["v1", "mean"], "sum", {}),
            ("Mul", ["sum", "half"], "scores", {}),
        ],
        half=np.float32(0.5),
    )


def swaps_rows():
    """Return a model that turns the batch around, which a batch of one cannot show."""
    return replace_end(
        build(batch=1),
        [("Slice", ["v1", "minus_one", "far", "zero", "minus_one"], "scores", {})],
        minus_one=[-1],
        far=[-100],
        zero=[0],
    )


def shares_its_shape():
    """Return a model whose Reshape takes a constant that is added elsewhere too."""
    return replace_end(
        build(batch=1, reshape=[1, 3]),
        [
            ("Cast", ["shape"], "numbers", {"to": 1}),
            ("ReduceMin", ["numbers"], "one", {"keepdims": 0}),
            ("Mul", ["v2", "one"], "scores", {}),
        ],
    )


@pytest.mark.parametrize(
    "model", [mixes_rows(), swaps_rows()], ids=["rows that are mixed", "rows that are swapped"]
)
@pytest.mark.parametrize("batch_size", ["auto", 4])
def test_what_answers_otherwise_when_freed_is_looped(model, batch_size):
    classifier = on_cpu(model, preprocess="unit", batch_size=batch_size)
    assert (classifier.fixed_batch, classifier.batch_size) == (1, 1)
    assert classifier.notes == ("the model takes exactly 1 image a run, and is run so",)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_a_shape_that_is_used_elsewhere_is_left_alone():
    classifier = on_cpu(shares_its_shape(), preprocess="unit")
    assert classifier.fixed_batch == 1
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_a_model_whose_weights_lie_in_another_file_is_freed_too(tmp_path):
    path = tmp_path / "small.onnx"
    model = onnx.load_from_string(build(batch=1))
    onnx.save(model, path, save_as_external_data=True, location="small.data", size_threshold=0)
    classifier = on_cpu(path, preprocess="unit")
    assert classifier.fixed_batch is None
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_only_what_must_be_changed_is_changed():
    data = with_shapes(build(batch=1, reshape=[1, 3], end=["Softmax"], metadata={"names": "['é']"}))
    freed = onnx.load_from_string(free_batch(memoryview(data), Graph.read(memoryview(data)), "image", 1))
    onnx.checker.check_model(freed)
    original = onnx.load_from_string(data)
    assert freed.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "dccausal_batch"
    freed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    freed.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    for tensor in freed.graph.initializer:
        if tensor.name == "shape":
            assert numpy_helper.to_array(tensor).tolist() == [-1, 3]
            tensor.CopyFrom(numpy_helper.from_array(np.array([1, 3]), "shape"))
    assert original.graph.value_info
    original.graph.ClearField("value_info")
    assert freed == original


# The comparison itself


def test_answers_that_are_all_the_same_prove_nothing():
    def constant(tensor):
        return np.ones((len(tensor), 3))

    assert not agrees(constant, constant, np.zeros((8, 3, 4, 4)))


def test_a_small_difference_is_rounding_and_a_large_one_is_not():
    answers = np.random.default_rng(0).normal(size=(8, 5))

    def single(tensor):
        return answers[tensor[:, 0].astype(int)]

    tensors = np.arange(8.0)[:, None]
    assert agrees(single, lambda t: single(t) + 1e-5, tensors)
    assert not agrees(single, lambda t: single(t) + 0.5, tensors)
    assert not agrees(single, lambda t: single(t)[:1], tensors)
    assert not agrees(single, lambda t: single(t) * np.nan, tensors)
    assert not agrees(single, lambda t: single(t) if len(t) < 3 else single(t)[::-1], tensors)


# Protobuf and the graph


@pytest.mark.parametrize("model", [build(), with_shapes(build(batch=1, reshape=[1, -1])), mixes_rows()])
def test_what_is_not_changed_is_copied(model):
    data = memoryview(model)
    assert b"".join(field.raw for field in read_fields(data)) == model
    assert rewrite(data, {7: lambda graph: rewrite(graph, {1: bytes, 5: bytes, 11: bytes})}) == model


@pytest.mark.parametrize("cut", [write_bytes(4, b"hello")[:-1], write_int(3, 300)[:-1], b"\x0b", b"\x00\x00"])
def test_what_is_cut_off_or_no_message_is_refused(cut):
    with pytest.raises(ValueError, match=r"at byte|is not protobuf"):
        list(read_fields(memoryview(cut)))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        fields = list(read_fields(memoryview(data)))
    except ValueError:
        return
    assert b"".join(field.raw for field in fields) == data


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6), st.booleans())
def test_whole_numbers_are_read_as_protobuf_wrote_them(values, packed):
    tensor = onnx.TensorProto(name="n", data_type=7, dims=[len(values)])
    if packed:
        tensor.int64_data.extend(values)
    else:
        tensor.raw_data = np.array(values, np.int64).tobytes()
    read = read_int64s(memoryview(tensor.SerializeToString()))
    assert read == ("n", values)


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300))
def test_fields_are_written_as_protobuf_reads_them(number, text):
    data = write_int(3, number) + write_bytes(4, text)
    attribute = onnx.AttributeProto.FromString(data)
    assert (attribute.i, attribute.s) == (number, text)
    fields = list(read_fields(memoryview(data)))
    assert read_ints(fields[0].value) == [number]


def test_only_a_row_of_int64_is_read():
    for array in (np.zeros((2, 2), np.int64), np.zeros(2, np.int32), np.zeros(2, np.float32), np.int64(3)):
        tensor = numpy_helper.from_array(np.asarray(array), "n")
        assert read_int64s(memoryview(tensor.SerializeToString())) is None


@pytest.mark.parametrize(
    ("end", "op"),
    [
        ([], "MatMul"),
        (["Softmax"], "Softmax"),
        (["Softmax", "Flatten", "Identity", ("Cast", {"to": TYPES["float64"]})], "Softmax"),
        (["Sigmoid", "Neg"], "Neg"),
    ],
)
def test_the_last_operation_is_found(end, op):
    graph = Graph.read(memoryview(build(end=end)))
    assert graph.final_op("scores") == op
    assert graph.final_op("nothing") is None
    assert graph.external_files() == []


def test_a_graph_that_goes_in_circles_has_no_last_operation():
    proto = onnx.load_from_string(build())
    proto.graph.node[-1].input[0] = "scores"
    assert Graph.read(memoryview(proto.SerializeToString())).final_op("scores") is None


def _vision_transformer(*, is_node):
    """One block: patches, a class token in front, positions, attention by constant shapes, the token's row."""
    rng = np.random.default_rng(0)

    def weight(*shape):
        return rng.normal(size=shape).astype(np.float32) / shape[0] ** 0.5

    arrays = {
        "patch": weight(8, 3, 4, 4),
        "token": weight(1, 1, 8),
        "positions": weight(1, 5, 8),
        "qkv": weight(8, 24),
        "head": weight(8, 4) * 4,
        "flat": np.array([1, 8, 4]),
        "split": np.array([1, 5, 3, 2, 4]),
        "merge": np.array([1, 5, 8]),
        "first": np.array(0),
        "second": np.array(1),
        "third": np.array(2),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "patch"], ["p"], strides=[4, 4]),
        node("Reshape", ["p", "flat"], ["f"]),
        node("Transpose", ["f"], ["t"], perm=[0, 2, 1]),
        node("Concat", ["token", "t"], ["c"], axis=1),
        node("Add", ["c", "positions"], ["x"]),
        node("MatMul", ["x", "qkv"], ["m"]),
        node("Reshape", ["m", "split"], ["s"]),
        node("Transpose", ["s"], ["u"], perm=[2, 0, 3, 1, 4]),
        *(
            node("Gather", ["u", which], [name], axis=0)
            for which, name in (("first", "q"), ("second", "k"), ("third", "v"))
        ),
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], ["a"]),
        node("Softmax", ["a"], ["w"], axis=-1),
        node("MatMul", ["w", "v"], ["o"]),
        node("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]),
        node("Reshape", ["ot", "merge"], ["r"]),
        node("Add", ["r", "x"], ["y"]),
        node("Gather", ["y", "first"], ["cls"], axis=1),
        node("MatMul", ["cls", "head"], ["scores"]),
    ]
    if is_node:
        token = numpy_helper.from_array(arrays.pop("token"), "")
        nodes.insert(0, node("Constant", [], ["token"], value=token))
    graph = helper.make_graph(
        nodes,
        "vit",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


@pytest.mark.parametrize("is_node", [False, True])
def test_a_class_token_is_given_to_each_image(is_node):
    data = _vision_transformer(is_node=is_node)
    freed, single = on_cpu(data, preprocess="unit"), on_cpu(data, preprocess="unit", batch_size=1)
    assert (freed.fixed_batch, single.fixed_batch) == (None, 1)
    photos = images(7, (8, 8))
    np.testing.assert_allclose(freed(photos), single(photos), atol=1e-5)
