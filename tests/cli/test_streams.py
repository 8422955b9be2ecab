"""Standard output and error that are closed, or on a full disk: files are written all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.display import BarDisplay
from dccausal.cli.streams import Streams
from dccausal.cli.terminal import Terminal
from small_models import build

ROOT = Path(__file__).parents[2]
_FULL = "standard output cannot be written (No space left on device)"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(build())
    (tmp_path / "photos").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path


def _run(folder, command):
    script = 'dccausal() { "$PYTHON" -m dccausal "$@" --device cpu --threads 1; }; ' + command
    environment = {**os.environ, "PYTHON": sys.executable, "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(
    ("streams", "code", "says"),
    [
        ("> /dev/full", 1, _FULL),
        ("--json > /dev/full", 1, _FULL),
        ("2> /dev/full", 0, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("> /dev/full 2> /dev/full", 1, ""),
        ("> /dev/full 2>&-", 1, ""),
    ],
)
@pytest.mark.parametrize("photos", ["photos", "photos/a.png photos/b.png"])
def test_results_are_written_all_the_same(folder, streams, code, says, photos):
    done = _run(folder, f"dccausal explain {photos} -m model.onnx --max-calls 25 --out out {streams}")
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "bug" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert sorted(path.parent.name for path in folder.glob("out/**/result.json")) == ["a", "b"]
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["--help", "--version", "inspect model.onnx"])
def test_commands_that_only_show_something_fail_when_they_cannot(folder, command):
    script = f'"$PYTHON" -m dccausal {command}'
    assert _run(folder, f"{script} > /dev/full").returncode == 1
    assert _run(folder, f"{script} >&- 2>&-").returncode == 0
    assert _run(folder, f"{script} 2> /dev/full").returncode == 0


def test_a_file_does_not_get_the_number_of_a_closed_stream(folder):
    """What C code writes to standard error would end up in the first file that was opened."""
    (folder / "x.py").write_text(
        "import os\nfrom dccausal.cli.streams import Streams\n"
        "with Streams(), open('n', 'w') as file:\n    file.write(str(os.open('x.py', os.O_RDONLY)))\n"
    )
    _run(folder, '"$PYTHON" x.py <&- >&- 2>&-')
    assert int((folder / "n").read_text()) > 2


def test_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with Streams() as streams:
        sys.stdout.write("")
    assert (sys.stdout, sys.stderr) == before
    assert streams.exit_code(0) == 0


def test_progress_off_a_terminal_says_only_what_is_new(capsys):
    display = BarDisplay(Terminal())
    for text in ("0 of 9", "0 of 9", "0 of 9", "1 of 9", "1 of 9"):
        display._last_line -= 100
        display._note_now_and_then(text)
    assert capsys.readouterr().err.split("\n") == ["0 of 9", "1 of 9", ""]


def test_the_demo_has_what_a_table_needs():
    """``dccausal table RUN`` writes Parquet unless told otherwise."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "parquet" in extras["demo"][0]


@pytest.mark.parametrize("width", [60, 100, 150])
def test_help_is_as_wide_as_the_terminal(folder, width):
    done = _run(folder, f'COLUMNS={width} "$PYTHON" -m dccausal explain --help')
    assert max(map(len, done.stdout.splitlines())) == width
    assert "Method (experts)" in done.stdout
