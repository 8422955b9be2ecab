"""Folders of photographs with boxes, regions and several labels, and what a report shows of them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.report.read import read_source
from planted_detector import ULTRALYTICS, detector, scene

SCENES = {"a.png": [(0, 0, 12), (2, 60, 48)], "b.png": [(1, 24, 24)], "c.png": []}
FAST = ("--device", "cpu", "--threads", "1", "--quiet", "--grid", "8", "--partitions", "1", "--halves", "0")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    place = tmp_path_factory.mktemp("boxes")
    (place / "model.onnx").write_bytes(detector(metadata=ULTRALYTICS))
    (place / "photos").mkdir()
    for name, squares in SCENES.items():
        Image.fromarray(scene(squares)).save(place / "photos" / name)
    return place


def run(place, out, *options, code=0):
    arguments = [place / "photos", "--model", place / "model.onnx", "--out", out, *FAST, *options]
    assert main(["explain", *map(str, arguments)]) == code
    path = out / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {row["path"].rsplit("/", 1)[-1]: row for row in rows}


def result(out, folder):
    return json.loads((out / folder / "result.json").read_text())


def test_all_boxes_of_each_photograph(photos, tmp_path, capsys):
    rows = run(photos, tmp_path, "--box", "all", "--table", tmp_path / "table.csv", code=2)
    assert rows["c.png"]["error"] == "OptionError"
    assert "the detector sees nothing" in rows["c.png"]["message"]
    assert [one["folder"] for one in rows["a.png"]["targets"]] == ["images/a/box-0", "images/a/box-1"]
    assert {one["label"] for one in rows["a.png"]["targets"]} == {0, 2}
    for name in ("a.png", "b.png"):
        row = rows[name]
        for one in row["targets"]:
            found = result(tmp_path, one["folder"])
            assert (found["label"], found["target"]["title"]) == (one["label"], one["title"])
            assert found["size"] == pytest.approx(one["size"])
        assert row["model_calls"] == sum(one["model_calls"] for one in row["targets"])
        assert (row["label"], row["size"]) == (row["targets"][0]["label"], row["targets"][0]["size"])
        assert not (tmp_path / row["folder"] / "result.json").exists()
    assert '""folder"": ""images/a/box-1""' in (tmp_path / "table.csv").read_text()
    entries = read_source(tmp_path).entries
    assert [entry.folder and entry.folder.relative_to(tmp_path).as_posix() for entry in entries] == [
        *("images/a/box-0", "images/a/box-1", "images/b/box-0", None),
    ]
    capsys.readouterr()
    assert main(["report", str(tmp_path)]) == 0
    assert "3 explanations of 2 photographs, 1 failed" in capsys.readouterr().out


def test_a_run_goes_on_with_the_same_targets_alone(photos, tmp_path, capsys):
    run(photos, tmp_path, "--box", "all", code=2)
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    (tmp_path / "results.jsonl").write_text("\n".join(lines[:1]) + "\n")
    shutil.rmtree(tmp_path / "images" / "b")
    rows = run(photos, tmp_path, "--box", "all", "--resume", code=2)
    assert len(rows) == 3
    assert (tmp_path / "images" / "b" / "box-0" / "result.json").exists()
    capsys.readouterr()
    run(photos, tmp_path, "--box", "0", "--resume", code=2)
    assert "--targets was" in capsys.readouterr().err


def test_one_box_of_each_photograph_by_its_number(photos, tmp_path):
    rows = run(photos, tmp_path, "--box", "0", code=2)
    assert rows["b.png"]["targets"] == []
    assert result(tmp_path, rows["b.png"]["folder"])["target"]["number"] == 0
    assert rows["c.png"]["error"] == "OptionError"
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["options"]["target"]["kind"] == "box"
    assert manifest["classifier"]["decoder"] == "Ultralytics detect, raw head"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "0,0,40,40"], "box 0,0,40,40 was given for a folder; coordinates are of one photograph"),
        (["--region", "12,30"], "region 12,30 was given for a folder"),
        (["--region", "red"], "read as no maps of a segmenter"),
        (["--box", "all", "--device", "cpu,cpu"], "2 devices were given; one is needed for several targets"),
        (["--box", "all", "--engine", "ray"], "--box was given for a cluster, which explains labels"),
    ],
)
def test_what_does_not_go_in_a_run_gets_one_line(photos, tmp_path, capsys, options, words):
    run(photos, tmp_path, *options, code=2)
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "results.jsonl").exists()


def test_the_best_labels_of_each_photograph(planted, tmp_path):
    written = planted("graded")
    (tmp_path / "photos").mkdir()
    shutil.copy(written.photo, tmp_path / "photos" / "one.png")
    shutil.copy(written.path, tmp_path / "model.onnx")
    [row] = run(tmp_path, tmp_path / "out", "--top", "2").values()
    assert len({one["label"] for one in row["targets"]}) == 2
    for one in row["targets"]:
        assert one["folder"] == f"images/one/label-{one['label']}"
        assert result(tmp_path / "out", one["folder"])["label"] == one["label"]


def test_a_region_of_each_photograph_by_its_label(tmp_path):
    (tmp_path / "photos").mkdir()
    photo = np.full((64, 64, 3), 40, np.uint8)
    photo[16:48, 24:56] = 220
    Image.fromarray(photo).save(tmp_path / "photos" / "one.png")
    Image.fromarray(np.full_like(photo, 40)).save(tmp_path / "photos" / "two.png")
    (tmp_path / "model.onnx").write_bytes(segmenter())
    options = ("--region", "1", "--baseline", "black", "--preprocess", "unit")
    rows = run(tmp_path, tmp_path / "out", *options, code=2)
    assert result(tmp_path / "out", rows["one.png"]["folder"])["target"]["kind"] == "region"
    assert "region '1' is nowhere in this photograph" in rows["two.png"]["message"]


def segmenter():
    """Probabilities of dark and bright, (n, 2, 16, 16), of (n, 3, 64, 64)."""
    from onnx import TensorProto, helper, numpy_helper

    one = numpy_helper.from_array(np.float32(1), "one")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMean", ["small"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["out"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "segmenter",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 64, 64])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2, 16, 16])],
        [one],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
