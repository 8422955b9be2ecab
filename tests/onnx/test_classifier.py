"""ONNX classifiers as they come: what is read, what is refused, and that the scores are right."""

from __future__ import annotations

import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from dccausal.errors import ClassifierError, ModelError, OptionError
from dccausal.inputs.preprocess import Preprocess
from small_models import SIZE, TYPES, build, expected, images, on_cpu, replace_end, sigmoid, softmax

SHARED = Path(__file__).parents[3] / "shared" / "models"
X = images(11)


def load(*, preprocess="unit", batch_size="auto", labels=None, scores="auto", output=None, **model):
    return on_cpu(
        build(**model),
        preprocess=preprocess,
        batch_size=batch_size,
        labels=labels,
        scores=scores,
        output=output,
    )


# Layout, size, dtype


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "uint8"])
def test_layout_size_and_dtype_are_read(layout, dtype):
    is_raw = dtype == "uint8"
    classifier = load(
        layout=layout, dtype=dtype, preprocess="raw" if is_raw else "unit", gain=1 / 255 if is_raw else 1
    )
    assert classifier.layout == layout
    assert classifier.dtype == dtype
    assert classifier.size == SIZE
    assert (classifier.channels, classifier.n_classes) == (3, 4)
    assert (classifier.device, classifier.provider) == ("cpu", "CPUExecutionProvider")
    scores = classifier(X)
    assert (scores.shape, scores.dtype) == ((11, 4), np.float32)
    np.testing.assert_allclose(scores, softmax(expected(X)), atol=5e-3 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_one_channel(layout):
    classifier = load(layout=layout, channels=1)
    assert classifier.channels == 1
    assert classifier.encode(X).shape == ((11, 1, *SIZE) if layout == "NCHW" else (11, *SIZE, 1))
    grey = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in X])
    assert classifier(X).argmax(axis=1).shape == (11,)
    np.testing.assert_allclose(classifier.encode(X).reshape(11, *SIZE) * 255, grey, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        (["b", 3, "h", "w"], "NCHW"),
        (["b", "h", "w", 3], "NHWC"),
        (["b", 3, None, None], "NCHW"),
        ([-1, 3, -1, -1], "NCHW"),
        (["batch_size", "num_channels", "height", "width"], "NCHW"),
        (["batch_size", "height", "width", "num_channels"], "NHWC"),
        (["a", "b", "c", "d"], "NCHW"),
        (["a", "b", "c", "d"], "NHWC"),
    ],
)
def test_open_dimensions(shape, layout):
    classifier = load(shape=shape, layout=layout)
    assert classifier.size == (224, 224)
    assert classifier.layout == layout
    assert classifier.preprocess.size == (224, 224)
    assert classifier.notes == ("the model leaves the size of its images open; 224 x 224 was taken",)
    wide = load(shape=shape, layout=layout, preprocess=Preprocess(size=SIZE))
    assert (wide.size, wide.notes) == (SIZE, ())
    np.testing.assert_allclose(wide(X), softmax(expected(X)), atol=1e-5)


def test_an_ambiguous_shape_is_read_as_channels_first_unless_told():
    shape = ["b", 3, 8, 3]
    first = build(shape=shape, layout="NCHW")
    assert on_cpu(first).layout == "NCHW"
    assert on_cpu(first).size == (8, 3)
    last = on_cpu(build(shape=shape, layout="NHWC"), preprocess=Preprocess(layout="NHWC"))
    assert (last.layout, last.size) == ("NHWC", (3, 8))


def test_a_layout_that_the_model_does_not_have():
    with pytest.raises(
        OptionError, match=r"layout is 'NHWC'; .* has image float32 \(batch, 3, 8, 10\), so NCHW is needed"
    ):
        load(preprocess=Preprocess(layout="NHWC"))


@pytest.mark.parametrize("size", [(9, 9), (9, 10), (8, 9)])
def test_a_size_that_the_model_does_not_take(size):
    with pytest.raises(OptionError, match=r"size is .*; the model takes \(height, width\) \(8, 10\)"):
        load(preprocess=Preprocess(size=size))


def test_a_height_that_is_fixed_and_a_width_that_is_open():
    shape = ["b", 3, 8, "w"]
    assert load(shape=shape).size == (8, 224)
    assert load(shape=shape, preprocess=Preprocess(size=SIZE)).size == SIZE
    with pytest.raises(OptionError, match=r"size is \(9, 10\); the model takes \(height, width\) \(8, any\)"):
        load(shape=shape, preprocess=Preprocess(size=(9, 10)))


