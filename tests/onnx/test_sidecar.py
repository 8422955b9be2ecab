"""Preprocessing and names from the files that exporters write beside a model."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

import exports
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.sidecar import read_sidecar
from dccausal.onnx.reading.sidecar_geometry import crop_ratio, interpolation
from exports import CLIP, HALF, IMAGENET, NAMES, export, optimum
from small_models import build, on_cpu

OPEN = {"shape": ["batch", 3, "height", "width"]}
SQUARED = tuple(std**2 for std in (0.47853944, 0.4732864, 0.47434163))
RAW = ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("processor", "size", "geometry", "whole", "filter_name", "mean_and_std"),
    [
        (exports.vit(), 224, "squash", 224, "bilinear", HALF),
        (exports.vit_of_2021(), 224, "squash", 224, "bilinear", HALF),
        (exports.deit(), 224, "squash-crop", 256, "bicubic", IMAGENET),
        (exports.clip(), 224, "crop", 224, "bicubic", CLIP),
        (exports.mobilenet(), 224, "crop", 256, "bilinear", HALF),
        (exports.mobilevit(), 256, "crop", 288, "bilinear", RAW),
        (exports.convnext(), 224, "crop", 256, "bicubic", IMAGENET),
        (exports.convnext(384), 384, "squash", 384, "bicubic", IMAGENET),
        (exports.resnet_of_2022(), 224, "crop", 256, "bicubic", IMAGENET),
        (exports.efficientnet(), 224, "squash", 224, "nearest", ((0.485, 0.456, 0.406), SQUARED)),
        (exports.levit(), 224, "crop", 256, "bicubic", IMAGENET),
    ],
    ids=lambda value: value.get("image_processor_type", "old") if isinstance(value, dict) else None,
)
def test_image_processors(tmp_path, processor, size, geometry, whole, filter_name, mean_and_std):
    classifier = on_cpu(export(tmp_path, optimum(processor), **OPEN))
    preprocess = classifier.preprocess
    assert classifier.preprocess_reason == "preprocessor_config.json beside the model"
    assert classifier.size == preprocess.size == (size, size)
    assert preprocess.geometry == geometry
    assert math.floor(size / preprocess.crop_ratio) == whole
    assert preprocess.interpolation == filter_name
    assert preprocess.scale == pytest.approx(1 / 255)
    assert (preprocess.mean, preprocess.std) == tuple(map(tuple, mean_and_std))
    assert preprocess.channel_order == ("BGR" if "do_flip_channel_order" in processor else "RGB")


@pytest.mark.parametrize(
    ("documents", "size", "geometry", "whole"),
    [
        (exports.timm(), (224, 224), "crop", 235),
        (exports.timm(), (288, 288), "crop", 288),  # the size for testing has a share of its own
        (exports.timm(), (64, 64), "crop", 67),
        (exports.timm(), None, "crop", 235),
        (exports.timm(crop_mode="squash", crop_pct=0.9), None, "squash-crop", 248),
        (exports.timm_fine_tuned(), None, "squash", 224),
        (exports.timm(crop_mode="border"), None, "pad-crop", 235),
    ],
)
def test_timm(tmp_path, documents, size, geometry, whole):
    fixed = OPEN if size is None else {"size": size}
    classifier = on_cpu(export(tmp_path, documents, **fixed))
    preprocess = classifier.preprocess
    side = size[0] if size else 224
    assert classifier.preprocess_reason == "config.json beside the model"
    assert (classifier.size, preprocess.geometry) == ((side, side), geometry)
    assert math.floor(side / preprocess.crop_ratio) == whole
    assert (preprocess.mean, preprocess.std) == tuple(map(tuple, IMAGENET))
    assert preprocess.interpolation == documents["config.json"]["pretrained_cfg"]["interpolation"]
    assert preprocess.pad_colour == (124, 116, 104)


def test_timm_of_old_is_flat(tmp_path):
    config = exports.timm()["config.json"]
    flat = {**config.pop("pretrained_cfg"), **config}
    classifier = on_cpu(export(tmp_path, {"config.json": flat}, **OPEN))
    assert classifier.preprocess_reason == "config.json beside the model"
    assert classifier.size == (224, 224)


def test_names_of_a_model(tmp_path):
    classifier = on_cpu(export(tmp_path, optimum(exports.vit()), **OPEN))
    assert classifier.names == NAMES
    assert classifier.names_reason == "config.json beside the model"
    assert on_cpu(export(tmp_path, exports.timm_fine_tuned())).names == NAMES
    short = exports.timm_fine_tuned()
    del short["config.json"]["label_descriptions"]
    assert on_cpu(export(tmp_path, short)).names[0] == "n01440764"
    placeholders = {str(i): f"LABEL_{i}" for i in range(4)}
    assert on_cpu(export(tmp_path, optimum(exports.vit(), id2label=placeholders), **OPEN)).names is None


def test_options_and_metadata_come_first(tmp_path):
    documents = optimum(exports.vit())
    path = export(tmp_path, documents)
    given = on_cpu(path, preprocess="raw", labels=list("abcd"))
    assert given.preprocess == Preprocess.preset("raw").with_size((32, 32))
    assert (given.preprocess_reason, given.names, given.names_reason) == ("given", tuple("abcd"), "given")
    metadata = {
        "preprocess": json.dumps(Preprocess(std=(0.3,) * 3).to_dict()),
        "names": '["a", "b", "c", "d"]',
    }
    inside = on_cpu(export(tmp_path, documents, metadata=metadata))
    assert (inside.preprocess.std, inside.preprocess_reason) == ((0.3,) * 3, "the model's metadata")
    assert (inside.names, inside.names_reason) == (tuple("abcd"), "the model's metadata")


def test_a_model_in_the_folder_onnx_has_its_files_above(tmp_path):
    path = export(tmp_path, optimum(exports.mobilenet()), place="onnx")
    assert on_cpu(path).preprocess.std == (0.5,) * 3
    assert on_cpu(path).names == NAMES
    elsewhere = export(tmp_path, place="other")
    assert on_cpu(elsewhere).names is None
    assert on_cpu(elsewhere).preprocess_reason.startswith("guessed")
    assert on_cpu(path.read_bytes()).names is None


def test_the_models_own_size_wins(tmp_path):
    """Models are exported anew at other resolutions."""
    classifier = on_cpu(export(tmp_path, optimum(exports.mobilenet()), size=(24, 40)))
    assert classifier.preprocess.size == (24, 40)
    assert classifier.preprocess.mean == (0.5,) * 3


def test_a_model_of_uint8_keeps_the_geometry_and_the_pixels(tmp_path):
    classifier = on_cpu(export(tmp_path, optimum(exports.deit()), dtype="uint8"))
    assert (classifier.preprocess.geometry, classifier.preprocess.interpolation) == ("squash-crop", "bicubic")
    assert classifier.preprocess.scale == 1
    assert "the model takes uint8, so it gets the pixels as they are" in classifier.preprocess_reason


def test_several_labels_at_once(tmp_path):
    documents = optimum(exports.vit(), problem_type="multi_label_classification")
    classifier = on_cpu(export(tmp_path, documents))
    assert classifier.multi_label
    assert classifier.scores_reason == "config.json beside the model says that its labels are several"
    assert not on_cpu(export(tmp_path, documents), scores="logits").multi_label
    assert not on_cpu(export(tmp_path, documents, end=["Softmax"])).multi_label


def test_names_that_do_not_fit_are_left_out_with_a_note(tmp_path):
    classifier = on_cpu(export(tmp_path, optimum(exports.vit(), id2label={"0": "cat", "1": "dog"})))
    assert classifier.names is None
    assert classifier.notes == (
        "config.json beside the model names 2 classes, but the model has 4: the names are not used",
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("not JSON", "cannot be read: Expecting value"),
        ("[]", "cannot be read: it is no JSON object"),
        ("[" * 100_000, "cannot be read: "),
        ({"do_normalize": True}, "cannot be followed: size is None; a whole number"),
        (exports.vit() | {"image_mean": ["x"] * 3}, "image_mean is 'x'; a finite number is needed"),
        (exports.vit() | {"image_std": [0.5, 0, 0.5]}, "more than 0 is needed"),
        (exports.vit() | {"resample": 9}, "resample is 9"),
        ({"do_color_quantize": True, "clusters": []}, "makes no tensor of pixels"),
    ],
)
def test_what_cannot_be_read_is_passed_over_and_said(tmp_path, document, text):
    classifier = on_cpu(export(tmp_path, {"preprocessor_config.json": document}))
    assert classifier.preprocess == Preprocess.preset("imagenet").with_size((32, 32))
    assert classifier.preprocess_reason.startswith("guessed: channels come first")
    assert text in classifier.preprocess_reason


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (exports.vit() | {"size": "large"}, "size is 'large'"),
        (exports.vit() | {"size": {}}, "size is None"),
        (exports.vit() | {"size": {"longest_edge": 224}}, "another shape for each"),
        (
            exports.vit() | {"size": {"shortest_edge": 224}},
            "it resizes the short side to 224 and cuts nothing",
        ),
        (exports.vit() | {"do_resize": False}, "it resizes nothing"),
        (exports.vit() | {"do_pad": True, "pad_size": {"height": 9, "width": 9}}, "it pads its images"),
        (exports.clip() | {"size": {"shortest_edge": 9, "longest_edge": 10}}, "it limits the long side"),
        (exports.clip() | {"do_center_crop": False}, "cuts nothing"),
        (exports.convnext() | {"do_center_crop": True, "crop_size": 100}, "it has cut to 224 pixels already"),
        (exports.convnext() | {"crop_pct": 1e-300}, "cannot be followed: "),
        (
            exports.vit() | {"image_processor_type": "NewImageProcessor", "tile_size": 3},
            "with tile_size is not",
        ),
        (
            exports.vit() | {"image_processor_type": "NewImageProcessor", "auto_map": {}},
            "with auto_map is not",
        ),
    ],
)
def test_what_is_followed_in_part_is_said(tmp_path, document, text):
    """A file that does not say how photographs are brought to size says mean and std all the same."""
    classifier = on_cpu(export(tmp_path, {"preprocessor_config.json": document}))
    assert classifier.preprocess.geometry == "squash"
    assert classifier.preprocess.mean == tuple(document["image_mean"])
    assert classifier.preprocess_reason.startswith(
        "guessed: mean and std are those of preprocessor_config.json beside the model"
    )
    assert text in classifier.preprocess_reason


def test_timm_in_part(tmp_path):
    path = export(tmp_path, exports.timm(crop_mode="other", mean=[0.1, 0.2, 0.3]))
    assert on_cpu(path).preprocess.mean == (0.1, 0.2, 0.3)
    assert "those of config.json beside the model" in on_cpu(path).preprocess_reason


def test_keys_that_a_class_does_not_know_change_nothing(tmp_path):
    documents = optimum(exports.vit())
    plain = on_cpu(export(tmp_path, documents)).preprocess
    processor = documents["preprocessor_config.json"]
    for key in ("do_flip_channel_order", "rescale_offset", "include_top"):
        assert on_cpu(export(tmp_path, optimum(processor | {key: True}))).preprocess == plain
    assert on_cpu(export(tmp_path, optimum(processor | {"crop_pct": 0.5}))).preprocess == plain


def test_a_cut_that_no_share_says_is_scaled_with_the_model(tmp_path):
    processor = exports.clip() | {"size": {"shortest_edge": 96}, "crop_size": {"height": 96, "width": 64}}
    assert on_cpu(export(tmp_path, optimum(processor), size=(48, 32))).preprocess.resize == (48, 48)
    told = on_cpu(export(tmp_path, optimum(processor), **OPEN))
    assert (told.size, told.preprocess.resize) == ((96, 64), (96, 96))
    asked = on_cpu(export(tmp_path, optimum(processor), **OPEN), crop_ratio=0.5)
    assert (asked.preprocess.resize, asked.preprocess.crop_ratio) == (None, 0.5)


def test_another_file_is_followed_where_one_is_damaged(tmp_path):
    documents = {"preprocessor_config.json": "{", **exports.timm()}
    classifier = on_cpu(export(tmp_path, documents))
    assert classifier.preprocess_reason.startswith("config.json beside the model; preprocessor_config.json")
    assert classifier.preprocess.interpolation == "bicubic"


@pytest.mark.parametrize(
    "config",
    [{}, {"id2label": None}, {"id2label": {"0": ""}}, {"label_names": 3}, {"pretrained_cfg": []}, {"a": "b"}],
)
def test_configurations_of_other_programs_are_passed_over(tmp_path, config):
    classifier = on_cpu(export(tmp_path, {"config.json": config}))
    assert classifier.names is None
    assert classifier.preprocess_reason == on_cpu(export(tmp_path / "alone")).preprocess_reason


def test_a_processor_of_several_parts(tmp_path):
    path = export(tmp_path, {"processor_config.json": {"image_processor": exports.clip(), "tokenizer": {}}})
    assert on_cpu(path).preprocess_reason == "processor_config.json beside the model"
    assert on_cpu(path).preprocess.mean == tuple(CLIP[0])


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("dccausal.onnx.reading.sidecar._MAX_BYTES", 10)
    assert "at most 10 are needed" in read_sidecar(export(tmp_path, optimum(exports.vit()))).trouble


def test_squash_crop_is_what_the_processor_does():
    """Both sides to 256, then the centre: the same picture as in one step, but for the filter's roundings."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((400, 300))
    x, placement = Preprocess(geometry="squash-crop", crop_ratio=crop_ratio(224, 256)).prepare(
        photo, (224, 224)
    )
    resized = photo.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    assert np.abs(x.astype(int) - np.asarray(resized)).max() <= 1
    assert placement.box == (25, 18.75, 375, 281.25)


