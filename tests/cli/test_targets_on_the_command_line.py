"""Boxes, regions and similarities on the command line, and what inspect says of a detector."""

import json

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from planted_detector import COLOURS, ULTRALYTICS, detector, scene

SQUARES = [(0, 0, 12), (2, 60, 48)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("detector")
    (place / "model.onnx").write_bytes(detector(metadata=ULTRALYTICS))
    Image.fromarray(scene(SQUARES)).save(place / "photo.png")
    np.save(place / "vectors.npy", np.eye(4, 7, dtype=np.float32))
    return place


def _run(capsys, *arguments, code=0):
    assert main([*map(str, arguments), "--device", "cpu"]) == code
    return capsys.readouterr()


def test_inspect_lists_the_decoder_and_numbered_boxes(capsys, folder):
    text = _run(capsys, "inspect", folder / "model.onnx", folder / "photo.png").out
    assert "decoder          boxes: Ultralytics detect, raw head" in text
    assert "padded with #727272" in text
    assert "photo.png: 2 boxes, in the photograph's pixels; --box N explains one" in text
    assert "60.0, 48.0, 96.0, 84.0" in text
    document = json.loads(_run(capsys, "inspect", folder / "model.onnx", folder / "photo.png", "--json").out)
    assert (document["gives"], document["decoder"]) == ("boxes", "Ultralytics detect, raw head")
    assert [one["number"] for one in document["seen"]] == [0, 1]
    assert {one["name"] for one in document["seen"]} == {COLOURS[0], COLOURS[2]}


def test_a_box_and_all_boxes_are_explained(capsys, folder):
    out = folder / "out"
    common = ("explain", folder / "photo.png", "--model", folder / "model.onnx", "--out", out)
    assert "blue (2), box" in _run(capsys, *common, "--box", "60,48,96,84").out
    result = json.loads((out / "photo" / "result.json").read_text())
    assert result["target"]["box"] == {"left": 60, "top": 48, "right": 96, "bottom": 84}
    text = _run(capsys, *common, "--box", "all").out
    assert "2 explained together with" in text
    labels = [json.loads((out / "photo" / f"box-{i}" / "result.json").read_text())["label"] for i in range(2)]
    assert sorted(labels) == [0, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "7"], "box is 7; there are 2: 0 ("),
        (["--box", "200,200,210,210"], "lies outside of the photograph of 96 x 96"),
        (["--box", "1,2"], "a number as inspect MODEL IMAGE lists them"),
        (["--box", "1", "--target", "2"], "were both given; one is needed"),
        (["--box", "1", "--region", "red"], "box and region were both given"),
        (["--region", "red"], "read as no maps of a segmenter"),
        (["--top", "3", "--box", "1"], "a target were both given"),
        (["--box", "1", "--scores", "sigmoid"], "which is for classifiers"),
        (["--like", "missing.png"], "error: missing.png does not exist"),
        (["--prompts", "missing.npy"], "prompts 'missing.npy' cannot be read (No such file or directory);"),
        ([], "a box of a detector is explained by --box N"),
    ],
)
def test_what_does_not_go_gets_one_line(capsys, folder, options, words):
    error = _run(
        capsys, "explain", folder / "photo.png", "--model", folder / "model.onnx", "-q", *options, code=2
    ).err
    assert words in error
    assert error.count("\n") == 1


def test_a_file_without_prompts_says_so(capsys, folder, tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\n \n")
    arguments = ("explain", folder / "photo.png", "--model", folder / "model.onnx", "--prompts", path)
    assert "prompts.txt' is empty; one prompt a line is needed" in _run(capsys, *arguments, code=2).err
