"""Who begins a run, where it writes, and that neither a manifest nor a link leads it elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal.cli import main
from dccausal.errors import InputError, OutputError
from dccausal.runs.images import plan_folders
from dccausal.runs.manifest import is_own_folder, read_manifest, write_manifest
from dccausal.runs.table import ResultTable
from small_models import build

_FAST = ("-m", "model.onnx", "--max-calls", "25", "--device", "cpu", "--threads", "1")

# Twelve times two processes begin one run at the same moment, with different seeds.
_RACE = """
import json, os, sys, time
from pathlib import Path
import dccausal.cli.commands.explain, dccausal.cli.commands.folder, onnxruntime
from dccausal.cli import main

wrong = []
for i in range(12):
    begin, children = time.time() + 0.05, []
    for seed in ("1", "2"):
        children.append(os.fork())
        if children[-1] == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            time.sleep(max(0, begin - time.time()))
            more = ["--resume"] if i % 2 else []
            os._exit(main(["explain", "photos", "--out", f"run{i}", "--quiet", "--seed", seed, *more, *sys.argv[1:]]))
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    run = Path(f"run{i}")
    seed = json.loads((run / "manifest.json").read_text())["options"]["seed"]
    found = {json.loads(p.read_text())["provenance"]["seed"] for p in run.glob("images/*/result.json")}
    rows = [json.loads(line)["index"] for line in (run / "results.jsonl").read_text().splitlines()]
    if codes != [0, 2] or found != {seed} or rows != [0, 1]:
        wrong.append((codes, seed, found, rows))
sys.exit(str(wrong) if wrong else 0)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(build())
    Path("photos").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{name}.png")
    return tmp_path


@pytest.fixture
def run(here):
    """A run of which the second photograph is still to come."""
    assert _explain() == 0
    table = Path("run/results.jsonl")
    table.write_text(table.read_text().splitlines(keepends=True)[0])
    return here / "run"


def _explain(*more):
    return main(["explain", "photos", "--out", "run", "--quiet", *_FAST, *more])


def _edit(run, **changes):
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("sha256")
    manifest["images"][1].update(changes)
    path.write_text(json.dumps(manifest))


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_of_two_processes_one_begins_the_run():
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _RACE, *_FAST], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_run_that_was_begun_meanwhile_is_not_begun_again(run):
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="another process has begun meanwhile"):
        write_manifest(run, read_manifest(run))
    assert (run / "manifest.json").read_bytes() == before


def test_a_changed_manifest_is_refused(run, capsys):
    path = run / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    assert _explain("--resume", "--seed", "7") == 2
    assert "was changed after the run began" in capsys.readouterr().err
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize(
    "folder", ["../victim", "{out}/victim", "images/../../victim", "images", "", None, ["images/b"]]
)
def test_results_go_nowhere_but_into_the_run(run, folder, capsys):
    victim = run.parent / "victim"
    victim.mkdir()
    (victim / "result.json").write_text("mine")
    _edit(run, folder=folder.format(out=run.parent) if isinstance(folder, str) else folder)
    assert _explain("--resume") == 2
    assert "images/NAME" in capsys.readouterr().err
    assert [path.name for path in victim.iterdir()] == ["result.json"]
    assert (victim / "result.json").read_text() == "mine"


def test_two_photographs_have_two_folders(run):
    _edit(run, folder="images/a")
    with pytest.raises(InputError, match="two photographs one folder"):
        read_manifest(run)


@pytest.mark.parametrize("linked", ["images", "images/b"])
@pytest.mark.parametrize("is_new", [True, False])
def test_links_lead_nowhere(run, linked, is_new, capsys):
    victim = run.parent / "victim"
    shutil.copytree(run / "images" / "b", victim if linked == "images/b" else victim / "b")
    shutil.rmtree(run if is_new else run / linked)
    (run / linked).parent.mkdir(parents=True, exist_ok=True)
    (run / linked).symlink_to(victim)
    before = {path: path.read_bytes() for path in victim.rglob("*") if path.is_file()}
    assert _explain("--resume") == 2
    assert f"run/{linked} is a link" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in victim.rglob("*") if path.is_file()} == before


def test_a_linked_table_is_not_appended_to(tmp_path):
    (tmp_path / "victim").write_text("")
    (tmp_path / "results.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="it is a link"):
        ResultTable(tmp_path / "results.jsonl")


def test_names_that_are_no_folder_get_one(tmp_path):
    names = [
        path.name for path in plan_folders(["...png", "..png", "x/...jpg", "a\\b.png", "C:x.png"], tmp_path)
    ]
    assert len(set(names)) == len(names)
    assert all(is_own_folder(f"images/{name}") for name in names)


def test_a_deep_line_in_a_table_is_a_damaged_one(run, capsys):
    with (run / "results.jsonl").open("a") as file:
        file.write("[" * 100_000 + "\n" + "{}\n")
    for command in (
        ["explain", "photos", "--out", "run", "--resume", *_FAST],
        ["table", "run"],
        ["report", "run"],
    ):
        assert main(command) == 2
        assert "damaged" in capsys.readouterr().err
