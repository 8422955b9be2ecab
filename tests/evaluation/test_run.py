"""The command ``evaluate``: what it writes, what it refuses, and that it can be killed at any time."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.errors import DeviceError
from dccausal.evaluation import run as evaluation_run
from dccausal.evaluation.sheets import partitions_sheet
from dccausal.runs.table import ResultTable
from small_models import on_cpu

_RUN = "import sys; from dccausal.cli import main; sys.exit(main())"
_FAST = ("--device", "cpu", "--threads", "1", "--model", "model.onnx")
_METHOD = "dc-causal:partitions=4:grid=8"
_TIMES = ("seconds", "model_seconds", "extraction_seconds", "measuring_seconds")
_COLUMNS = ("file", "label", "name", "shape", "top", "left", "bottom", "right")


def _make(folder, planted, n, damaged=()):
    """Write a model, photographs that differ, and the truth: that A is covered, by a box of its size."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, folder / "model.onnx")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    box = scene.boxes["A"]
    with (folder / "truth.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for i in range(n):
            name = f"p{i:02d}.png"
            noisy = np.clip(scene.image.astype(int) + rng.integers(-3, 4, scene.image.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / "photos" / name)
            if i in damaged:
                (folder / "photos" / name).write_bytes(b"no image")
            writer.writerow(
                [name, 1, "planted", "rectangle", box.top, box.left, box.bottom - 1, box.right - 1]
            )
    return folder


@pytest.fixture
def few(tmp_path, planted, monkeypatch):
    _make(tmp_path, planted, 4, damaged=(2,))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _arguments(*more, truth="truth.csv", methods=_METHOD, out="run"):
    return [
        "evaluate",
        "photos",
        "--truth",
        truth,
        "--methods",
        methods,
        "--out",
        out,
        *_FAST,
        *map(str, more),
    ]


def _rows(run):
    return [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]


def _timeless(run):
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in _rows(run)]


def _said(capsys):
    out, err = capsys.readouterr()
    return out, " ".join(err.split())


def test_a_run_has_the_known_answers(few, capsys):
    code = main(_arguments("--min-confidence", "0,0.5", methods=f"{_METHOD},random:grid=8"))
    out, err = _said(capsys)
    assert code == 2
    rows = _rows(few / "run")
    assert [(row["file"], row["error"]) for row in rows if row["method"] == _METHOD] == [
        ("p00.png", None),
        ("p01.png", None),
        ("p02.png", "ImageError"),
        ("p03.png", None),
    ]
    for row in rows:
        if row["error"] is None:
            assert (row["label"], row["is_right"], row["outcome"]) == (1, True, "minimal")
            for ending in ("", "@0", "@0.5"):
                assert (row[f"size{ending}"], row[f"covered{ending}"], row[f"share{ending}"]) == (
                    1 / 32,
                    1,
                    0.5,
                )
            phases = sum(row[f"calls_{phase}"] for phase in ("search", "growth", "shrinking", "remainder"))
            assert (
                phases + 5 == row["calls"] == row["cost@0"]
            )  # the two first images, and three nested sets at the end
            assert row["cost_grown"] < row["cost@0"] or row["method"] != _METHOD
            assert row["score"] > 0.99
            assert row["is_minimal"] is True
            assert len(row["insertion_scores"]) == 51
    assert "p02.png is not an image" in err
    assert "6 explanations measured on 4 photographs (2 failed, 0 left out)" in out
    assert "size, minimal at 0.5, %" in out


def test_a_run_ends_in_tables_plots_and_sheets(few):
    main(_arguments("--sheet", 1, methods=f"{_METHOD},random:grid=8"))
    run = few / "run"
    with (run / "evaluation.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    rows = _rows(run)
    assert len(lines) == len(rows) == 8
    assert [line["method"] for line in lines[:2]] == [_METHOD, "random:grid=8"]
    assert float(lines[0]["size@0"]) == 1 / 32
    assert "insertion_scores" not in lines[0]
    with (run / "table.csv").open(newline="") as stream:
        table = {(line["method"], line["measure"]): line for line in csv.DictReader(stream)}
    assert table["random:grid=8", "covered@0"]["n"] == "3"
    assert float(table["random:grid=8", "covered@0"]["difference"]) == 0
    with (run / "curves.csv").open(newline="") as stream:
        points = [line for line in csv.DictReader(stream) if line["method"] == "random:grid=8"]
    curves = [row["deletion_scores"] for row in rows if row["method"] == "random:grid=8" and not row["error"]]
    assert [float(point["share"]) for point in points] == [i / 50 for i in range(51)]
    assert {point["n"] for point in points} == {str(len(curves))}
    np.testing.assert_allclose(
        [float(point["deletion"]) for point in points], np.mean(curves, axis=0), atol=1e-5
    )
    assert "| size, minimal at 0, % | 3.1 [3.1, 3.1] |" in (run / "table.md").read_text()
    for name in ("size_calls.png", "curves.png", "sizes.png"):
        with Image.open(run / "plots" / name) as image:
            assert min(image.size) > 300
            assert np.asarray(image.convert("L")).std() > 5
    with Image.open(run / "sheets" / "methods.png") as image:
        assert image.size == (16 + 5 * (224 + 16), 16 + 224 + 2 * 22 + 16 + 16)
    assert sorted(path.name for path in (run / "images").iterdir()) == ["p00"]
    names = {path.name for path in (run / "images" / "p00" / "random-grid=8").iterdir()}
    assert names == {"heatmap.npy", "overlay.png", "kept.png", "explanation.png"}


def test_rows_go_to_parquet_where_that_can_be_written(few):
    parquet = pytest.importorskip("pyarrow.parquet")
    main(_arguments("--no-plots", "--sheet", 0))
    table = parquet.read_table(few / "run" / "evaluation.parquet").to_pylist()
    rows = sorted(_rows(few / "run"), key=lambda row: row["index"])
    assert [row["file"] for row in table] == [row["file"] for row in rows]
    assert table[0]["insertion_scores"] == rows[0]["insertion_scores"]
    assert table[0]["calls"] == rows[0]["calls"]
    assert table[2]["calls"] is None
    assert not (few / "run" / "plots").exists()
    assert not (few / "run" / "sheets").exists()


def test_methods_and_external_results_may_be_added_to_a_run(few, capsys):
    main(_arguments("--no-plots", "--sheet", 0))
    before = (few / "run" / "evaluation.jsonl").read_bytes()
    kept = np.zeros((64, 64), bool)
    kept[:, :32] = True
    np.save(few / "kept.npy", kept)
    line = {"file": "p00.png", "calls": 9, "seconds": 0.25, "mask": "kept.npy"}
    (few / "other.jsonl").write_text(json.dumps(line) + "\n")
    capsys.readouterr()
    more = ("--external", "other=other.jsonl", "--resume", "--no-plots", "--sheet", 1)
    assert main(_arguments(*more, methods=f"{_METHOD},random:grid=8")) == 2
    assert "resumed: 4 of 12" in _said(capsys)[1]
    assert (few / "run" / "evaluation.jsonl").read_bytes().startswith(before)
    rows = _rows(few / "run")
    (other,) = [row for row in rows if row["method"] == "other"]
    assert (other["size"], other["calls"], other["seconds"]) == (0.5, 9, 0.25)
    assert len([row for row in rows if row["method"] == "random:grid=8"]) == 4
    (few / "other.jsonl").write_text(
        "".join(json.dumps({**line, "file": f"p0{i}.png"}) + "\n" for i in (0, 1))
    )
    main(_arguments(*more, methods=_METHOD))
    assert sum(row["method"] == "other" for row in _rows(few / "run")) == 2
    assert (few / "run" / "table.md").read_text().splitlines()[
        0
    ] == f"|  | {_METHOD} | other | random:grid=8 |"


def test_a_run_is_not_begun_twice_nor_continued_otherwise(few, capsys):
    assert main(_arguments("--seed", 1, "--no-plots")) == 2
    capsys.readouterr()
    assert main(_arguments("--seed", 1, "--no-plots")) == 2
    assert "run holds a run already; --resume continues it" in _said(capsys)[1]
    content = (few / "run" / "evaluation.jsonl").read_bytes()
    with (few / "truth.csv").open("a") as stream:
        stream.write("\n")
    arguments = (
        "--seed",
        2,
        "--steps",
        20,
        "--min-confidence",
        0.5,
        "--only-right",
        "--resume",
        "--no-plots",
    )
    assert main(_arguments(*arguments)) == 2
    said = _said(capsys)[1]
    for text in (
        "--seed was 1 and is 2",
        "--steps was 50 and is 20",
        "--only-right was false and is true",
        "--min-confidence was [0.0] and is [0.5]",
        "--truth-sha256 was",
    ):
        assert text in said
    assert (few / "run" / "evaluation.jsonl").read_bytes() == content


def test_photographs_are_drawn_by_the_seed_and_more_hold_the_fewer(few):
    def chosen(n, seed):
        main(_arguments("--n", n, "--seed", seed, "--no-plots", "--sheet", 0, out=f"run{n}-{seed}"))
        return {row["file"] for row in _rows(few / f"run{n}-{seed}")}

    assert len(chosen(2, 1)) == 2
    assert chosen(2, 1) <= chosen(3, 1)
    assert len({frozenset(chosen(2, seed)) for seed in range(5)}) > 1


def test_photographs_that_are_not_right_may_be_left_out(few, capsys):
    text = (few / "truth.csv").read_text().replace("p01.png,1,", "p01.png,0,")
    (few / "truth.csv").write_text(text)
    main(_arguments("--only-right", "--no-plots"))
    rows = {row["file"]: row for row in _rows(few / "run")}
    assert rows["p01.png"]["left_out"] == "the top label is not the truth's"
    assert rows["p01.png"]["is_right"] is False
    assert "size" not in rows["p01.png"]
    assert rows["p00.png"]["size"] == 1 / 32
    assert "2 explanations measured on 4 photographs (1 failed, 1 left out)" in _said(capsys)[0]


def test_boxes_of_objects_give_measures_of_localisation(few):
    main(_arguments("--truth-kind", "object", "--no-plots", "--backgrounds", 2))
    row = _rows(few / "run")[0]
    assert row["iou"] == 0.5
    assert "covered" not in row
    assert "robustness" not in row  # every photograph has the same label
    with (few / "boxes.csv").open("w") as stream:
        stream.write("file,top,left,bottom,right\np00.png,0,0,63,63\n")
    main(_arguments("--no-plots", truth="boxes.csv", out="boxes"))
    row = _rows(few / "boxes")[0]
    assert (row["iou"], row["pointing"], row["best_iou"], row["is_right"]) == (1 / 32, 1, 1, None)


def test_plain_backgrounds_that_were_not_asked_tell_how_far_it_holds(few):
    main(_arguments("--no-plots", "--sheet", 0, "--backgrounds", "2,neutral"))
    main(
        _arguments(
            "--no-plots", "--sheet", 0, "--backgrounds", "neutral", "--baseline", "grey,blue", out="two"
        )
    )
    one, two = _rows(few / "run")[0], _rows(few / "two")[0]
    assert one["neutral"] == one["neutral@0"] == 1  # the boxes are red enough anywhere
    assert two["neutral"] == 1
    assert two["calls"] > one["calls"]
    assert "neutral_grown" not in one
    for run in ("run", "two"):
        table = (few / run / "table.md").read_text()
        assert "label kept beside unseen plain backgrounds, minimal at 0, %" in table
    manifest = json.loads((few / "two" / "manifest.json").read_text())
    assert manifest["options"]["baseline"] == ["grey", "blue"]
    assert manifest["options"]["backgrounds"] == "0,neutral"


def test_a_floor_costs_calls_that_are_counted_apart(few):
    main(_arguments("--no-plots", "--sheet", 0))
    main(_arguments("--min-confidence", "0,0.5,0.9", "--no-plots", "--sheet", 0, out="floors"))
    one, three = _rows(few / "run")[0], _rows(few / "floors")[0]
    assert one["calls"] == three["calls"]
    assert (three["size@0.9"], three["size@0.5"]) == (1 / 32, 1 / 32)  # nested sets, at hand
    assert three["extraction_calls"] == one["extraction_calls"]
    main(_arguments("--min-confidence", "0,0.7", "--no-plots", "--sheet", 0, out="another"))
    two = _rows(few / "another")[0]
    assert two["calls@0.7"] > 0
    assert two["extraction_calls"] == one["extraction_calls"] + two["calls@0.7"]


def test_further_seeds_tell_how_alike_explanations_are_and_cost_nothing_of_its_own(few):
    methods = f"{_METHOD},rise:masks=20"
    main(_arguments("--no-plots", "--sheet", 0, methods=methods))
    main(_arguments("--no-plots", "--sheet", 0, "--seeds", 3, methods=methods, out="seeds"))
    one, three = (
        {row["method"]: row for row in _rows(few / run) if row["index"] == 0} for run in ("run", "seeds")
    )
    assert not any(column.startswith("seeds") for row in one.values() for column in row)
    assert not any(column.startswith("seeds") for column in three["rise:masks=20"])
    causal = three[_METHOD]
    assert {key: causal[key] for key in one[_METHOD] if not key.endswith("seconds")} == {
        key: value for key, value in one[_METHOD].items() if not key.endswith("seconds")
    }
    assert causal["seeds_iou"] == 1  # the planted boxes, whatever the seed
    assert 0 < causal["seeds_spearman"] <= 1
    assert causal["seeds_calls"] > causal["calls"]
    assert (causal["pieces"], causal["holes"], causal["holds_peak"]) == (2, 0, 1)
    assert "other seeds: IoU of the kept pixels" in (few / "seeds" / "table.md").read_text()
    assert "seeds_spearman" in (few / "seeds" / "table.csv").read_text()


# Killed, interrupted, out of reach


def _process(cwd, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _n_lines(table):
    return table.read_bytes().count(b"\n") if table.exists() else 0


@pytest.mark.slow
def test_a_run_killed_at_random_points_ends_as_an_undisturbed_one(tmp_path, planted):
    _make(tmp_path, planted, 12, damaged=(3, 9))
    arguments = _arguments("--sheet", 2, "--no-plots", methods=f"{_METHOD},random:grid=8")
    calm = _process(tmp_path, *arguments)
    calm.communicate(timeout=120)
    assert calm.returncode == 2
    (tmp_path / "run").rename(tmp_path / "calm")
    table = tmp_path / "run" / "evaluation.jsonl"
    rng = random.Random(7)  # noqa: S311
    n_kills = 0
    for goal in (0, 3, 9, 15, 20):
        process = _process(tmp_path, *arguments, "--resume")
        while process.poll() is None and _n_lines(table) < goal:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1 if goal else 1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        n_kills += process.returncode == -signal.SIGKILL
    assert n_kills >= 3
    with table.open("ab") as file:
        file.write(b'{"index": 11, "file": "p1')  # what a power cut may leave
    process = _process(tmp_path, *arguments, "--resume")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "only half written" in err
    assert _timeless(tmp_path / "run") == _timeless(tmp_path / "calm")
    for path in (tmp_path / "calm").rglob("*.png"):
        other = tmp_path / "run" / path.relative_to(tmp_path / "calm")
        assert other.read_bytes() == path.read_bytes()
    again = table.read_bytes()
    process = _process(tmp_path, *arguments, "--resume")
    process.communicate(timeout=120)
    assert table.read_bytes() == again
    [first, *rest] = again.splitlines(keepends=True)
    table.write_bytes(b"".join(rest))  # as where a process was killed while it wrote the first pictures
    made = min((tmp_path / "run").rglob("heatmap.npy"))
    (made.parent / ".heatmap.npy.0123456789ab.tmp").write_bytes(b"half")
    process = _process(tmp_path, *arguments, "--resume")
    process.communicate(timeout=120)
    assert len(table.read_bytes().splitlines()) == len(rest) + 1, first
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_ctrl_c_records_no_unfinished_explanation(tmp_path, planted):
    _make(tmp_path, planted, 24)
    process = _process(tmp_path, *_arguments("--no-plots", methods="dc-causal:partitions=4096:grid=8"))
    while not (tmp_path / "run" / "evaluation.jsonl").exists():
        time.sleep(0.01)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command with --resume continues" in " ".join(err.split())
    assert "Traceback" not in err
    assert all(row["outcome"] == "minimal" for row in _rows(tmp_path / "run"))


def test_a_device_that_is_gone_stops_the_run_and_is_nobodys_failure(few, monkeypatch, capsys):
    def fail(*_, **__):
        raise DeviceError("it is gone")

    monkeypatch.setattr(evaluation_run, "explain_by", fail)
    assert main(_arguments("--no-plots")) == 2
    assert "it is gone" in _said(capsys)[1]
    assert _rows(few / "run") == []


def test_a_bug_that_a_method_has_is_recorded_for_that_one(few, monkeypatch, capsys):
    explain_by = evaluation_run.explain_by

    def fail(spec, image, *more, **options):
        if spec.name == "random" and image.endswith("p00.png"):
            raise ZeroDivisionError("a bug")
        return explain_by(spec, image, *more, **options)

    monkeypatch.setattr(evaluation_run, "explain_by", fail)
    assert main(_arguments("--no-plots", methods=f"{_METHOD},random:grid=8")) == 1
    rows = {(row["file"], row["method"]): row["error"] for row in _rows(few / "run")}
    assert rows["p00.png", "random:grid=8"] == "ZeroDivisionError"
    assert rows["p00.png", _METHOD] is rows["p01.png", "random:grid=8"] is None
    assert "this is a bug in dccausal" in _said(capsys)[1]


def test_a_run_has_one_writer(few, capsys):
    main(_arguments("--no-plots", "--sheet", 0))
    with ResultTable(few / "run" / "evaluation.jsonl"):
        assert main(_arguments("--no-plots", "--resume")) == 2
    assert "is being written by another process" in _said(capsys)[1]


# What is refused before any work


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--truth", "gone.csv"), "gone.csv cannot be read"),
        (("--truth-kind", "cat"), "--truth-kind is 'cat'; one of occlusion, object"),
        (("--methods", "dc-causl"), "--methods has 'dc-causl'"),
        (("--methods", "a b,a-b"), "--methods has 'a b'"),
        (("--external", "x=gone.jsonl"), "no such file"),
        (("--min-confidence", "2"), "--min-confidence is '2'"),
        (("--n", "0"), "--n is 0"),
        (("--steps", "0"), "--steps is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--max-calls", "3"), "--max-calls is 3"),
        (("--baseline", "nocolour"), "--baseline is 'nocolour'"),
        (("--baseline", "grey,nocolour"), "--baseline is 'nocolour'"),
        (("--backgrounds", "plain"), "--backgrounds is 'plain'; a number of photographs, neutral, or both"),
        (("--backgrounds", "-1"), "--backgrounds is '-1'"),
        (("--figure", "cat"), "--figure is 'cat'; partitions is needed"),
        (("--model", "gone.onnx"), "gone.onnx"),
        (("--out", "truth.csv"), "truth.csv/manifest.json cannot be read"),
        (("--external", "random:grid=8=x.jsonl"), "no such file"),
    ],
)
def test_bad_input_is_refused_at_once(few, capsys, arguments, said):
    assert main([*_arguments("--no-plots"), *arguments]) == 2
    assert said in _said(capsys)[1]
    assert not (few / "run").exists()


