"""Photographs that come once, files that are passed over, and the options of preprocessing on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.cli.loading import read_size
from dccausal.errors import OptionError
from small_models import build


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "off")
    (tmp_path / "model.onnx").write_bytes(build(size=(32, 32)))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save("photo.png")
    return tmp_path


def _explain(*arguments, stdin=None):
    command = [sys.executable, "-m", "dccausal", "explain", *map(str, arguments), "--model", "model.onnx"]
    command += ["--device", "cpu", "--preprocess", "unit", "--max-calls", "20"]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def _result(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("argument", ["-", "/dev/stdin"])
def test_standard_input_is_a_photograph(folder, argument):
    done = _explain(argument, "--out", "out", stdin=(folder / "photo.png").read_bytes())
    assert done.returncode == 0, done.stderr
    document = _result(folder / "out" / "stdin")
    assert document["image"]["path"] == "stdin"
    assert _explain("photo.png", "--out", "other").returncode == 0
    assert _result(folder / "other" / "photo")["image"]["sha256"] == document["image"]["sha256"]


def test_a_pipe_is_a_photograph(folder):
    os.mkfifo("pipe")
    writer = threading.Thread(
        target=lambda: (folder / "pipe").write_bytes((folder / "photo.png").read_bytes())
    )
    writer.start()
    done = _explain("pipe", "--out", "out")
    writer.join()
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "pipe" / "result.json").is_file()


@pytest.mark.usefixtures("folder")
def test_what_comes_once_is_no_part_of_a_run():
    done = _explain("-", "--resume", "--out", "out", stdin=b"")
    assert done.returncode == 2
    assert b"- is read once, and a run may be continued" in done.stderr


def test_what_is_passed_over_is_counted_and_named(folder, capsys):
    photos = folder / "photos"
    photos.mkdir()
    (folder / "photo.png").rename(photos / "photo.png")
    for name in ("a.heic", "b.dcm", "c.jxl", "noext", ".hidden"):
        (photos / name).write_bytes(b"x")
    code = main(
        [
            "explain",
            "photos",
            "--model",
            "model.onnx",
            "--preprocess",
            "unit",
            "--max-calls",
            "20",
            "--out",
            "run",
        ]
    )
    assert code == 0
    assert (
        "passed over 4 files (a.heic, b.dcm, c.jxl, noext): no photographs by their suffix"
        in capsys.readouterr().out
    )


@pytest.mark.usefixtures("folder")
def test_preprocessing_by_options(capsys):
    options = [
        "--preprocess",
        "unit",
        "--geometry",
        "crop",
        "--crop-ratio",
        "0.5",
        "--size",
        "32x32",
        "--stretch",
    ]
    assert main(["inspect", "model.onnx", "--no-speed", "--json", "--device", "cpu", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    settings = document["preprocess"]
    assert (settings["geometry"], settings["crop_ratio"], settings["size"], settings["stretch"]) == (
        "crop",
        0.5,
        [32, 32],
        True,
    )
    assert document["preprocess_reason"] == "given; geometry, size, crop_ratio, stretch given"


def test_feeds_and_a_threshold_by_options_and_file(folder, capsys):
    binary = build(size=(32, 32), classes=1, end=["Sigmoid"])
    (folder / "model.onnx").write_bytes(binary)
    (folder / "run.toml").write_text("threshold = 0.25\n")
    assert main(["inspect", "model.onnx", "--no-speed", "--config", "run.toml", "--device", "cpu"]) == 0
    assert "a label counts as given from 0.25 on" in capsys.readouterr().out
    assert (
        main(["inspect", "model.onnx", "--no-speed", "--feed", "a=1", "--feed", "b=2", "--device", "cpu"])
        == 2
    )
    assert "--feed names 'a'; inputs of the model beside the image are: none" in capsys.readouterr().err


def test_sizes_are_a_side_or_two():
    assert read_size(None) is None
    assert read_size("224") == (224, 224)
    assert read_size("192x256") == (192, 256)
    for wrong in ("x", "1x2x3", "-1", "1e3", "9999999"):
        with pytest.raises(OptionError, match=r"size is .*; a side, or HEIGHTxWIDTH, is needed"):
            read_size(wrong)


@pytest.mark.usefixtures("folder")
def test_inspect_says_that_indices_are_no_names(capsys):
    assert main(["inspect", "model.onnx", "--no-speed", "--check", "photo.png", "--device", "cpu"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The classes have no names, so these are their indices: --labels FILE gives names." in out
