"""Models as exporters leave them: a newcomer gets the right pixels and names with one option at most."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

import exports
from dccausal import ModelError
from dccausal.cli.app import main
from dccausal.inputs.preprocess import PRESETS
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.normalisation import read_in_graph
from exports import IMAGENET, NAMES
from small_models import build, expected, images, on_cpu, softmax, weights

MEAN, STD = (np.array(values) for values in IMAGENET)
PHOTOS = images(3, (32, 32), seed=4)


def _logits(gain, offset):
    """What the small models say of pixels * gain + offset."""
    return (PHOTOS.astype(np.float64).mean(axis=(1, 2)) * gain + offset) @ weights(3, 4)


NORMALISED = _logits(1 / (255 * STD), -MEAN / STD)


def _scores(classifier):
    return np.asarray(classifier(PHOTOS))


@pytest.mark.parametrize(
    "make", [exports.torchvision_script, exports.torchvision_dynamo, exports.timm_script]
)
def test_pytorch_without_anything_beside_is_taken_for_imagenets(make):
    classifier = on_cpu(make())
    assert classifier.preprocess == PRESETS["imagenet"].with_size((32, 32))
    assert classifier.preprocess_reason.startswith("guessed: channels come first")
    np.testing.assert_allclose(_scores(classifier), softmax(NORMALISED), atol=1e-4)


def test_timm_needs_its_config_only(tmp_path):
    (tmp_path / "model.onnx").write_bytes(exports.timm_script())
    (tmp_path / "config.json").write_text(json.dumps(exports.timm_fine_tuned()["config.json"]))
    classifier = on_cpu(tmp_path / "model.onnx")
    assert (classifier.preprocess_reason, classifier.names) == ("config.json beside the model", NAMES)
    np.testing.assert_allclose(_scores(classifier), softmax(NORMALISED), atol=1e-4)


def test_optimum_needs_nothing(tmp_path):
    (tmp_path / "model.onnx").write_bytes(exports.optimum_model())
    processor = exports.vit() | {"size": {"height": 32, "width": 32}}
    for name, document in exports.optimum(processor).items():
        (tmp_path / name).write_text(json.dumps(document))
    classifier = on_cpu(tmp_path / "model.onnx")
    assert (classifier.names, classifier.size) == (NAMES, (32, 32))
    assert classifier.preprocess_reason == "preprocessor_config.json beside the model"
    np.testing.assert_allclose(_scores(classifier), softmax(_logits(1 / 127.5, -1)), atol=1e-4)


@pytest.mark.parametrize(
    ("before", "preset", "logits"),
    [
        ((), "tf", _logits(1 / 127.5, -1)),
        (exports.KERAS_MOBILENET_V3, "raw", _logits(1 / 127.5, -1)),
        (exports.KERAS_EFFICIENTNET, "raw", _logits(1 / (255 * STD), -MEAN / STD)),
        (exports.KERAS_CONVNEXT, "raw", NORMALISED),
    ],
    ids=["mobilenet", "mobilenet-v3", "efficientnet", "convnext"],
)
def test_keras_scales_in_the_graph_or_takes_minus_one_to_one(before, preset, logits):
    classifier = on_cpu(exports.keras(before))
    assert classifier.preprocess == PRESETS[preset].with_size((32, 32))
    told = "0..255, so it gets them as they are" if preset == "raw" else "as in TensorFlow's models"
    assert told in classifier.preprocess_reason
    assert classifier.scores == "probabilities"
    np.testing.assert_allclose(_scores(classifier), softmax(logits), atol=1e-4)


@pytest.mark.parametrize(("name", "layout"), [("keras_tensor_2", "NCHW"), ("input_layer", "NHWC")])
def test_keras_over_pytorch_is_not_taken_for_torchvision(name, layout):
    """PyTorch's exporter writes such a model; Keras resizes whole photographs, and its models take -1..1."""
    model = exports.dressed(build(layout=layout, size=(64, 64)), inputs=name, producer="pytorch")
    classifier = on_cpu(model)
    assert classifier.preprocess == PRESETS["tf"].with_size((64, 64))
    assert classifier.preprocess.geometry == "squash"
    cut = on_cpu(exports.dressed(build(size=(64, 64)), inputs="x", producer="pytorch"))
    assert cut.preprocess.geometry == "crop"


