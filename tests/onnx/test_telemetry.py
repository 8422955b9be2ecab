"""ONNX Runtime's telemetry: off wherever we load it, unless the user's own variable says else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from small_models import build

# Loads a model and runs it, with every outgoing connection refused and told.
_RUN = """
import os, socket, sys
tried = []
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        tried.append(event)
sys.addaudithook(refuse)
{before}
import numpy as np
from dccausal import OnnxClassifier, explain
classifier = OnnxClassifier("model.onnx", device="cpu", preprocess="unit")
explain(np.zeros((8, 10, 3), np.uint8), classifier, max_calls=20)
assert not tried, tried
print(os.environ["ORT_DISABLE_TELEMETRY"], classifier.provenance()["runtime_telemetry"])
"""
_HOST = """
import onnxruntime
called = []
onnxruntime.disable_telemetry_events = lambda: called.append(True)
import atexit
atexit.register(lambda: print("switched off", bool(called)))
"""


def _run(folder, before="", **variables):
    (folder / "model.onnx").write_bytes(build())
    home = folder / "home"
    home.mkdir()
    environ = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    environ |= {"HOME": str(home), "DCCAUSAL_CALIBRATION": "off", **variables}
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(before=before)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1], [path for path in home.rglob("*") if path.is_file()]


def test_nothing_is_written_or_sent(tmp_path):
    lines, files = _run(tmp_path)
    assert lines == ["1 off"]
    assert files == []


def test_the_users_own_word_counts(tmp_path):
    lines, _ = _run(tmp_path, ORT_DISABLE_TELEMETRY="0")
    assert lines == ["0 user"]


@pytest.mark.parametrize(("variables", "is_called"), [({}, True), ({"ORT_DISABLE_TELEMETRY": "0"}, False)])
def test_where_a_host_loaded_the_runtime_its_events_are_switched_off(tmp_path, variables, is_called):
    lines, _ = _run(tmp_path, _HOST, **variables)
    assert lines[-1] == f"switched off {is_called}"
