"""What ``explain`` writes."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from command_line import FILES, explain_in, names_in, run
from dccausal import (
    Explanation,
    OnnxClassifier,
    explain,
)
from dccausal.cli.options.common import DRAWING, EXPLANATION, MODEL, RUNNING
from dccausal.engine.progress import PHASES


def test_explaining_a_photograph_writes_its_files_and_a_summary(folder):
    done = explain_in(folder)
    assert done.returncode == 0
    assert names_in(folder / "explanations") == ["photo"]
    assert names_in(folder / "explanations" / "photo") == FILES
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    lines = done.stdout.splitlines()
    assert lines[0] == "photo.png"
    assert f"({result['label']})" in lines[1]
    assert f"{100 * result['size']:.1f} % of the pixels" in lines[2]
    assert lines[-2].split() == ["written", os.path.join("explanations", "photo")]  # noqa: PTH118
    assert "model.onnx: 64 x 64, 2 classes (logits), on cpu" in done.stderr


@pytest.mark.parametrize("model", ["needs_a_and_b", "nhwc", "classes_1001_nhwc_probabilities", "float16"])
def test_the_result_is_confirmed_without_dccausal(tmp_path, planted, model):
    """As docs/result-schema.md tells: from kept.png, result.json and the photograph."""
    scene = planted(model)
    done = explain_in(tmp_path, photo=scene.photo, model=scene.path)
    assert done.returncode == 0, done.stderr
    there = tmp_path / "explanations" / scene.photo.stem
    result = json.loads((there / "result.json").read_text())
    classifier = result["provenance"]["classifier"]
    settings = classifier["preprocess"]
    with Image.open(result["image"]["path"]) as photo, Image.open(there / "kept.png") as mask:
        x, kept = np.asarray(photo.convert("RGB")), np.asarray(mask) == 255
    assert hashlib.sha256(x.tobytes()).hexdigest() == result["image"]["sha256"]
    session = onnxruntime.InferenceSession(scene.path)

    def label(shown):
        masked = np.where(shown[..., None], x, np.array(result["baseline"]["colour"], np.uint8))
        tensor = (masked * settings["scale"] - settings["mean"]) / settings["std"]
        tensor = tensor.astype(classifier["precision"])[None]
        tensor = tensor if classifier["layout"] == "NHWC" else tensor.transpose(0, 3, 1, 2)
        return session.run(None, {session.get_inputs()[0].name: tensor})[0][0].argmax()

    assert 0 < kept.mean() < 0.5
    assert label(kept) == label(np.ones_like(kept)) == result["label"]
    assert label(~kept) != result["label"]


def test_statistics_are_as_documented(folder):
    assert explain_in(folder).returncode == 0
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    document = (Path(__file__).parents[2] / "docs" / "result-schema.md").read_text()
    rows = re.findall(r"^\| `statistics\.(\w+)` \| ([^|]+) \|", document, flags=re.MULTILINE)
    kinds = {"integer": int, "number": float, "object": dict, "list": list}
    assert len(rows) > 5
    for key, words in rows:
        kind, _, null = words.strip().partition(" or ")
        value = result["statistics"][key]
        assert type(value) is kinds[kind] or (null == "null" and value is None), key
    by_phase = result["statistics"]["model_calls_by_phase"]
    assert list(by_phase) == list(PHASES)
    assert sum(by_phase.values()) == result["statistics"]["model_calls"]


def test_two_runs_give_the_same_heatmap(folder):
    for out in ("one", "two"):
        assert explain_in(folder, "--out", out).returncode == 0
    one, two = ((folder / out / "photo" / "heatmap.npy").read_bytes() for out in ("one", "two"))
    assert one == two
    assert np.load(folder / "one" / "photo" / "heatmap.npy").max() == 1


def test_photographs_of_the_same_name_get_folders_of_their_own(folder):
    (folder / "more").mkdir()
    shutil.copy(folder / "photo.png", folder / "more" / "photo.png")
    done = run(
        *["explain", "photo.png", "more/photo.png", "-m", "model.onnx", "--partitions", 2, "-o", "out"],
        cwd=folder,
    )
    assert done.returncode == 0
    assert names_in(folder / "out") == ["photo", "photo-2"]
    paths = [
        json.loads((folder / "out" / n / "result.json").read_text())["image"]["path"]
        for n in names_in(folder / "out")
    ]
    assert paths == ["photo.png", "more/photo.png"]
    assert "2 of 2 photographs explained" in done.stdout


def test_an_earlier_result_is_replaced(folder):
    (folder / "explanations" / "photo").mkdir(parents=True)
    for name in (*FILES, "baseline.png"):
        (folder / "explanations" / "photo" / name).write_text("old")
    (folder / "explanations" / "photo" / "mine.txt").write_text("mine")
    assert explain_in(folder).returncode == 0
    assert names_in(folder / "explanations" / "photo") == sorted([*FILES, "mine.txt"])
    assert json.loads((folder / "explanations" / "photo" / "result.json").read_text())["outcome"] == "minimal"


def test_every_option_reaches_the_explanation(folder):
    given = {
        "seed": 5,
        "profile": "fast",
        "partitions": 3,
        "world": "intact",
        "weighting": "shares",
        "min_side": 0.2,
        "refine_equal": True,
        "concentration": 2,
        "grid": 16,
        "evidence": "shared",
        "reach": 0.25,
        "audit": 0.5,
        "wave": 2,
        "survey": 1,
        "reestimate": 0.75,
        "target": "1",
        "top_k": 1,
        "min_confidence": 0.25,
        "max_calls": 5000,
        "threads": 1,
        "in_flight": 3,
        "batch_size": 5,
    }
    flags = []
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        flags += [flag] if value is True else [flag, value]
    flags += ["--baseline", "10, 20,30", "--providers", "CPUExecutionProvider", "--scores", "logits"]
    (folder / "names.txt").write_text("nothing\nsomething\n")
    (folder / "pre.json").write_text('{"scale": 0.00392156862745098, "geometry": "crop", "crop_ratio": 1.0}')
    flags += ["--labels", "names.txt", "--preprocess", "pre.json", "--input", "image", "--output", "logits"]
    done = run("explain", "photo.png", "-m", "model.onnx", *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    provenance = result["provenance"]
    assert {name: provenance[name] for name in given} == given
    assert result["baseline"]["colour"] == provenance["baseline"] == [10, 20, 30]
    assert result["name"] == "something"
    classifier = provenance["classifier"]
    assert classifier["preprocess"]["geometry"] == "crop"
    assert (classifier["input"], classifier["output"], classifier["threads"]) == ("image", "logits", 1)
    assert classifier["provider"] == "CPUExecutionProvider"


def test_the_options_are_those_of_the_library():
    table = {option.name: option for option in (*MODEL, *EXPLANATION, *RUNNING)}
    library = inspect.signature(explain).parameters | inspect.signature(OnnxClassifier).parameters
    # ``many`` follows from whether it is a folder.
    assert set(table) == set(library) - {"image", "classifier", "progress", "on_interrupt", "many"}
    own = {"model": None, "batch_size": None, "providers": None}
    for name, option in table.items():
        assert option.default == own.get(name, library[name].default), name
    saving = inspect.signature(Explanation.save).parameters
    assert {option.name: option.default for option in DRAWING} == {
        name: parameter.default for name, parameter in saving.items() if name not in ("self", "folder")
    }


def test_pictures_are_drawn_as_they_are_told(folder):
    drawing = ["--colormap", "cividis", "--alpha", 0.25, "--contour", "dashed", "--cutout"]
    assert explain_in(folder, *drawing).returncode == 0
    assert explain_in(folder, "--recursive", *drawing, "--out", "run", photo=".").returncode == 0
    there = folder / "explanations" / "photo"
    assert names_in(there) == sorted([*FILES, "cutout.png"])
    scene = explain(folder / "photo.png", OnnxClassifier(folder / "model.onnx", device="cpu"), partitions=8)
    with Image.open(there / "overlay.png") as image:
        expected = scene.overlay(colormap="cividis", alpha=0.25, contour="dashed")
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    with Image.open(there / "cutout.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(scene.cutout()))
    for name in ("overlay.png", "explanation.png", "cutout.png"):
        assert (folder / "run" / "images" / "photo" / name).read_bytes() == (there / name).read_bytes()
