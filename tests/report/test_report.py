"""Reports: what is read, what is written, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.errors import InputError, OptionError, OutputError
from dccausal.explanation.pictures import picture_size
from dccausal.inputs.placement import Placement
from dccausal.report.item import find_photo, load_result
from dccausal.report.page import safe_json
from dccausal.report.pixels import kept_text, levels_of, photo_text
from dccausal.report.truth import Truth
from dccausal.report.write import write_report

_FAST = ("--partitions", "4", "--device", "cpu", "--threads", "1", "--quiet")


def _unpacked(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def _blocks(path):
    found = re.findall(
        r'<script type="application/json" id="([\w-]+)">(.*?)</script>', path.read_text("ascii")
    )
    return {name: json.loads(text) for name, text in found}


@pytest.fixture(scope="module")
def made(tmp_path_factory, planted):
    """A folder with a model, photographs that are explained, one that is damaged, and the run over them."""
    folder = tmp_path_factory.mktemp("report")
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, folder / "model.onnx")
    (folder / "photos").mkdir()
    for i in range(3):
        shutil.copy(scene.photo, folder / "photos" / f"p{i}.png")
    (folder / "photos" / "p3.png").write_bytes(b"no image")
    arguments = [str(folder / "photos"), "--out", str(folder / "run"), "-m", str(folder / "model.onnx")]
    assert main(["explain", *arguments, *_FAST]) == 2
    return folder


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def test_levels_keep_the_order_of_all_pixels():
    rng = np.random.default_rng(2)
    for n_values in (1, 2, 200, 3000, 70_000):
        heatmap = (rng.integers(0, n_values, (300, 290)) / n_values).astype(np.float32)
        packed = levels_of(heatmap)
        n_bytes = packed["n_bytes"]
        planes = _unpacked(packed["levels"]).reshape(n_bytes, 300, 290).astype(np.int64)
        steps = sum(plane << 8 * (n_bytes - 1 - i) for i, plane in enumerate(planes))
        levels = np.cumsum(steps, axis=0) % (1 << 8 * n_bytes)
        ranking = np.argsort(levels.ravel(), kind="stable")
        assert np.array_equal(ranking, np.argsort(-heatmap.ravel(), kind="stable"))
        assert len(_unpacked(packed["tones"])) == len(np.unique(heatmap))


def test_kept_pixels_are_bits():
    kept = np.random.default_rng(0).random((7, 9)) < 0.3
    assert np.array_equal(np.unpackbits(_unpacked(kept_text(kept)), count=63).reshape(7, 9), kept)


def test_photographs_are_bounded_in_sides_and_bytes():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8))
    text, size = photo_text(noise, 640)
    content = base64.b64decode(text)
    assert len(content) <= 110_000
    assert max(size) <= 640
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == size


def test_a_report_has_every_photograph_and_the_same_bytes_again(run):
    first = write_report(run)
    assert (first["n_explained"], first["n_failed"], first["n_left"]) == (3, 1, 0)
    content = first["path"].read_bytes()
    assert first["path"] == run / "report.html"
    assert first["n_bytes"] == len(content)
    write_report(run)
    assert first["path"].read_bytes() == content
    assert [path.name for path in run.glob(".*")] == []
    blocks = _blocks(first["path"])
    items = blocks["about"]["items"]
    assert [item["file"] for item in items] == ["p0.png", "p1.png", "p2.png", "p3.png"]
    assert items[3]["error"] == "ImageError"
    assert "packed-3" not in blocks
    for i in range(3):
        with Image.open(run / "images" / f"p{i}" / "kept.png") as picture:
            kept = np.asarray(picture) == 255
        bits = np.unpackbits(_unpacked(blocks[f"packed-{i}"]["kept"]), count=kept.size)
        assert np.array_equal(bits.reshape(kept.shape), kept)
        assert items[i]["is_photo"]
        assert items[i]["size"] == pytest.approx(kept.mean())


def test_the_page_allows_nothing_from_anywhere(run):
    text = write_report(run)["path"].read_text("ascii")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r'(src|href)="(?!data:,|#)', text)


def test_one_result_and_a_folder_of_results_are_enough(run):
    assert write_report(run / "images" / "p1")["n_explained"] == 1
    assert write_report(run / "images", run / "r.html")["n_explained"] == 3


def test_nothing_in_the_data_ends_its_element():
    hostile = {"a": "</script><script>alert(1)</script>", "b": "\u2028\u2029<!--&amp;'\"\ud800"}
    text = safe_json(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile


def test_a_photograph_that_is_gone_or_another_is_shown_grey(made, run, tmp_path):
    rows = (run / "results.jsonl").read_text().splitlines()
    moved = [row.replace(str(made / "photos"), str(tmp_path / "gone")) for row in rows]
    (run / "results.jsonl").write_text("\n".join(moved) + "\n")
    assert write_report(run)["n_without_photo"] == 3
    assert write_report(run, photos=made / "photos")["n_without_photo"] == 0
    (tmp_path / "gone").mkdir()
    with Image.open(made / "photos" / "p0.png") as photo:
        other = Image.new("RGB", photo.size, (1, 255, 1))
    other.save(tmp_path / "gone" / "p0.png")
    shutil.copy(made / "photos" / "p1.png", tmp_path / "gone" / "p1.png")
    assert write_report(run)["n_without_photo"] == 2


@pytest.mark.parametrize(("size", "is_found"), [((500, 2), True), ((3, 400), True), ((500, 300), False)])
def test_a_strip_that_lines_cover_is_found(run, size, is_found):
    """The photograph of a result is told by its pixels, but for those that the picture's lines cover."""
    (folder, *_) = sorted((run / "images").iterdir())
    made = load_result(folder)
    result = replace(
        made,
        placement=Placement(size, (0.0, 0.0, float(size[0]), float(size[1]))),
        kept=np.ones_like(made.kept),
        shown=Image.new("RGB", picture_size(size), "black"),
    )
    white = run / "white.png"
    Image.new("RGB", size, "white").save(white)
    assert find_photo(str(white), None, result)[1] is is_found