@pytest.mark.parametrize("shape", [["b", "num_channels", "h", "w"], ["b", "h", "w", "num_channels"]])
def test_an_axis_that_is_named_after_channels_is_tried_first(shape):
    model = build(shape=shape, end=["Identity"])
    proto = onnx.load_from_string(model)
    del proto.graph.node[:]
    proto.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2]),
            helper.make_node("Flatten", ["mean"], ["scores"]),
        ]
    )
    layout = "NCHW" if shape[1] == "num_channels" else "NHWC"
    assert on_cpu(proto.SerializeToString(), preprocess=Preprocess(size=SIZE)).layout == layout


# Batches


@pytest.mark.parametrize("n", [1, 2, 4, 5, 11])
@pytest.mark.parametrize("batch_size", ["auto", 1, 3, 64])
def test_scores_do_not_depend_on_the_batch_size(n, batch_size):
    classifier = load(batch_size=batch_size)
    assert classifier.fixed_batch is None
    np.testing.assert_allclose(classifier(X[:n]), softmax(expected(X[:n])), atol=1e-6)
    np.testing.assert_array_equal(classifier(X[:n]), classifier.run(classifier.encode(X[:n])))


def test_no_images_give_no_scores():
    assert load()(X[:0]).shape == (0, 4)


@pytest.mark.parametrize("batch_size", ["auto", 5])
def test_a_fixed_batch_is_filled_up(batch_size):
    classifier = load(batch=5, batch_size=batch_size)
    assert (classifier.fixed_batch, classifier.batch_size, classifier.notes) == (5, 5, ())
    for n in (1, 4, 5, 6, 11):
        np.testing.assert_allclose(classifier(X[:n]), softmax(expected(X[:n])), atol=1e-6)


def test_a_fixed_batch_of_one_that_is_wanted():
    classifier = load(batch=1, batch_size=1)
    assert (classifier.fixed_batch, classifier.batch_size, classifier.notes) == (1, 1, ())
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_a_model_that_only_claims_any_batch_size():
    classifier = load(reshape=[1, 3], batch_size=1)
    assert (classifier.fixed_batch, classifier.batch_size) == (1, 1)
    assert classifier.notes == ("the model declares any batch size but takes only one image a run",)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_threads_may_share_a_classifier():
    classifier = load(batch=3)
    alone = classifier(X)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: classifier(X), range(20)):
            np.testing.assert_array_equal(answer, alone)


# Scores


@pytest.mark.parametrize(
    ("end", "kind", "activation", "reason"),
    [
        ([], "logits", softmax, "the graph ends in MatMul"),
        (["Relu"], "logits", lambda z: softmax(np.maximum(z, 0)), "the graph ends in Relu"),
        (["Softmax"], "probabilities", softmax, "the graph ends in Softmax"),
        (["Softmax", "Identity", "Flatten"], "probabilities", softmax, "the graph ends in Softmax"),
        (["LogSoftmax"], "logits", softmax, "the graph ends in LogSoftmax"),
        (["Sigmoid"], "sigmoid", sigmoid, "the graph ends in Sigmoid"),
        (
            ["Softmax", "Neg", "Abs"],
            "probabilities",
            softmax,
            "the scores of random images lie in 0..1 and sum to 1",
        ),
        (
            ["Sigmoid", "Neg", "Abs"],
            "sigmoid",
            sigmoid,
            "the scores of random images lie in 0..1 and do not sum to 1",
        ),
        (["Neg"], "logits", lambda z: softmax(-z), "the scores of random images leave 0..1"),
    ],
)
def test_scores_are_told_apart(end, kind, activation, reason):
    classifier = load(end=end)
    assert (classifier.scores, classifier.scores_reason) == (kind, reason)
    assert classifier.multi_label == (kind == "sigmoid")
    np.testing.assert_allclose(classifier(X), activation(expected(X)), atol=1e-6)