def test_shares_give_whole_sides_exactly():
    for whole in range(224, 500):
        assert math.floor(224 / crop_ratio(224, whole)) == whole


def test_filters():
    assert [interpolation(i) for i in range(6)] == [
        "nearest",
        "lanczos",
        "bilinear",
        "bicubic",
        "box",
        "hamming",
    ]
    assert interpolation("Bicubic") == "bicubic"
    with pytest.raises(OptionError, match="interpolation is 'random'"):
        interpolation("random")


# Means of pixels of 0..255, and timm's configuration in other places

MEAN_255, STD_255 = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def test_a_mean_above_one_is_that_of_pixels(tmp_path):
    config = {
        "architecture": "net",
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": MEAN_255, "std": STD_255},
    }
    classifier = on_cpu(exports.export(tmp_path, {"config.json": config}))
    metadata = {"mean": str(MEAN_255), "std": str(STD_255)}
    for preprocess in (classifier.preprocess, on_cpu(build(size=(32, 32), metadata=metadata)).preprocess):
        assert (preprocess.scale, preprocess.mean, preprocess.std) == (1.0, tuple(MEAN_255), tuple(STD_255))
    assert classifier.preprocess.pad_colour == (124, 116, 104)


def test_timms_configuration_in_the_processors_file(tmp_path):
    """As transformers' wrapper of timm's models saves it."""
    wrapped = {"image_processor_type": "TimmWrapperImageProcessor", **exports.timm()["config.json"]}
    alone = on_cpu(exports.export(tmp_path, exports.timm()))
    (tmp_path / "config.json").unlink()
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(wrapped))
    classifier = on_cpu(tmp_path / "model.onnx")
    assert classifier.preprocess == alone.preprocess
    assert classifier.preprocess_reason == "preprocessor_config.json beside the model"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"preprocess": "tf"}, {"scale": 1.0, "mean": (127.5,) * 3}),
        ({"image_mean": "[0.5, 0.5, 0.5]", "image_std": "0.25"}, {"mean": (0.5,) * 3, "std": (0.25,) * 3}),
        ({"Image.BitmapPixelFormat": "Bgr8"}, {"scale": 1.0, "channel_order": "BGR"}),
    ],
)
def test_metadata_in_few_words(metadata, expected):
    settings = on_cpu(build(size=(32, 32), metadata=metadata)).preprocess.to_dict()
    for key, value in expected.items():
        assert settings[key] == (list(value) if isinstance(value, tuple) else value)
