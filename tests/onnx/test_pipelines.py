"""
Models whose metadata, or the files of a deployment toolkit beside them, say how photographs are prepared.

tests/data/exports/README.md says how the expected tensors were made.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal import load_photo
from dccausal.inputs.preprocess import PRESETS
from exports import CLIP, NAMES, export
from small_models import on_cpu

EXPORTS = Path(__file__).parents[1] / "data" / "exports"
PIPELINES = sorted(path.name for path in (EXPORTS / "pipelines").iterdir())
# These say what becomes of a pixel, and not how photographs are resized.
GUESSED = ("customvision", "onnx_11")
# Which of them have a size, for models that leave it open.
UNSIZED = (*GUESSED, "geti", "geti_letter", "yolov5")


def _documents(name):
    folder = EXPORTS / "pipelines" / name
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != "expected.json"}


@pytest.mark.parametrize("name", PIPELINES)
def test_photographs_are_prepared_as_the_toolkit_does(name, tmp_path):
    expected = json.loads((EXPORTS / "pipelines" / name / "expected.json").read_text())
    sides = tuple(expected["input"]["shape"][1:])
    openly = {"shape": ["batch", 3, "height", "width"]}
    level = np.mean(expected["level"])
    for how in [{"size": sides}] if name in UNSIZED else [{"size": sides}, openly]:
        classifier = on_cpu(export(tmp_path, _documents(name), metadata=expected["metadata"], **how))
        assert classifier.size == sides
        assert classifier.is_guessed == (name in GUESSED)
        assert classifier.is_range_told == (name in GUESSED)
        for photo, picture in expected["pictures"].items():
            x, _ = classifier.prepare(load_photo(EXPORTS / "photographs" / photo))
            tensor = classifier.encode(x[None])[0].astype(np.float64)
            apart = np.abs(tensor.ravel()[expected["at"]] - picture["values"]) / level
            assert apart.max() <= 1.5
            assert abs(tensor.mean() - picture["mean"]) <= 0.1 * level


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"task": "classify", "names": "[1]", "version": "8.0.1", "imgsz": "[9"}, "version before 8.1"),
        (
            {"Image.NominalPixelRange": "NominalRange_16_235"},
            "'Image.NominalPixelRange' cannot be read: it is",
        ),
        ({"model_info mean_values": "1 2"}, "'model_info' cannot be read: mean_values is [1.0, 2.0]"),
        ({"model_info scale_values": "0"}, "'model_info' cannot be read: preprocess: std is"),
        (
            {"model_info mean_values": "0", "model_info intensity_mode": "window"},
            "intensity_mode is 'window'",
        ),
        (
            {"model_info mean_values": "0", "model_info resize_type": "fit_to_window"},
            "those of metadata of Geti",
        ),
        (
            {"pretrained_cfg": '{"mean": [0.1], "std": [0.2], "crop_mode": "x"}'},
            "those of the model's metadata",
        ),
        ({"pretrained_cfg": "{1: "}, "'pretrained_cfg' cannot be read"),
        ({"mean": "[0.1]", "std": "[0.2]"}, "those of the model's metadata"),
        ({"transforms": "Compose(RandomRotation(degrees=3))"}, "what RandomRotation does is not known"),
        ({"transforms": "Compose(Resize(size=9))"}, "it does not resize and cut"),
        (
            {"transforms": "Compose(Resize(size=9, max_size=10) CenterCrop(8))"},
            "max_size gives images of another",
        ),
        ({"preprocess": "ImageClassification(mean=[1])"}, "'transforms' cannot be read"),
        ({"stride": "32", "names": "[1]", "more": ""}, "guessed: channels come first"),
    ],
)
def test_metadata_that_tell_a_part_or_nothing(metadata, text, tmp_path):
    assert text in on_cpu(export(tmp_path, metadata=metadata)).preprocess_reason


def test_processors_in_metadata(tmp_path):
    config = {"image_mean": CLIP[0], "image_std": CLIP[1], "size": 48, "crop_size": 32, "resample": 3}
    config |= {"image_processor_type": "CLIPImageProcessor", "do_center_crop": True}
    classifier = on_cpu(export(tmp_path, metadata={"preprocessor_config": json.dumps(config)}))
    assert classifier.preprocess_reason == "the model's metadata"
    assert (classifier.preprocess.geometry, classifier.preprocess.mean) == ("crop", tuple(CLIP[0]))


def test_whole_numbers_get_the_pixels_whatever_metadata_say(tmp_path):
    metadata = {"task": "classify", "names": "['a', 'b', 'c', 'd']"}
    classifier = on_cpu(export(tmp_path, metadata=metadata, dtype="uint8"))
    assert classifier.preprocess.scale == 1
    assert classifier.preprocess.geometry == "crop"


# Steps that are not followed

PADDLE = {"NormalizeImage": {"mean": [0.1] * 3, "std": [0.2] * 3, "scale": "1.0/255.0"}}
OPENMM = {"type": "Normalize", "mean": [1, 2, 3], "std": [4, 5, 6]}


def _paddle(*steps, **more):
    return {"inference.yml": json.dumps({"PreProcess": {"transform_ops": [*steps, PADDLE]}, **more})}


def _openmm(*steps):
    return {"pipeline.json": json.dumps({"pipeline": {"tasks": [{"transforms": [*steps, OPENMM]}]}})}


@pytest.mark.parametrize(
    ("documents", "text"),
    [
        (_paddle({"ResizeImage": {"resize_short": 40}}), "cuts nothing"),
        (_paddle({"RandFlipImage": None}), "what RandFlipImage does is not known"),
        (_paddle("ToCHWImage"), "it resizes nothing"),
        (_paddle({"ResizeImage": {"size": 32, "interpolation": "bicubic"}}), "OpenCV's bicubic"),
        (_openmm({"type": "ResizeEdge", "scale": 40, "edge": "long"}), "edge is 'long'"),
        (_openmm({"type": "Resize", "size": [40, 50], "keep_ratio": True}), "keeps the proportions"),
        (_openmm({"type": "Pad"}), "what Pad does is not known"),
    ],
)
def test_steps_that_are_not_followed_are_said(documents, text, tmp_path):
    classifier = on_cpu(export(tmp_path, documents))
    mean = 0.1 if "inference.yml" in documents else 1.0
    assert text in classifier.preprocess_reason
    assert classifier.preprocess_reason.startswith("guessed: mean and std are those of")
    assert classifier.preprocess.mean[0] == mean


@pytest.mark.parametrize(
    "documents",
    [
        {"inference.yml": "a: &x 1"},
        {"inference.yml": "- 1"},
        {"pipeline.json": "[]"},
        {"pipeline.json": '{"pipeline": {"tasks": [3, {"transforms": 3}]}}'},
        {"metadata.json": '{"labels": ["a", "b", "c", "d"]}'},
        {"environment.json": "{"},
    ],
)
def test_files_of_other_programs_change_nothing(documents, tmp_path):
    alone = on_cpu(export(tmp_path / "alone"))
    beside = on_cpu(export(tmp_path, documents))
    assert (beside.preprocess_reason, beside.names) == (alone.preprocess_reason, None)
    assert beside.preprocess == PRESETS["imagenet"].with_size((32, 32))


# Names

FOUR = ["cat", "dog", "black bear", "owl"]


@pytest.mark.parametrize(
    ("documents", "source"),
    [
        (_paddle(PostProcess={"Topk": {"topk": 5, "label_list": FOUR}}), "inference.yml"),
        ({"metadata.json": {"tmVersion": "2.4", "labels": FOUR}}, "metadata.json"),
        ({"environment.json": {"CLASS_MAP": {str(i): FOUR[i] for i in (3, 1, 2, 0)}}}, "environment.json"),
        ({"labels.txt": "0 cat\n1 dog\n2 black bear\n3 owl\n"}, "labels.txt"),
        ({"class_names.txt": "\n".join(FOUR)}, "class_names.txt"),
        ({"class_indices.json": {name: i for i, name in enumerate(FOUR)}}, "class_indices.json"),
        (
            {"label_map.pbtxt": "\n".join(f"item {{ id: {i} name: '{n}' }}" for i, n in enumerate(FOUR))},
            "label_map.pbtxt",
        ),
        ({"labels.txt": '{"0": ""}', "classes.txt": "\n".join(FOUR)}, "classes.txt"),
    ],
)
def test_names_in_files_beside_the_model(documents, source, tmp_path):
    classifier = on_cpu(export(tmp_path, documents))
    assert classifier.names == tuple(FOUR)
    assert classifier.names_reason == f"{source} beside the model"


def test_a_list_of_other_names_is_left_out_and_said(tmp_path):
    classifier = on_cpu(export(tmp_path, {"labels.txt": "cat\ndog\n"}))
    assert classifier.names is None
    assert classifier.notes == (
        "labels.txt beside the model names 2 classes, but the model has 4: the names are not used",
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"categories": json.dumps(FOUR)},
        {"class_to_idx": str({name: i for i, name in enumerate(FOUR)})},
        {"idx_to_class": json.dumps(dict(enumerate(FOUR)))},
        {"model_info labels": "cat dog black_bear owl"},
        {"model_info label_info": json.dumps({"label_names": FOUR}), "model_info labels": "a b"},
    ],
)
def test_names_in_metadata(metadata, tmp_path):
    assert on_cpu(export(tmp_path, metadata=metadata)).names == tuple(FOUR)


def test_config_json_comes_before_lists(tmp_path):
    documents = {"config.json": {"id2label": dict(enumerate(NAMES))}, "labels.txt": "\n".join(FOUR)}
    assert on_cpu(export(tmp_path, documents)).names == NAMES


def test_what_a_photograph_of_odd_sides_gives_by_pillows_fit(tmp_path):
    """Half a pixel is left over on each side, which the other ways round."""
    documents = {"metadata.json": {"tmVersion": "2.4", "imageSize": 32}}
    classifier = on_cpu(export(tmp_path, documents))
    _, placement = classifier.prepare(Image.new("RGB", (41, 32)))
    assert placement.box == (4.5, 0, 36.5, 32)