@pytest.mark.parametrize(
    ("end", "scores", "activation"),
    [
        ([], "probabilities", lambda z: z),
        (["Softmax"], "logits", lambda z: softmax(softmax(z))),
        ([], "sigmoid", sigmoid),
        (["Sigmoid"], "sigmoid", sigmoid),
        (["Sigmoid", "Neg", "Abs"], "sigmoid", sigmoid),
    ],
)
def test_the_kind_of_scores_can_be_given(end, scores, activation):
    classifier = load(end=end, scores=scores)
    assert classifier.scores == scores
    assert classifier.multi_label == (scores == "sigmoid")
    np.testing.assert_allclose(classifier(X), activation(expected(X)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("end", "scores", "activation"),
    [
        ([], "auto", sigmoid),
        (["Sigmoid"], "auto", sigmoid),
        (["Sigmoid", "Neg", "Abs"], "auto", sigmoid),
        (["Sigmoid"], "binary", sigmoid),
        ([], "binary", sigmoid),
        ([], "logits", sigmoid),
        (["Sigmoid"], "probabilities", sigmoid),
    ],
)
def test_one_output_becomes_two_columns(end, scores, activation):
    classifier = load(classes=1, end=end, scores=scores, labels=["cat"])
    assert (classifier.scores, classifier.n_classes, classifier.multi_label) == ("binary", 2, False)
    assert classifier.names == ("not cat", "cat")
    p = activation(expected(X, 1))[:, 0]
    np.testing.assert_allclose(classifier(X), np.stack([1 - p, p], axis=1), atol=1e-6)


def test_extreme_logits_overflow_nothing():
    for scores in ("logits", "sigmoid"):
        answer = load(gain=1e4, scores=scores)(X)
        assert np.isfinite(answer).all()
        assert answer.max() == 1


def test_binary_needs_one_output():
    with pytest.raises(
        OptionError, match="scores='binary' was given for a model with 4 outputs; exactly 1 is needed"
    ):
        load(scores="binary")


def test_scores_that_are_never_finite():
    with pytest.raises(
        ClassifierError, match="gives NaN or infinite scores for random images; finite scores"
    ):
        load(end=["Sqrt"])


def test_scores_that_stop_being_finite():
    model = replace_end(
        build(),
        [
            ("ReduceMax", ["image"], "max", {"axes": [1, 2, 3], "keepdims": 0}),
            ("Div", ["max", "max"], "one", {}),  # but for a black image
            ("Unsqueeze", ["one", "axis"], "column", {}),
            ("Mul", ["v1", "column"], "scores", {}),
        ],
        axis=[1],
    )
    classifier = on_cpu(model, preprocess="unit", batch_size=2)
    batch = X.copy()
    batch[[1, 8]] = 0
    with pytest.raises(ClassifierError, match="NaN or infinite scores for 2 of 11 images; finite scores"):
        classifier(batch)


# Outputs


def test_the_output_that_is_called_scores_is_taken():
    classifier = load(extra_outputs=[("is_nan", "IsNaN"), ("negated", "Neg")])
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)
    assert classifier.provenance()["output"] == "scores"
    assert classifier.notes == (
        "the scores are taken from the output 'scores' of negated, scores: by its name",
    )
    assert classifier.cautions == classifier.notes


def test_an_output_can_be_chosen():
    classifier = load(extra_outputs=[("negated", "Neg")], output="scores")
    assert classifier.notes == ()
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_the_output_with_as_many_columns_as_names_goes_first():
    model = onnx.load_from_string(build(extra_outputs=[]))
    model.graph.node.append(helper.make_node("Concat", ["scores", "scores"], ["features"], axis=1))
    model.graph.output.insert(0, helper.make_tensor_value_info("features", TYPES["float32"], None))
    data = model.SerializeToString()
    assert on_cpu(data, labels=list("abcdefgh")).n_classes == 8
    assert on_cpu(data, labels=["a", "b", "c", "d"]).n_classes == 4


def test_an_unknown_output():
    with pytest.raises(
        OptionError, match=r"output 'probs' was asked for; the model has negated float32 \(4, 4\), scores"
    ):
        load(extra_outputs=[("negated", "Neg")], output="probs")


def test_an_output_without_scores():
    with pytest.raises(
        ModelError, match=r"output 'is_nan' gives no scores for each of 4 images: it has is_nan bool \(4, 4\)"
    ):
        load(extra_outputs=[("is_nan", "IsNaN")], output="is_nan")


def test_a_model_without_scores():
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MaxPool", ["image"], ["features"], kernel_shape=[2, 2])],
            "features",
            [helper.make_tensor_value_info("image", TYPES["float32"], ["b", 3, 8, 8])],
            [helper.make_tensor_value_info("features", TYPES["float32"], None)],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with pytest.raises(
        ModelError, match=r"features float32 \(4, 3, 7, 7\); a float output \(images, classes\) is needed"
    ):
        on_cpu(model.SerializeToString())