def test_keras_resnet_needs_one_option():
    classifier = on_cpu(exports.keras(), preprocess="caffe")
    bgr = PHOTOS[..., ::-1].astype(np.float64).mean(axis=(1, 2)) - (103.939, 116.779, 123.68)
    np.testing.assert_allclose(_scores(classifier), softmax(bgr @ weights(3, 4)), atol=1e-4)


def test_ultralytics_needs_nothing():
    classifier = on_cpu(exports.ultralytics())
    assert classifier.names == ("tench", "cock's comb", 'a "b"', "d")
    assert (classifier.scores, classifier.size) == ("probabilities", (32, 32))
    assert classifier.preprocess_reason == "metadata of an Ultralytics classifier"
    np.testing.assert_allclose(_scores(classifier), softmax(expected(PHOTOS)), atol=1e-4)
    photo = Image.fromarray(images(1, (60, 100))[0])
    x, placement = classifier.prepare(photo)
    resized = np.asarray(photo.resize((53, 32), Image.Resampling.BILINEAR).crop((10, 0, 42, 32)))
    assert placement.box == pytest.approx(
        (1000 / 53, 0, 4200 / 53, 60)
    )  # the short side to 32, then whole pixels
    assert np.abs(x.astype(int) - resized).max() <= 1


def test_ultralytics_of_other_shapes():
    assert on_cpu(exports.ultralytics(dynamic=True)).size == (32, 32)  # as trained, not 224
    assert on_cpu(exports.ultralytics((24, 40))).preprocess.geometry == "squash"  # as it does itself
    wide = on_cpu(exports.ultralytics((24, 40), dynamic=True))
    assert (wide.size, wide.preprocess.geometry) == ((24, 40), "squash")
    detector = on_cpu(exports.ultralytics(task="detect"))
    assert detector.preprocess_reason.startswith("guessed")


# Normalisation in the graph

STEPS = {
    "0..255 by 255": ([("Div", 255.0)], "raw"),
    "in 0..255": ([("Sub", 255 * MEAN), ("Div", 255 * STD)], "raw"),
    "the mean of pixels": ([("Sub", [123.7, 116.3, 103.5])], "raw"),
    "in 0..1": ([("Sub", MEAN), ("Div", STD)], "unit"),
    "0..1 to -1..1": ([("Mul", 2.0), ("Sub", 1.0)], "unit"),
    "0..1 to 0..255, then in that": ([("Mul", 255.0), ("Sub", 255 * MEAN), ("Div", 255 * STD)], "unit"),
    "nothing": ([], None),
    "zero": ([("Add", 0.0)], None),
    "by nothing": ([("Div", 0.0)], None),
    "far too much": ([("Mul", 1e6)], None),
    "not a number": ([("Mul", float("nan"))], None),
}


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("name", STEPS)
def test_normalisation_in_the_graph(name, layout, inner):
    steps, told = STEPS[name]
    shape = (3, 1, 1) if layout == "NCHW" else (3,)
    shaped = [(op, np.reshape(value, shape) if np.size(value) == 3 else value) for op, value in steps]
    model = exports.dressed(build(layout=layout), before=shaped, inner=inner)
    assert read_in_graph(Graph.read(memoryview(model)), "image").pixels == told


def _begun(nodes, constants=()):
    """A model whose image goes through these operations first, as ("Op", inputs behind the image, attributes)."""
    model = onnx.load_from_string(build(size=(32, 32)))
    at = "image"
    made = []
    for i, (op, more, attributes) in enumerate(nodes):
        inputs = [at if name == "image" else name for name in more]
        made.append(helper.make_node(op, inputs, [f"begun{i}"], **attributes))
        at = f"begun{i}"
    for node in model.graph.node:
        node.input[:] = [at if name == "image" else name for name in node.input]
    for node in reversed(made):
        model.graph.node.insert(0, node)
    for name, value in dict(constants).items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return Graph.read(memoryview(model.SerializeToString()))