def test_the_truth_and_its_photographs_have_to_be_there(few, capsys):
    assert main(["evaluate", "photos", *_FAST]) == 2
    assert "--truth is missing" in _said(capsys)[1]
    (few / "empty").mkdir()
    assert main(["evaluate", "empty", "--truth", "truth.csv", *_FAST]) == 2
    assert "empty holds none of the 4 photographs of truth.csv" in _said(capsys)[1]


def test_names_that_would_share_a_folder_are_refused(few, capsys):
    (few / "x.jsonl").touch()
    assert main(_arguments("--external", "random=x.jsonl", methods="random")) == 2
    assert "different names are needed" in _said(capsys)[1]


def test_plots_need_their_package_at_the_start(few, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(_arguments()) == 2
    assert 'pip install "dccausal[evaluate]"' in _said(capsys)[1]
    assert not (few / "run").exists()


# The figure


def test_the_figure_of_partitions(few, capsys):
    photo = "photos/p00.png"
    sheet = partitions_sheet(photo, on_cpu("model.onnx"), numbers=(1, 2, 3, 4, 5), profile="fast", grid=8)
    assert sheet.size == (16 + 4 * (224 + 16), 16 + 2 * (224 + 2 * 22 + 16) + 16)
    assert (
        main(["evaluate", photo, "--figure", "partitions", "--profile", "fast", "--out", "fig", *_FAST]) == 0
    )
    with Image.open(few / "fig" / "sheets" / "partitions.png") as image:
        assert image.size == sheet.size
    assert "written" in _said(capsys)[0]
    assert (
        main(["evaluate", photo, "--figure", "partitions", "--profile", "slow", "--out", "fig", *_FAST]) == 2
    )
    assert "slow" in _said(capsys)[1]
