"""The command inspect: what it says of models of many kinds, and its table of plausible preprocessings."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import exports
from dccausal._shared.text import score_text
from dccausal.cli.app import main
from dccausal.inputs.preprocess import PRESETS, Preprocess
from dccausal.onnx.card import check_photo, facts, measure_throughput, plausible
from exports import NAMES, export, optimum
from small_models import SIZE, build, images, on_cpu


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(images(1, (32, 32))[0]).save(path)
    return path


def _inspect(capsys, *arguments, code=0):
    assert main(["inspect", *map(str, arguments), "--device", "cpu"]) == code
    return capsys.readouterr()


def test_it_says_what_was_understood(tmp_path, capsys):
    text = _inspect(capsys, export(tmp_path, optimum(exports.deit())), "--no-speed").out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    flat = " ".join(lines)
    assert lines[0] == str(tmp_path / "model.onnx")
    assert "input image float32 (batch, 3, 32, 32)" in lines
    assert "NCHW, 32 x 32, 3 channels, any number of images a run" in lines
    assert "4 classes, logits: the graph ends in MatMul" in lines
    assert (
        f"names {', '.join(n.split(',')[0] for n in NAMES[:3])}, ... (config.json beside the model)" in lines
    )
    assert "both sides resized, centre cut out (0.875 of them) to 32 x 32, bicubic; RGB" in flat
    assert "because: preprocessor_config.json beside the model" in lines
    assert "device cpu (CPUExecutionProvider); there are" in flat
    assert "images a second" not in flat


def test_json_is_one_document(tmp_path, capsys, photo):
    path = export(tmp_path, optimum(exports.vit()))
    document = json.loads(_inspect(capsys, path, "--check", photo, "--json").out)
    assert (document["schema"], document["schema_version"]) == ("dccausal.model", 1)
    assert document["names"] == list(NAMES)
    assert document["available_providers"] == onnxruntime.get_available_providers()
    assert [entry["batch_size"] for entry in document["throughput"]] == [1, 4, 16]
    assert all(entry["images_per_second"] > 0 for entry in document["throughput"])
    provenance = on_cpu(path).provenance()
    assert {k: document[k] for k in provenance if k != "model"} == {
        k: json.loads(json.dumps(v)) for k, v in provenance.items() if k != "model"
    }
    first = document["check"][0]
    assert first["title"] == "as understood (tf)"  # mean and std of 0.5 are -1..1
    scores = on_cpu(path)(on_cpu(path).prepare(Image.open(photo).convert("RGB"))[0][None])[0]
    assert [best["label"] for best in first["best"]] == np.argsort(-scores, kind="stable").tolist()
    assert first["best"][0]["score"] == pytest.approx(scores.max())
    assert first["best"][0]["name"] == NAMES[int(scores.argmax())]


def test_the_table_has_a_column_for_each_way(tmp_path, capsys, photo, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")
    path = export(tmp_path, optimum(exports.vit()))
    text = _inspect(capsys, path, "--check", photo, "--no-speed").out
    lines = [line.strip("┃").split("┃") for line in text.splitlines() if line.startswith("┃")]
    assert [" ".join(part.strip() for part in column).strip() for column in zip(*lines, strict=True)] == [
        "as understood (tf)",
        "--preprocess imagenet",
        "--preprocess torchvision",
        "--preprocess unit",
        "--preprocess raw",
        "--preprocess caffe",
        "--geometry crop",
    ]
    classifier = on_cpu(path)
    for candidate in check_photo(classifier, Image.open(photo).convert("RGB")):
        label, name, score = candidate.best[0]
        assert f"{score_text(score)} {name.split(',')[0]} ({label})" in text


def test_each_way_is_what_its_option_gives(tmp_path, photo):
    """Not merely another normalisation: all of the preset."""
    path = export(tmp_path, optimum(exports.clip()))
    picture = Image.open(photo).convert("RGB").resize((50, 40))
    candidates = check_photo(on_cpu(path), picture)
    assert [candidate.title for candidate in candidates] == ["as understood", *PRESETS, "--geometry squash"]
    for candidate in candidates[1:]:
        is_preset = candidate.title in PRESETS
        classifier = on_cpu(path, **{"preprocess": candidate.title} if is_preset else {"geometry": "squash"})
        scores = classifier(classifier.prepare(picture)[0][None])[0]
        assert candidate.best[0][0] == scores.argmax()
        assert candidate.best[0][2] == scores.max()


def test_a_model_of_uint8_has_one_range():
    whole = ["as understood (raw)", "--geometry crop"]
    assert [title for title, _ in plausible(on_cpu(build(dtype="uint8")))] == whole
    cut = on_cpu(build(dtype="uint8"), preprocess=Preprocess(scale=1, geometry="crop"))
    assert [title for title, _ in plausible(cut)] == ["as understood", "raw"]


def test_throughput_of_a_fixed_batch_is_measured_at_that():
    classifier = on_cpu(build(batch=3))

    def reopen(n):
        pytest.fail(f"{n} images were to be run")

    ((n, rate),) = measure_throughput(classifier, reopen)
    assert (n, rate > 0) == (3, True)


def test_a_slow_model_is_not_measured_in_large_batches(monkeypatch):
    classifier = on_cpu(build(), batch_size=1)
    monkeypatch.setattr("dccausal.onnx.card._SLOW_S", 1e-12)
    assert [n for n, _ in measure_throughput(classifier, lambda n: pytest.fail(str(n)))] == [1]


def test_facts_are_plain_values():
    plain = facts(on_cpu(build(extra_outputs=[("more", "Relu")])))
    assert json.loads(json.dumps(plain)) == plain
    assert plain["inputs"] == [f"image float32 (batch, 3, {SIZE[0]}, {SIZE[1]})"]
    assert plain["outputs"][0].startswith("more float32")
    assert plain["model"] is plain["names"] is plain["names_reason"] is None


def test_settings_in_words():
    assert Preprocess(size=(2, 3), std=(0.5,) * 3).words() == (
        "whole photograph, both sides resized to 3 x 2, bilinear; RGB, (pixel * 1/255 - 0) / 0.5"
    )
    assert PRESETS["caffe"].words().endswith("BGR, (pixel * 1 - (103.939, 116.779, 123.68)) / 1")
    crop = Preprocess(geometry="crop", crop_ratio=0.9)
    assert crop.words().startswith("short side resized, centre cut out (0.9 of it), bilinear")
    assert Preprocess(geometry="pad").words().startswith("whole photograph, padded, bilinear")


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"x")
    path = export(tmp_path)
    error = _inspect(capsys, path, "--check", tmp_path / "bad.png", code=2).err
    assert "bad.png is not an image" in " ".join(error.split())
    assert "does not exist" in _inspect(capsys, tmp_path / "none.onnx", code=2).err
    assert "Traceback" not in error


def test_names_cannot_steer_the_terminal(tmp_path, capsys, photo):
    labels = {str(i): f"[red]x\x1b[31m{i}" for i in range(4)}
    path = export(tmp_path, optimum(exports.vit(), id2label=labels))
    text = _inspect(capsys, path, "--check", photo, "--no-speed").out
    assert "\x1b" not in text
    assert "[red]x?[31m0" in text
