"""Other inputs than the image, which input is the image, and images in other types and shapes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal import explain
from dccausal.errors import ModelError, OptionError
from dccausal.onnx.reading.feed import read_feed
from small_models import SIZE, expected, images, on_cpu, softmax, weights

X = images(5)
F, BOOL = TensorProto.FLOAT, TensorProto.BOOL
node = helper.make_node


def model(inputs, nodes, constants=None, *, outputs=("scores",)):
    arrays = {"matrix": weights(3, 4).astype(np.float32), **(constants or {})}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(name, F, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def tail(image="image"):
    return [
        node("ReduceMean", [image], ["mean"], axes=[2, 3], keepdims=0),
        node("MatMul", ["mean", "matrix"], ["flat"]),
    ]


IMAGE = ("image", F, ["n", 3, *SIZE])
TRAINING = (
    [IMAGE, ("is_training", BOOL, [])],
    [
        *tail(),
        node("Cast", ["is_training"], ["t"], to=F),
        node("Sub", ["one", "t"], ["g"]),
        node("Mul", ["flat", "g"], ["scores"]),
    ],
    {"one": np.float32(1)},
)
MASK = (
    [IMAGE, ("mask", F, ["n", 1, *SIZE])],
    [node("Mul", ["image", "mask"], ["seen"]), *tail("seen"), node("Identity", ["flat"], ["scores"])],
)
SHAPE = (
    [IMAGE, ("im_shape", F, ["n", 2])],
    [
        *tail(),
        node("ReduceMean", ["im_shape"], ["s"], axes=[1], keepdims=1),
        node("Mul", ["flat", "s"], ["scores"]),
    ],
)


@pytest.mark.parametrize(
    ("parts", "feed"),
    [
        (TRAINING, {"is_training": False}),
        (TRAINING, {"is_training": "0"}),
        (TRAINING, {"is_training": "false"}),
        (MASK, {"mask": 1}),
        (MASK, {"mask": np.ones((1, 1, *SIZE))}),
        (MASK, {"mask": np.ones(SIZE)[None]}),
        (SHAPE, {"im_shape": "1,1"}),
        (SHAPE, {"im_shape": [1, 1]}),
    ],
)
def test_constants_are_fed_with_every_run(parts, feed):
    classifier = on_cpu(model(*parts), preprocess="unit", feed=feed)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-5)
    assert list(classifier.provenance()["feed"]) == list(feed)
    explanation = explain(X[0], classifier, max_calls=40)
    assert explanation.provenance["classifier"]["feed"] == classifier.feed


def test_a_file_of_numpy_is_fed(tmp_path):
    np.save(tmp_path / "mask.npy", np.ones((1, *SIZE)))
    classifier = on_cpu(model(*MASK), preprocess="unit", feed={"mask": str(tmp_path / "mask.npy")})
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-5)


def test_prompts_are_fed_as_they_are_and_the_scores_of_an_image_taken():
    """As Optimum exports CLIP: tokens of as many prompts as there are classes, and similarities both ways."""
    inputs = [("input_ids", TensorProto.INT64, ["text", "length"]), IMAGE]
    nodes = [
        *tail(),
        node("Cast", ["input_ids"], ["text"], to=F),
        node("Transpose", ["text"], ["turned"], perm=[1, 0]),
        node("MatMul", ["flat", "turned"], ["logits_per_image"]),
        node("Transpose", ["logits_per_image"], ["logits_per_text"], perm=[1, 0]),
    ]
    data = model(inputs, nodes, outputs=("logits_per_image", "logits_per_text"))
    classifier = on_cpu(
        data, preprocess="unit", feed={"input_ids": np.eye(4, dtype=np.int64)[:3]}, labels=["a", "b", "c"]
    )
    assert classifier.n_classes == 3
    np.testing.assert_allclose(classifier(X), softmax(expected(X)[:, :3]), atol=1e-5)


@pytest.mark.parametrize(
    ("feed", "error", "text"),
    [
        ({}, ModelError, r"has 2 inputs \(.*\); images go into 'image', .*--feed 'is_training=VALUE'"),
        (
            {"training": 1},
            OptionError,
            r"feed names 'training'; inputs of the model beside the image are: is_training bool",
        ),
        ({"image": 1}, ModelError, "no image-like input"),
        ({"is_training": [1, 0]}, OptionError, r"has the shape \(2,\)"),
        ({"is_training": "maybe"}, OptionError, "feed 'is_training' is 'maybe'; NAME=VALUE"),
        ({"is_training": "none.npy"}, OptionError, r"none\.npy is no file"),
        ({"is_training": object()}, OptionError, "feed 'is_training' is object|shape"),
    ],
)
def test_feeds_that_do_not_go_with_the_model(feed, error, text):
    data = model(*TRAINING)
    if isinstance(feed.get("is_training"), object) and type(feed.get("is_training")) is object:
        pytest.skip("a truth value can be made of any object")
    with pytest.raises(error, match=text):
        on_cpu(data, preprocess="unit", feed=feed)


def test_the_command_lines_form():
    assert read_feed(["a=1", "b = x.npy"]) == {"a": "1", "b": "x.npy"}
    for wrong in ("a", "=1", "a="):
        with pytest.raises(OptionError, match="feed is "):
            read_feed([wrong])


def test_the_image_can_be_chosen():
    inputs = [("image", F, ["n", 3, *SIZE]), ("other", F, ["n", 3, *SIZE])]
    data = model(
        inputs,
        [node("Add", ["image", "other"], ["seen"]), *tail("seen"), node("Identity", ["flat"], ["scores"])],
    )
    with pytest.raises(ModelError, match="has 2 inputs that may be the image"):
        on_cpu(data, preprocess="unit")
    for name, other in (("image", "other"), ("other", "image")):
        classifier = on_cpu(data, preprocess="unit", input=name, feed={other: 0})
        np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-5)
        assert classifier.provenance()["input"] == name


# Types and shapes of the image


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "int64"])
def test_whole_numbers_are_fed_as_pixels(dtype):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        node("Cast", ["image"], ["f"], to=F),
        node("Add", ["f", "offset"], ["p"]),
        node("Mul", ["p", "step"], ["seen"]),
    ]
    constants = {"offset": np.float32(128 if dtype == "int8" else 0), "step": np.float32(1 / 255)}
    classifier = on_cpu(
        model(
            [("image", kind, ["n", 3, *SIZE])],
            [*nodes, *tail("seen"), node("Identity", ["flat"], ["scores"])],
            constants,
        )
    )
    assert classifier.dtype == np.dtype(dtype)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-5)
    explanation = explain(X[0], classifier, max_calls=60, baseline=(0, 0, 0))
    masked = np.where(explanation.kept[..., None], explanation.image, explanation.baseline)
    assert explanation.explanation_score == pytest.approx(
        classifier(masked[None])[0, explanation.label], abs=1e-6
    )


@pytest.mark.parametrize("is_last", [False, True])
def test_an_image_without_a_batch_is_a_batch_of_one(is_last):
    shape = [*SIZE, 3] if is_last else [3, *SIZE]
    axes = [0, 1] if is_last else [1, 2]
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=axes, keepdims=0),
        node("MatMul", ["mean", "matrix"], ["scores"]),
    ]
    classifier = on_cpu(model([("image", F, shape)], nodes), preprocess="unit")
    assert (classifier.fixed_batch, classifier.layout) == (1, "NHWC" if is_last else "NCHW")
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-5)


def test_greyscale_without_an_axis_of_channels():
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Unsqueeze", ["mean", "one"], ["column"]),
        node("MatMul", ["column", "row"], ["scores"]),
    ]
    constants = {"one": np.array([1]), "row": weights(1, 4).astype(np.float32)}
    classifier = on_cpu(model([("image", F, ["n", *SIZE])], nodes, constants), preprocess="unit")
    assert (classifier.channels, classifier.fixed_batch) == (1, None)
    assert classifier(X).shape == (5, 4)


def test_an_assumed_size_that_does_not_fit_is_said_with_the_option():
    nodes = [
        node("Add", ["image", "positions"], ["seen"]),
        *tail("seen"),
        node("Identity", ["flat"], ["scores"]),
    ]
    data = model(
        [("image", F, ["n", 3, "h", "w"])], nodes, {"positions": np.zeros((1, 3, 18, 18), np.float32)}
    )
    with pytest.raises(ModelError, match=r"224 x 224 was assumed, as the model leaves .* open.*--size"):
        on_cpu(data, preprocess="unit")
    assert on_cpu(data, preprocess="unit", size=(18, 18)).size == (18, 18)