def test_damaged_results_are_listed_and_named(run, capsys):
    (run / "images" / "p0" / "heatmap.npy").write_bytes(b"torn")
    (run / "images" / "p1" / "result.json").write_text("{")
    made = write_report(run)
    assert made["n_explained"] == 1
    assert [bool(re.search(r"p0.heatmap\.npy", text)) for text in made["damaged"]] == [True, False]
    assert "result.json" in made["damaged"][1]
    assert main(["report", str(run)]) == 2
    assert "heatmap.npy" in capsys.readouterr().err


def test_a_key_that_is_missing_is_named(run):
    path = run / "images" / "p2" / "result.json"
    document = json.loads(path.read_text())
    del document["image"]["box"]
    path.write_text(json.dumps(document))
    assert "box" in write_report(run)["damaged"][0]


@pytest.mark.parametrize("minor", ["7", [7], {}, None, 7.5, True])
def test_a_minor_version_of_another_kind_is_named(made, run, minor):
    path = run / "images" / "p2" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_minor": minor}))
    (made / "photos" / "p2.png").rename(made / "photos" / "away.png")  # what is shown then depends on it
    try:
        assert "schema_minor" in write_report(run)["damaged"][0]
    finally:
        (made / "photos" / "away.png").rename(made / "photos" / "p2.png")


_NODE = {"parent": 0, "depth": 1, "responsibility": 0.5, "stake": 1, "is_refined": False}
_ROOT = {**_NODE, "region": [0, 0, 64, 64], "parent": None, "depth": 0, "contingency": []}
_CORNERS = ([0, 0, 20, 30], [0, 30, 20, 64], [20, 0, 64, 30], [20, 30, 64, 64])
_CUT = [{**_NODE, "region": region, "contingency": [(i + 1) % 4 + 1]} for i, region in enumerate(_CORNERS)]


def _with_trees(run, trees):
    path = run / "images" / "p2" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "trees": trees}))
    made = write_report(run)
    blocks = _blocks(made["path"])
    return made["damaged"], blocks["about"]["items"][2], blocks.get("packed-2")


def test_trees_are_packed_as_numbers(run):
    tree = {"world": "contingency", "nodes": [_ROOT, *_CUT]}
    damaged, about, packed = _with_trees(run, [tree])
    assert damaged == []
    assert about["n_trees"] == 1
    assert packed["trees"][0]["world"] == "contingency"
    assert packed["trees"][0]["nodes"][0] == [0, 0, 64, 64, -1, 0.5, 1, []]
    assert packed["trees"][0]["nodes"][4] == [20, 30, 64, 64, 0, 0.5, 1, [1]]