F = np.float32
BY_255 = ("Div", ["image", "white"], {})
WHITE = {"white": F(255)}
SLICED = {"starts": np.array([-1]), "ends": np.array([-9999]), "axes": np.array([1]), "steps": np.array([-1])}
STATISTICS = {"scale": np.ones(3, F), "bias": np.zeros(3, F)}
NORMALISED_BATCH = ("BatchNormalization", ["image", "scale", "bias", "mean", "variance"], {})
BEGINNINGS = {
    "channels turned round": ([("Slice", ["image", *SLICED], {}), BY_255], SLICED | WHITE, "raw"),
    "channels gathered": (
        [("Gather", ["image", "order"], {"axis": 1}), BY_255],
        {"order": [2, 1, 0], **WHITE},
        "raw",
    ),
    "padded": ([("Pad", ["image", "pads"], {}), BY_255], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], **WHITE}, "raw"),
    "clipped behind": (
        [BY_255, ("Clip", ["image", "low", "high"], {})],
        WHITE | {"low": F(0), "high": F(1)},
        "raw",
    ),
    "clipped to 0..255 alone": ([("Clip", ["image", "low", "white"], {})], WHITE | {"low": F(0)}, "raw"),
    "clipped to 0..1 alone": ([("Clip", ["image", "low", "high"], {})], {"low": F(0), "high": F(1)}, "unit"),
    "clipped as of old": ([("Clip", ["image"], {"min": 0.0, "max": 255.0})], {}, "raw"),
    "the least of 255": ([("Min", ["white", "image"], {})], WHITE, "raw"),
    "clipped from below": ([("Max", ["image", "low"], {})], {"low": F(0)}, None),
    "1 - x": ([("Sub", ["high", "image"], {})], {"high": F(1)}, "unit"),
    "255 - x": ([("Sub", ["white", "image"], {})], WHITE, "raw"),
    "0.5 - x, then / 0.2": (
        [("Sub", ["half", "image"], {}), ("Div", ["image", "fifth"], {})],
        {"half": F(0.5), "fifth": F(0.2)},
        "unit",
    ),
    "c / x": ([("Div", ["white", "image"], {})], WHITE, None),
    "a mean image": ([("Sub", ["image", "mean"], {})], {"mean": np.full((1, 3, 32, 32), 117, F)}, "raw"),
    "learned of 0..255": (
        [NORMALISED_BATCH],
        STATISTICS | {"mean": 255 * MEAN.astype(F), "variance": (255 * STD.astype(F)) ** 2},
        "raw",
    ),
    "learned of 0..1": (
        [NORMALISED_BATCH],
        STATISTICS | {"mean": MEAN.astype(F), "variance": STD.astype(F) ** 2},
        "unit",
    ),
    "learned of ImageNet's": (
        [NORMALISED_BATCH],
        STATISTICS | {"mean": np.zeros(3, F), "variance": np.ones(3, F)},
        None,
    ),
    "scaled, then learned": (
        [BY_255, NORMALISED_BATCH],
        WHITE | STATISTICS | {"mean": MEAN.astype(F), "variance": STD.astype(F) ** 2},
        "raw",
    ),
    "learned nothing": (
        [NORMALISED_BATCH],
        STATISTICS | {"mean": np.full(3, np.nan, F), "variance": -np.ones(3, F)},
        None,
    ),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_stands_before_a_normalisation_or_in_its_place(name):
    nodes, constants, told = BEGINNINGS[name]
    assert read_in_graph(_begun(nodes, constants), "image").pixels == told


def test_channels_that_are_split_and_joined_the_other_way_round():
    model = onnx.load_from_string(exports.dressed(build(), before=[("Div", 255.0)]))
    (divide,) = [node for node in model.graph.node if node.op_type == "Div"]
    divide.input[0] = "bgr"
    parts = ["red", "green", "blue"]
    model.graph.node.insert(0, helper.make_node("Concat", parts[::-1], ["bgr"], axis=1))
    model.graph.node.insert(0, helper.make_node("Split", ["image"], parts, axis=1))
    assert read_in_graph(Graph.read(memoryview(model.SerializeToString())), "image").pixels == "raw"
    model.graph.node[1].input[0] = "red"  # twice, and blue never
    assert read_in_graph(Graph.read(memoryview(model.SerializeToString())), "image").pixels is None


def test_what_is_no_normalisation_of_the_input():
    model = onnx.load_from_string(exports.dressed(build(), before=[("Div", 255.0)]))
    model.graph.node.append(
        onnx.helper.make_node("Relu", ["image"], ["other"])
    )  # the input goes elsewhere too
    assert read_in_graph(Graph.read(memoryview(model.SerializeToString())), "image").pixels is None
    assert read_in_graph(Graph.read(memoryview(model.SerializeToString())), "nothing").pixels is None
    loop = onnx.load_from_string(exports.dressed(build(), before=[("Div", 255.0)]))
    loop.graph.node[0].output[0] = "image"
    read_in_graph(Graph.read(memoryview(loop.SerializeToString())), "image")  # it ends