@pytest.mark.parametrize("axes", [[2, 3], [2], [1]])
def test_scores_with_axes_of_one(axes):
    model = replace_end(build(), [("Unsqueeze", ["v1", "axes"], "scores", {})], axes=axes)
    classifier = on_cpu(model, preprocess="unit")
    assert classifier.fixed_batch is None
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_scores_whose_first_axis_is_not_the_batch():
    model = replace_end(build(), [("Unsqueeze", ["v1", "axes"], "scores", {})], axes=[0])
    classifier = on_cpu(model, preprocess="unit")
    assert classifier.fixed_batch == 1
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_scores_of_one_image_without_a_batch_axis():
    model = replace_end(build(batch=1), [("Squeeze", ["v1", "axes"], "scores", {})], axes=[0])
    classifier = on_cpu(model, preprocess="unit")
    assert (classifier.n_classes, classifier.fixed_batch) == (4, 1)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


# Preprocessing


@pytest.mark.parametrize(
    ("model", "preset", "reason"),
    [
        ({}, "imagenet", "guessed: channels come first"),
        ({"layout": "NHWC"}, "tf", "guessed: channels come last"),
        ({"dtype": "uint8"}, "raw", "guessed: the model takes uint8"),
        ({"dtype": "uint8", "layout": "NHWC"}, "raw", "guessed: the model takes uint8"),
        ({"channels": 1}, "unit", "guessed: one channel first"),
    ],
)
def test_preprocessing_is_guessed_with_a_reason(model, preset, reason):
    classifier = load(preprocess=None, **model)
    assert classifier.preprocess == Preprocess.preset(preset).with_size(SIZE)
    assert classifier.preprocess_reason.startswith(reason)


def test_preprocessing_of_the_metadata():
    settings = Preprocess(geometry="crop", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), size=(16, 16))
    metadata = {"preprocess": json.dumps(settings.to_dict())}
    classifier = load(preprocess=None, metadata=metadata, shape=["b", 3, "h", "w"])
    assert classifier.preprocess == settings
    assert classifier.size == (16, 16)
    assert classifier.preprocess_reason == "the model's metadata"
    assert load(preprocess="unit", metadata=metadata).preprocess_reason == "given"


@pytest.mark.parametrize("text", ["not JSON", "[1]", '{"resize": 256}', '{"mean": "x"}', "null"])
def test_metadata_of_other_programs_is_passed_over(text):
    classifier = load(preprocess=None, metadata={"preprocess": text})
    assert classifier.preprocess == Preprocess.preset("imagenet").with_size(SIZE)
    assert "its metadata 'preprocess' cannot be read" in classifier.preprocess_reason


def test_an_ultralytics_classifier():
    metadata = {"task": "classify", "names": "{0: 'tench', 1: \"it's\", 2: 'c', 3: 'd'}", "imgsz": "[8, 10]"}
    classifier = load(preprocess=None, metadata=metadata, end=["Softmax"])
    assert classifier.names == ("tench", "it's", "c", "d")
    assert classifier.preprocess == Preprocess(geometry="squash", size=SIZE)  # as the shape is no square
    assert classifier.preprocess_reason == "metadata of an Ultralytics classifier"


def test_raw_pixels_are_needed_for_uint8():
    with pytest.raises(OptionError, match="for a model that takes uint8; the pixels themselves are needed"):
        load(dtype="uint8", preprocess="imagenet")


def test_prepare_is_the_preprocessing_for_the_models_size():
    photo = Image.fromarray(images(1, (40, 30))[0])
    x, placement = load(preprocess=Preprocess(geometry="pad")).prepare(photo)
    assert x.shape == (*SIZE, 3)
    assert placement.photo_size == (30, 40)


# Names


def test_names_are_given_by_metadata_or_option():
    metadata = {"names": json.dumps(["a", "b", "c", "d"])}
    assert load().names is None
    assert load(metadata=metadata).names == ("a", "b", "c", "d")
    classifier = load(metadata=metadata, labels=["w", "x", "y", "z"])
    assert classifier.names == ("w", "x", "y", "z")
    assert classifier.resolve_label("Y") == 2
    with pytest.raises(OptionError, match="target is 4; a label from 0 to 3 is needed"):
        classifier.resolve_label(4)


def test_names_for_1001_classes_get_a_background():
    names = [f"class {i}" for i in range(1000)]
    classifier = load(classes=1001, labels=names)
    assert classifier.names == ("background", *names)
    assert load(classes=1001, metadata={"names": json.dumps(names)}).names[1] == "class 0"