@pytest.mark.parametrize(
    "trees",
    [
        "<img>",
        [{"world": "<img src=x>", "nodes": [_ROOT, *_CUT]}],
        [{"world": "intact", "nodes": []}],
        [{"world": "intact", "nodes": [_ROOT, *_CUT[:3]]}],
        *(
            [{"world": "intact", "nodes": [_ROOT, *_CUT[:3], {**_CUT[3], **wrong}]}]
            for wrong in (
                {"region": [0, 0, 65, 64]},
                {"region": [5, 0, 5, 64]},
                {"region": "0123"},
                {"parent": 4},
                {"parent": None},
                {"contingency": [4]},
                {"contingency": [9]},
                {"responsibility": "<b>"},
                {"responsibility": True},
                {"stake": float("nan")},
            )
        ),
    ],
)
def test_damaged_trees_are_named(run, trees):
    damaged, about, packed = _with_trees(run, trees)
    assert len(damaged) == 1
    assert "p2/result.json lacks whole causal trees (" in damaged[0]
    assert about["error"] == "Damaged"
    assert packed is None


def test_a_result_of_an_earlier_version_has_no_trees(run):
    path = run / "images" / "p1" / "result.json"
    document = json.loads(path.read_text())
    del document["trees"]
    path.write_text(json.dumps(document))
    made = write_report(run)
    assert made["damaged"] == []
    assert _blocks(made["path"])["about"]["items"][1]["n_trees"] == 0


def test_damaged_lines_are_named_and_a_torn_last_one_is_not_yet_there(run):
    table = run / "results.jsonl"
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    assert write_report(run)["n_left"] == 1
    table.write_bytes(lines[0] + b"torn\n" + b"[]\n" + lines[3])
    with pytest.raises(InputError, match=r"2 of 4 lines are damaged \(line 2, 3\)"):
        write_report(run)


def test_what_is_no_run_is_refused(tmp_path, run):
    for folder, text in ((tmp_path / "none", "is not there"), (run / "results.jsonl", "is a file")):
        with pytest.raises(InputError, match=text):
            write_report(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder of a run or of a result is needed"):
        write_report(tmp_path / "empty")
    (run / "results.jsonl").unlink()
    with pytest.raises(InputError, match="none of its 4 photographs"):
        write_report(run)


def test_an_earlier_report_stays_where_the_new_one_fails(run):
    path = write_report(run)["path"]
    content = path.read_bytes()
    (run / "results.jsonl").write_text("x\n")
    with pytest.raises(InputError):
        write_report(run)
    assert path.read_bytes() == content
    with pytest.raises(OutputError):
        write_report(run / "images" / "p0", run / "images")
    with pytest.raises(OptionError, match="photo_size"):
        write_report(run, photo_size=10)


def test_truth_by_path_name_index_and_class(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("file,label\na.png,3\nb/c.png,Sea Lion\n")
    truth = Truth(path)
    item = {"error": None, "label": 3, "name": "seal, sea lion"}
    assert truth.judge({**item, "path": "x/a.png"}) == {"label": "3", "right": True}
    assert truth.judge({**item, "path": "x/a.png", "label": 4})["right"] is False
    assert truth.judge({**item, "path": "/x/b/c.png"})["right"] is True
    assert truth.judge({**item, "path": "x/c.png"}) is None
    assert truth.judge({"path": "a.png", "error": "ImageError"}) == {"label": "3", "right": None}


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("name\nx\n", "columns file,label"),
        ("file,label\na,1\na,2\n", "two labels"),
        ("file,label\nzz,1\n", "none of"),
    ],
)
def test_a_truth_that_cannot_be_used_is_refused(run, tmp_path, text, needed):
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=needed):
        write_report(run, truth=path)


def test_the_command_asks_the_model_for_curves(made, run, planted, capsys):
    arguments = ["report", str(run), "--curves", "--device", "cpu", "-o", str(run / "curves.html")]
    assert main([*arguments, "-m", str(made / "model.onnx")]) == 0
    assert "3 photographs, 1 failed" in capsys.readouterr().out
    curve = _blocks(run / "curves.html")["packed-0"]["curve"]
    result = json.loads((run / "images" / "p0" / "result.json").read_text())
    assert curve["shares"][0] == 0
    assert curve["shares"][-1] == 1
    assert curve["scores"][-1] == pytest.approx(result["score"], rel=1e-3)
    assert curve["scores"][0] < curve["scores"][-1]
    other = planted("a_or_b")
    assert main([*arguments, "-m", str(other.path)]) == 2
    assert "the same model is needed" in capsys.readouterr().err
    assert main(["report", str(run), "-m", "model.onnx"]) == 2


def test_a_photograph_that_was_tried_again_is_there_once(run, capsys):
    table = run / "results.jsonl"
    lines = table.read_bytes().splitlines(keepends=True)
    failed = next(line for line in lines if b"ImageError" in line)
    table.write_bytes(b"".join(lines) + failed)
    assert main(["report", str(run)]) == 0
    assert "3 photographs, 1 failed" in capsys.readouterr().out
    assert len(_blocks(run / "report.html")["about"]["items"]) == 4