def test_a_graph_that_normalises_comes_after_options_and_files(tmp_path):
    model = exports.dressed(build(size=(32, 32)), before=[("Div", 255.0)])
    assert on_cpu(model, preprocess="tf").preprocess_reason == "given"
    (tmp_path / "model.onnx").write_bytes(model)
    assert "0..255" in on_cpu(tmp_path / "model.onnx").preprocess_reason
    (tmp_path / "config.json").write_text(json.dumps(exports.timm()["config.json"]))
    reason = on_cpu(tmp_path / "model.onnx").preprocess_reason
    assert reason.startswith("config.json beside the model; but the graph begins with the normalisation")
    told = on_cpu(build(dtype="uint8"))
    assert told.preprocess_reason == "guessed: the model takes uint8, so the pixels as they are"


# Weights in another file


def _external(folder, **model):
    """As PyTorch's exporter writes it: model.onnx and model.onnx.data."""
    proto = onnx.load_from_string(exports.torchvision_dynamo(**model))
    path = folder / "model.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    assert (folder / "model.onnx.data").stat().st_size >= weights(3, 4).size * 4
    return path


def test_weights_in_another_file(tmp_path, capsys):
    path = _external(tmp_path)
    classifier = on_cpu(path)
    np.testing.assert_array_equal(_scores(classifier), _scores(on_cpu(exports.torchvision_dynamo())))
    assert set(classifier.provenance()["model_external_sha256"]) == {"model.onnx.data"}
    Image.fromarray(PHOTOS[0]).save(tmp_path / "photo.png")
    arguments = ["explain", str(tmp_path / "photo.png"), "-m", str(path), "--device", "cpu", "-q"]
    assert main([*arguments, "--partitions", "1", "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(ModelError, match="cannot be loaded by ONNX Runtime"):
        on_cpu(path)
    capsys.readouterr()
    assert main([*arguments, "--out", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_normalisation_in_another_file_is_read_from_there(tmp_path):
    path = _external(tmp_path, before=[("Sub", np.reshape(255 * MEAN, (3, 1, 1))), ("Div", 255 * STD.mean())])
    assert on_cpu(path).preprocess == PRESETS["raw"].with_size((32, 32))


@pytest.mark.parametrize("location", ["../model.onnx.data", "/dev/zero", "none.data", "fifo", "link"])
def test_no_other_file_is_read_for_a_normalisation(tmp_path, location):
    (tmp_path / "inner").mkdir()
    proto = onnx.load(_external(tmp_path, before=[("Div", 255.0)]), load_external_data=False)
    os.mkfifo(tmp_path / "inner" / "fifo")
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "model.onnx.data")
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    graph = replace(Graph.read(memoryview(proto.SerializeToString())), folder=tmp_path / "inner")
    assert read_in_graph(graph, "x").pixels is None


def test_inspect_shows_the_right_column_whatever_was_guessed(tmp_path, capsys):
    """A model whose graph does not tell its pixels: the table has the option that is right."""
    path = tmp_path / "model.onnx"
    path.write_bytes(exports.keras())
    (tmp_path / "names.txt").write_text("\n".join("abcd"))
    Image.fromarray(PHOTOS[0]).save(tmp_path / "photo.png")
    given = ["inspect", str(path), "--labels", str(tmp_path / "names.txt"), "--device", "cpu", "--no-speed"]
    assert main([*given, "--check", str(tmp_path / "photo.png"), "--json"]) == 0
    check = json.loads(capsys.readouterr().out)["check"]
    assert [entry["title"] for entry in check] == [
        *("as understood (tf)", "imagenet", "torchvision", "unit", "raw", "caffe", "--geometry crop"),
    ]
    for entry in check[1:]:
        if entry["preprocess"]["geometry"] != "squash":
            continue
        right = on_cpu(path, preprocess=entry["title"])
        scores = _scores(right)[0]
        assert entry["best"][0]["name"] == "abcd"[scores.argmax()]
        assert entry["best"][0]["score"] == pytest.approx(float(scores.max()), rel=1e-4)