def test_a_wrong_number_of_names():
    with pytest.raises(
        OptionError, match=r"3 names \(labels, or prompts\) were given; the model has 4 classes"
    ):
        load(labels=["a", "b", "c"])
    classifier = load(metadata={"names": json.dumps(["a", "b", "c"])})
    assert classifier.names is None
    assert classifier.notes == (
        "the model's metadata names 3 classes, but the model has 4: the names are not used",
    )


# Models that are refused


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            {"extra_inputs": [("mask", ["b", 1])]},
            r"has 2 inputs \(image float32 \(batch, 3, 8, 10\), mask float32 \(b, 1\)\)",
        ),
        ({"channels": 4}, r"no image-like input: it has image float32 \(batch, 4, 8, 10\)"),
    ],
)
def test_models_without_exactly_one_image(model, text):
    with pytest.raises(ModelError, match=text):
        load(**model)


@pytest.mark.parametrize("shape", [["b", 30], [4, 8, 4], None])
def test_inputs_that_are_no_images(shape):
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["scores"])],
        "vector",
        [helper.make_tensor_value_info("x", TYPES["float32"], shape)],
        [helper.make_tensor_value_info("scores", TYPES["float32"], None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelError, match=r"has no image-like input: it has x float32 \("):
        on_cpu(model.SerializeToString())


def test_a_model_without_inputs():
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["scores"], value_floats=[1.0])],
        "constant",
        [],
        [helper.make_tensor_value_info("scores", TYPES["float32"], None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(
        ModelError, match=r"has no image-like input: it has none; \(batch, 3, height, width\)"
    ):
        on_cpu(model.SerializeToString())


def test_an_unknown_input():
    with pytest.raises(
        OptionError, match=r"input 'x' was asked for; .* has image float32 \(batch, 3, 8, 10\)"
    ):
        on_cpu(build(), input="x")
    assert on_cpu(build(), input="image").size == SIZE


def test_a_model_that_cannot_run_what_it_declares():
    model = onnx.load_from_string(build(shape=["b", 3, "h", "w"]))
    del model.graph.node[:]
    model.graph.node.extend(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "wide"], ["scores"]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((240, 4), np.float32), "wide"))
    data = model.SerializeToString()
    with pytest.raises(ModelError, match=r"a tensor \(4, 3, 224, 224\) float32: .*MatMul.* is needed"):
        on_cpu(data)
    assert on_cpu(data, preprocess=Preprocess(size=SIZE))(X).shape == (11, 4)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"is empty; an ONNX file is needed"),
        (
            b"this is no model at all",
            r"cannot be loaded by ONNX Runtime: .*; an ONNX image classifier is needed",
        ),
        (bytes(range(256)) * 20, r"cannot be loaded by ONNX Runtime: .*; an ONNX image classifier is needed"),
        (b"\x00" * 100, r"cannot be loaded by ONNX Runtime: .*; an ONNX image classifier is needed"),
        (build()[:200], r"cannot be loaded by ONNX Runtime: .*; an ONNX image classifier is needed"),
    ],
)
def test_files_that_are_not_onnx(tmp_path, content, text):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx " + text):
        on_cpu(path)
    with pytest.raises(ModelError, match="the model given as bytes " + text):
        on_cpu(content)


def test_missing_models(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx does not exist; the path of an ONNX file is needed"):
        on_cpu(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="is a folder; an ONNX file is needed"):
        on_cpu(str(tmp_path))
    with pytest.raises(ModelError, match="given as int; a path or the bytes of an ONNX file is needed"):
        on_cpu(7)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"scores": "softmax"},
            "scores is 'softmax'; one of auto, logits, probabilities, sigmoid, binary, labels is needed",
        ),
        ({"batch_size": 0}, "batch_size is 0; a whole number from 1 to 65536 is needed"),
        ({"batch_size": "many"}, "batch_size is 'many'; a whole number from 1"),
        ({"batch_size": 2.0}, r"batch_size is 2\.0; a whole number"),
        ({"threads": 0}, "threads is 0; a whole number of at least 1 is needed"),
        ({"threads": True}, "threads is True; a whole number of at least 1"),
        ({"preprocess": "resnet"}, "preprocess: 'resnet' is no preset"),
        ({"labels": "no_such_file.txt"}, r"labels: no_such_file\.txt cannot be read"),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(OptionError, match=text):
        on_cpu(build(), **options)


# Tensors and images of the wrong kind


