"""Evaluations that are killed, interrupted, or lose what they need."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from dccausal.cli.app import main
from dccausal.errors import DeviceError
from dccausal.evaluation import run as evaluation_run
from dccausal.runs.table import ResultTable
from evaluations import METHOD, arguments_of, make, rows_of, said_by, timeless

RUN = "import sys; from dccausal.cli import main; sys.exit(main())"


def _process(cwd, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
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
    make(tmp_path, planted, 12, damaged=(3, 9))
    arguments = arguments_of("--sheet", 2, "--no-plots", methods=f"{METHOD},random:grid=8")
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
    assert timeless(tmp_path / "run") == timeless(tmp_path / "calm")
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
    make(tmp_path, planted, 24)
    process = _process(tmp_path, *arguments_of("--no-plots", methods="dc-causal:partitions=4096:grid=8"))
    while not (tmp_path / "run" / "evaluation.jsonl").exists():
        time.sleep(0.01)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command with --resume continues" in " ".join(err.split())
    assert "Traceback" not in err
    assert all(row["outcome"] == "minimal" for row in rows_of(tmp_path / "run"))


def test_a_device_that_is_gone_stops_the_run_and_is_nobodys_failure(few, monkeypatch, capsys):
    def fail(*_, **__):
        raise DeviceError("it is gone")

    monkeypatch.setattr(evaluation_run, "explain_by", fail)
    assert main(arguments_of("--no-plots")) == 2
    assert "it is gone" in said_by(capsys)[1]
    assert rows_of(few / "run") == []


def test_a_bug_that_a_method_has_is_recorded_for_that_one(few, monkeypatch, capsys):
    explain_by = evaluation_run.explain_by

    def fail(spec, image, *more, **options):
        if spec.name == "random" and image.endswith("p00.png"):
            raise ZeroDivisionError("a bug")
        return explain_by(spec, image, *more, **options)

    monkeypatch.setattr(evaluation_run, "explain_by", fail)
    assert main(arguments_of("--no-plots", methods=f"{METHOD},random:grid=8")) == 1
    rows = {(row["file"], row["method"]): row["error"] for row in rows_of(few / "run")}
    assert rows["p00.png", "random:grid=8"] == "ZeroDivisionError"
    assert rows["p00.png", METHOD] is rows["p01.png", "random:grid=8"] is None
    assert "this is a bug in dccausal" in said_by(capsys)[1]


def test_a_run_has_one_writer(few, capsys):
    main(arguments_of("--no-plots", "--sheet", 0))
    with ResultTable(few / "run" / "evaluation.jsonl"):
        assert main(arguments_of("--no-plots", "--resume")) == 2
    assert "is being written by another process" in said_by(capsys)[1]
