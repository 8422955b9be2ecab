"""A small part of the campaign of bench/faults.py, with seeds; the whole is run by hand and leaves a record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the campaign reads /proc and forks"
)


def _campaign(part, n, seed):
    command = [sys.executable, "faults.py", "--part", part, "--n", str(n), "--seed", str(seed), "--no-record"]
    return subprocess.run(command, cwd=BENCH, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "n", "seed"), [("images", 40, 4), ("models", 30, 407), ("border", 80, 1703), ("report", 24, 2)]
)
def test_nothing_does_harm(part, n, seed):
    done = _campaign(part, n, seed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"part {part}" in done.stdout


_HARM = """
import os, sys

sys.path.insert(0, sys.argv[1])
from dccausal import ImageError
from faults.trial import Wrong, tried


def raising(error):
    raise error


def endless():
    while True:
        pass


kept = []
calls = {
    "right": lambda: "fine",
    "error": lambda: raising(ImageError("of the tree")),
    "wrong": lambda: raising(Wrong("another result")),
    "raw": lambda: 1 / 0,
    "hang": endless,
    "crash": lambda: os.kill(os.getpid(), 11),
    "memory": lambda: len(b"x" * (200 << 20)),
    "left": lambda: kept.append(os.open("/dev/null", os.O_RDONLY)),
}
for kind, call in calls.items():
    found = tried(kind, call, seconds=3, mib=100)
    assert found.kind == kind, found
"""


def test_each_kind_of_harm_is_seen():
    subprocess.run([sys.executable, "-c", _HARM, str(BENCH)], check=True, timeout=100)
