"""A run's table for other programs, and photographs that are tried again."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.errors import ImageError, InputError, OptionError
from dccausal.runs.export import write_export
from dccausal.runs.table import COLUMNS, ResultTable, latest, read_rows, row_of


@pytest.fixture
def folder(tmp_path, planted, monkeypatch):
    """Five photographs, of which two are damaged."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, tmp_path / "model.onnx")
    (tmp_path / "photos").mkdir()
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    for i in range(5):
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "photos" / f"p{i}.png")
    for i in (1, 3):
        path = tmp_path / "photos" / f"p{i}.png"
        path.rename(tmp_path / f"whole{i}.png")
        path.write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments, code=2):
    given = ["explain", "photos", "-m", "model.onnx", "--out", "run", "--device", "cpu", "--partitions", "2"]
    assert main([*given, *map(str, arguments)]) == code


def _lines(folder):
    return [json.loads(line) for line in (folder / "run" / "results.jsonl").read_text().splitlines()]


def test_parquet_holds_the_rows_with_types(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    _run("--table", "out/results.parquet")
    table = parquet.read_table(folder / "out" / "results.parquet")
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == sorted(_lines(folder), key=lambda row: row["index"])
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["index"], types["score"], types["path"]) == ("int64", "double", "string")
    assert types["notes"].startswith("list<")
    levels = table.to_pylist()[0]["levels"]
    assert [level["confidence"] for level in levels] == [0.9, 0.5, 0]
    assert levels[0]["size"] >= levels[1]["size"] == table.to_pylist()[0]["size"] >= levels[2]["size"]


def test_csv_holds_the_same_as_text(folder):
    _run("--table", "results.csv")
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = sorted(_lines(folder), key=lambda row: row["index"])
    for row, line in zip(rows, expected, strict=True):
        for name in ("notes", "levels"):
            assert json.loads(row.pop(name)) == line.pop(name)
        assert row == {key: "" if value is None else str(value) for key, value in line.items()}


def test_the_command_table_writes_what_there_is(folder, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    _run()
    table = folder / "run" / "results.jsonl"
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # a run that is under way
    capsys.readouterr()
    assert main(["table", "run"]) == 0
    assert (
        "3 rows written to run/results.parquet; 2 of 5 photographs are still to come"
        in capsys.readouterr().out
    )
    assert parquet.read_table(folder / "run" / "results.parquet").num_rows == 3
    assert main(["table", "run", "--out", "t.CSV"]) == 0
    assert len((folder / "t.CSV").read_text().splitlines()) == 4
    assert table.read_bytes() == b"".join(lines[:3]) + lines[3][:20]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["explain", "photos", "--table", "t.xlsx"],
            "--table is 't.xlsx'; a file that ends in .parquet or .csv",
        ),
        (["explain", "photos", "--table", "model.onnx/t.csv"], "model.onnx is not a folder"),
        (["explain", "photos", "--retry"], "--retry is for a run that is continued; --resume is needed"),
        (["table", "photos"], "photos holds no run; a folder that explain wrote"),
        (["table"], "Missing argument 'RUN'"),
    ],
)
def test_errors_come_before_any_work(folder, capsys, arguments, text):
    before = sorted(folder.rglob("*"))
    model = ["-m", "model.onnx", "--out", "run"] if arguments[0] == "explain" else []
    assert main([*arguments, *model]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("error: ")
    assert text in error
    assert sorted(folder.rglob("*")) == before


def test_without_pyarrow_the_error_names_the_extra(folder):
    code = "import sys; sys.modules['pyarrow'] = None; from dccausal.cli import main; sys.exit(main())"
    arguments = ["explain", "photos", "-m", "model.onnx", "--out", "run", "--table", "t.parquet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pyarrow is not installed; Parquet needs it: pip install "dccausal[parquet]"' in done.stderr
    assert not (folder / "run").exists()


def test_names_that_are_no_text_are_written_as_their_bytes(tmp_path):
    rows = [row_of(0, "p\udcff.png", "images/p", ImageError('p\udcff.png: "bad",\nit is'))]
    write_export(str(tmp_path / "t.csv"), rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["path"], row["message"]) == ("p\\udcff.png", 'p\\udcff.png: "bad",\nit is')
    parquet = pytest.importorskip("pyarrow.parquet")
    write_export(str(tmp_path / "t.parquet"), rows)
    (row,) = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert row["path"] == "p\\udcff.png"
    write_export(str(tmp_path / "none.parquet"), [])
    assert parquet.read_table(tmp_path / "none.parquet").column_names == list(COLUMNS)
    with pytest.raises(OptionError, match="table is 't'; a file that ends in"):
        write_export("t", rows)


# Tried again


def test_what_failed_is_tried_again_and_nothing_else(folder, capsys):
    _run()
    first = _lines(folder)
    assert [row["index"] for row in first if row["error"]] == [1, 3]
    _run("--resume")
    assert _lines(folder) == first  # without --retry nothing is
    (folder / "whole1.png").rename(folder / "photos" / "p1.png")
    before = {path: path.stat().st_mtime_ns for path in (folder / "run" / "images").rglob("*.*")}
    capsys.readouterr()
    _run("--resume", "--retry", "--table", "t.csv")
    out, err = capsys.readouterr()
    assert "3 of 5 photographs were done; 2 that failed are tried again" in err
    assert "4 of 5 photographs explained" in out
    assert "failed     1 (1 ImageError)" in out
    lines = _lines(folder)
    assert lines[:5] == first
    assert [(row["index"], row["error"]) for row in lines[5:]] in (
        [(1, None), (3, "ImageError")],
        [(3, "ImageError"), (1, None)],
    )
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert (folder / "run" / "images" / "p1" / "result.json").exists()
    with (folder / "t.csv").open(newline="") as file:
        assert [row["error"] for row in csv.DictReader(file)] == ["", "", "", "ImageError", ""]
    (folder / "whole3.png").rename(folder / "photos" / "p3.png")
    _run("--resume", "--retry", code=0)  # the latest rows have no failure
    assert [row["error"] for row in latest(_lines(folder))] == [None] * 5
    _run("--resume", "--retry", code=0)
    assert len(_lines(folder)) == 8


def test_a_run_may_be_begun_with_retry(folder):
    _run("--resume", "--retry")
    assert len(_lines(folder)) == 5


def test_the_latest_row_of_each_photograph(tmp_path):
    rows = [{"index": 2, "n": 0}, {"index": 0, "n": 1}, {"index": 2, "n": 2}]
    assert latest(rows) == [{"index": 0, "n": 1}, {"index": 2, "n": 2}]
    path = tmp_path / "results.jsonl"
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_rows(path)
    with ResultTable(path) as table:  # it is open, and may be read
        table.append({"index": 0})
        assert read_rows(path) == [{"index": 0}]