@pytest.mark.parametrize(
    "tensor",
    [
        np.zeros((2, 3, 8, 9), np.float32),
        np.zeros((2, *SIZE, 3), np.float32),
        np.zeros((2, 3, *SIZE), np.float64),
    ],
)
def test_run_takes_only_its_own_tensors(tensor):
    with pytest.raises(OptionError, match=r"tensor must be \('n', 3, 8, 10\) float32, got \(2, "):
        load().run(tensor)


@pytest.mark.parametrize("batch", [X[0], X[:, :7], X.astype(np.float32), X.transpose(0, 3, 1, 2)])
def test_encode_takes_only_images_of_its_size(batch):
    with pytest.raises(OptionError, match=r"images must be \(N, .*, 3\) uint8, got "):
        load()(batch)


def test_run_takes_views():
    classifier = load()
    tensor = classifier.encode(X)
    np.testing.assert_array_equal(classifier.run(tensor[::2]), classifier.run(tensor)[::2])


def test_a_run_that_fails_says_what_onnx_runtime_says():
    model = replace_end(
        build(),
        [
            ("ReduceMax", ["image"], "max", {"keepdims": 0}),
            ("Less", ["max", "half"], "is_dark", {}),
            ("Cast", ["is_dark"], "index", {"to": 7}),
            ("Gather", ["zero", "index"], "nothing", {}),  # out of range for dark images
            ("Add", ["v1", "nothing"], "scores", {}),
        ],
        half=np.float32(0.5),
        zero=np.zeros(1, np.float32),
    )
    classifier = on_cpu(model, preprocess="unit")
    bright = np.maximum(X, 180)
    assert classifier(bright).shape == (11, 4)
    bright[4:8] = 0
    with pytest.raises(ClassifierError, match=r"the model failed on 4 images on cpu: .*Gather.* are needed"):
        classifier(bright)


# Provenance


def test_provenance_tells_what_decided_the_scores(tmp_path):
    data = build(end=["Softmax"])
    path = tmp_path / "small.onnx"
    path.write_bytes(data)
    classifier = on_cpu(path, preprocess="unit", threads=1)
    told = classifier.provenance()
    assert json.loads(json.dumps(told)) == told
    assert told["model_sha256"] == classifier.sha256 == hashlib.sha256(data).hexdigest()
    assert (classifier.path, told["model"]) == (path, "small.onnx")
    assert on_cpu(data).path is None
    wanted = {
        "runtime": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "device": "cpu",
        "device_note": None,
        "threads": 1,
        "batch_size": 4,
        "precision": "float32",
        "scores": "probabilities",
        "preprocess": Preprocess(size=SIZE).to_dict(),
        "preprocess_reason": "given",
    }
    assert {key: told[key] for key in wanted} == wanted
    assert "small.onnx: NCHW float32 8 x 10, 4 classes (probabilities), cpu, batch 4" in repr(classifier)


def test_weights_in_another_file_are_found_and_hashed(tmp_path):
    model = onnx.load_from_string(build())
    path = tmp_path / "small.onnx"
    onnx.save(model, path, save_as_external_data=True, location="small.data", size_threshold=0)
    classifier = on_cpu(path, preprocess="unit")
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)
    digest = hashlib.sha256((tmp_path / "small.data").read_bytes()).hexdigest()
    assert classifier.provenance()["model_external_sha256"] == {"small.data": digest}
    (tmp_path / "small.data").unlink()
    with pytest.raises(ModelError, match=r"small\.onnx cannot be loaded by ONNX Runtime"):
        on_cpu(path)


# Real models


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared models are not here")
@pytest.mark.parametrize(
    ("name", "layout", "size", "n_classes", "kind"),
    [
        ("efficientnet-lite0", "NCHW", 224, 1000, "logits"),
        ("squeezenet1.1", "NCHW", 227, 1000, "logits"),
        ("mobilenet_v1_0.25_128_nhwc", "NHWC", 128, 1001, "probabilities"),
    ],
)
def test_real_models_are_read_rightly(name, layout, size, n_classes, kind):
    classifier = on_cpu(SHARED / f"{name}.onnx", labels=SHARED / "imagenet1k.txt")
    assert (classifier.layout, classifier.size, classifier.scores) == (layout, (size, size), kind)
    assert (classifier.n_classes, len(classifier.names)) == (n_classes, n_classes)
    scores = classifier(images(2, classifier.size))
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-4)
    assert math.isclose(classifier.resolve_label("goldfish"), n_classes - 999)
