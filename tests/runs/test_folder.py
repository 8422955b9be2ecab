"""Runs over folders: killed at random points, they end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.errors import ClassifierError, DeviceError, OutputError
from dccausal.explanation.explanation import Explanation
from dccausal.runs.folder import FolderRun
from dccausal.runs.table import COLUMNS, ResultTable

_RUN = "import sys; from dccausal.cli import main; sys.exit(main())"
_TIMES = ("seconds", "model_seconds")
_FILES = ["explanation.png", "heatmap.npy", "heatmap.png", "kept.png", "overlay.png", "result.json"]
_FAST = ("--partitions", "4", "--device", "cpu", "--threads", "1")


def _process(cwd, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, "explain", *_FAST, *map(str, arguments), "-m", "model.onnx"],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _explain(cwd, *arguments):
    process = _process(cwd, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def _rows(run):
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def _timeless(run):
    rows = sorted(_rows(run), key=lambda row: row["index"])
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in rows]


def _make(folder, planted, n, damaged=()):
    """Write a model and photographs that differ, some of them damaged."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, folder / "model.onnx")
    (folder / "photos" / "more").mkdir(parents=True)
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / "photos" / ("more" if i % 3 == 2 else ".") / f"p{i:02d}.png"
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path)
        if i in damaged:
            content = path.read_bytes()
            path.write_bytes([b"", b"no image", content[: len(content) // 2]][i % 3])
    return folder


@pytest.fixture
def few(tmp_path, planted):
    return _make(tmp_path, planted, 4, damaged=(1,))


@pytest.mark.slow
def test_a_run_killed_at_random_points_ends_as_an_undisturbed_one(tmp_path, planted):
    """Thirty photographs, four of them damaged; SIGKILL until it is over."""
    _make(tmp_path, planted, 30, damaged=(3, 10, 17, 29))
    assert _explain(tmp_path, "photos", "--recursive", "--out", "calm")[0] == 2
    killed = tmp_path / "killed"
    table = killed / "results.jsonl"
    rng = random.Random(7)  # noqa: S311
    n_kills, seen = 0, []
    for goal in (0, 0, 5, 11, 17, 22):
        process = _process(tmp_path, "photos", "--recursive", "--out", "killed", "--resume")
        while process.poll() is None and len(_lines(table)) < goal:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15 if goal else 1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        n_kills += process.returncode == -signal.SIGKILL
        seen.append(len(_lines(table)))
        for name in {row["folder"] for row in map(json.loads, _lines(table)) if row["folder"]}:
            assert (killed / name / "result.json").exists()
    assert n_kills >= 3
    assert seen == sorted(seen)
    with table.open("ab") as file:
        file.write(b'{"index": 29, "path": "photos/mo')  # what a power cut may leave
    code, out, err = _explain(tmp_path, "photos", "--recursive", "--out", "killed", "--resume")
    assert code == 2, err
    assert "only half written" in err
    assert "26 of 30 photographs explained" in out
    assert _timeless(killed) == _timeless(tmp_path / "calm")
    assert len(_rows(killed)) == 30
    for calm in sorted((tmp_path / "calm" / "images").iterdir()):
        other = killed / "images" / calm.name
        assert sorted(path.name for path in other.iterdir()) == _FILES
        for name in _FILES[:-1]:
            assert (other / name).read_bytes() == (calm / name).read_bytes()
    assert len(list((killed / "images").iterdir())) == 26
    assert not list(killed.rglob("*.tmp"))
    again = table.read_bytes()
    assert _explain(tmp_path, "photos", "--recursive", "--out", "killed", "--resume")[0] == 2
    assert table.read_bytes() == again


def _lines(table):
    return (
        [line for line in table.read_text().splitlines(keepends=True) if line[-1:] == "\n"]
        if table.exists()
        else []
    )


def test_a_run_writes_a_table_a_manifest_and_a_folder_each(few):
    code, out, err = _explain(few, "photos", "--out", "run")
    assert code == 2
    rows = _timeless(few / "run")
    assert [row["path"] for row in rows] == ["photos/p00.png", "photos/p01.png", "photos/p03.png"]
    assert all(tuple(row) == COLUMNS for row in _rows(few / "run"))
    assert rows[1]["error"] == "ImageError"
    assert "not an image" in rows[1]["message"]
    result = json.loads((few / "run" / rows[0]["folder"] / "result.json").read_text())
    for key in ("outcome", "label", "name", "score", "explanation_score", "size", "notes"):
        assert rows[0][key] == result[key]
    assert rows[0]["heatmap_sha256"] == result["files"]["heatmap.npy"]
    assert rows[0]["image_sha256"] == result["image"]["sha256"]
    manifest = json.loads((few / "run" / "manifest.json").read_text())
    assert [entry["path"] for entry in manifest["images"]] == [row["path"] for row in rows]
    assert "2 of 3 photographs explained (2 minimal)" in out
    assert "failed     1 (1 ImageError)" in out
    assert err.count("error:") == 1


def test_a_run_is_not_begun_twice_nor_continued_otherwise(few):
    assert _explain(few, "photos", "--out", "run", "--seed", 1, "--resume")[0] == 2
    code, _, err = _explain(few, "photos", "--out", "run", "--seed", 1)
    assert (code, "run holds a run already; --resume continues it" in " ".join(err.split())) == (2, True)
    (few / "names.txt").write_text("a\nb\n")
    arguments = ["--out", "run", "--resume", "--seed", 2, "--preprocess", "tf", "--labels", "names.txt"]
    code, _, err = _explain(few, "photos", *arguments)
    text = " ".join(err.split())
    assert code == 2
    assert "--seed was 1 and is 2" in text
    assert "preprocess scale was 0.00392" in text
    assert "names_sha256 was" in text
    assert "--baseline was" not in text
    arguments = ["--out", "run", "--resume", "--seed", 1, "--baseline", "black", "--contour", "none"]
    text = " ".join(_explain(few, "photos", *arguments)[2].split())
    assert '--baseline was "grey" and is "black"' in text
    assert '--contour was "solid" and is "none"' in text
    shutil.copy(few / "photos" / "p00.png", few / "photos" / "new.png")
    code, out, err = _explain(few, "photos", "--out", "run", "--seed", 1, "--resume", "--batch-size", 7)
    assert "1 photographs were not there when the run began" in err
    assert "2 of 3 photographs explained" in out
    (few / "model.onnx").write_bytes((few / "model.onnx").read_bytes() + b"\x82\x01\x00")
    assert "model's sha256 was" in _explain(few, "photos", "--out", "run", "--seed", 1, "--resume")[2]


def test_photographs_that_are_all_out_of_reach_are_not_recorded(few):
    process = _process(few, "photos", "--out", few / "run")
    process.communicate()
    lines = (few / "run" / "results.jsonl").read_bytes().splitlines(keepends=True)
    (few / "run" / "results.jsonl").write_bytes(lines[0])
    (few / "else" / "photos").mkdir(parents=True)
    shutil.copy(few / "model.onnx", few / "else")
    shutil.copy(few / "photos" / "p00.png", few / "else" / "photos" / "q.png")
    code, _, err = _explain(few / "else", "photos", "--out", few / "run", "--resume")
    assert code == 2
    assert "none of the 2 photographs left is there" in err
    assert (few / "run" / "results.jsonl").read_bytes() == lines[0]


def test_json_prints_the_rows(few):
    _, out, _ = _explain(few, "photos", "--out", "run", "--json")
    assert [json.loads(line) for line in out.splitlines()] == _rows(few / "run")


def test_ctrl_c_leaves_no_unfinished_result(tmp_path, planted):
    _make(tmp_path, planted, 24)
    process = _process(tmp_path, "photos", "--out", "run", "--partitions", "4096")
    table = tmp_path / "run" / "results.jsonl"
    while not table.exists():
        time.sleep(0.01)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "the same command with --resume continues" in err
    assert "Traceback" not in err
    assert all(row["outcome"] == "minimal" for row in _rows(tmp_path / "run"))


# What is not the photograph's fault


def _in_process(folder, monkeypatch, *arguments):
    monkeypatch.chdir(folder)
    return main(["explain", "photos", "--out", "run", "-m", "model.onnx", *_FAST, *arguments])


def test_a_bug_that_one_photograph_hits_is_recorded_for_that_one(few, monkeypatch, capsys):
    """The blank one is finished first, but comes last."""
    Image.new("RGB", (64, 64), (128, 128, 128)).save(few / "photos" / "p03.png")
    save = Explanation.save

    def fail(explanation, folder, **options):
        if explanation.source == "photos/p03.png":
            raise ZeroDivisionError("a bug")
        return save(explanation, folder, **options)

    monkeypatch.setattr(Explanation, "save", fail)
    assert _in_process(few, monkeypatch) == 1
    rows = _timeless(few / "run")
    assert [row["error"] for row in rows] == [None, "ImageError", "ZeroDivisionError"]
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert "this is a bug in dccausal" in " ".join(capsys.readouterr().err.split())


def test_a_disk_that_cannot_be_written_stops_the_run_and_is_no_photographs_failure(few, monkeypatch, capsys):
    save, is_full = Explanation.save, [True]

    def fill(explanation, folder, **options):
        if explanation.source == "photos/p03.png" and is_full[0]:
            raise OutputError("no space")
        return save(explanation, folder, **options)

    monkeypatch.setattr(Explanation, "save", fill)
    assert _in_process(few, monkeypatch) == 1
    assert "error: no space" in capsys.readouterr().err
    assert all(row["path"] != "photos/p03.png" for row in _rows(few / "run"))
    is_full[0] = False
    assert _in_process(few, monkeypatch, "--resume") == 2
    assert [row["error"] for row in _timeless(few / "run")] == [None, "ImageError", None]


def test_a_device_that_is_gone_is_no_photographs_failure(tmp_path):
    entries = [{"path": "p.png", "folder": "images/p"}]
    with FolderRun(tmp_path, [], entries, ResultTable(tmp_path / "results.jsonl"), [0], {}, {}, []) as run:
        with ThreadPoolExecutor(1) as writer:
            with pytest.raises(DeviceError):
                run._begin(0, DeviceError("it is gone"), writer)
            assert list(run._record()) == []
            assert run.rows == []
            run._begin(0, ClassifierError("NaN"), writer)
            ((row, error),) = run._record()
        assert (row["error"], str(error)) == ("ClassifierError", "NaN")
        assert run.rows == [row]
        assert run.todo == []


def test_what_a_killed_process_left_of_a_photograph_goes(few, monkeypatch):
    folder = few / "run" / "images" / "p00"
    folder.mkdir(parents=True)
    left = [
        folder / ".kept.png.0123456789ab.tmp",
        folder / "baseline.png",
        few / "run" / ".manifest.json.0123456789ab.tmp",
    ]
    for path in left:
        path.touch()
    (folder / "mine.txt").touch()
    assert _in_process(few, monkeypatch) == 2
    assert not any(path.exists() for path in left)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*_FILES, "mine.txt"])


def test_a_table_without_its_manifest_is_left_alone(few, monkeypatch, capsys):
    (few / "run").mkdir()
    (few / "run" / "results.jsonl").write_text("mine")
    assert _in_process(few, monkeypatch, "--resume") == 2
    assert "is there without manifest.json" in " ".join(capsys.readouterr().err.split())
    assert (few / "run" / "results.jsonl").read_text() == "mine"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "dccausal.run", "schema_version": 2, "images": []}'])
def test_a_manifest_that_cannot_be_read_is_refused(few, monkeypatch, capsys, text):
    (few / "run").mkdir()
    (few / "run" / "manifest.json").write_text(text)
    assert _in_process(few, monkeypatch, "--resume") == 2
    assert "manifest.json" in capsys.readouterr().err
