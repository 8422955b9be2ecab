"""Named pipes, devices and sockets under the names of files: nothing waits for them, and errors name them."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal import (
    DccausalError,
    ImageError,
    ModelError,
    OnnxClassifier,
    OptionError,
    Preprocess,
    explain,
    load_photo,
)
from dccausal._shared.files import UnsuitableFileError, check_writable, read_bytes
from dccausal.cli import main
from dccausal.errors import InputError, OutputError
from dccausal.evaluation.external import ExternalResults
from dccausal.evaluation.plant import read_picture
from dccausal.evaluation.truth import read_truth
from dccausal.onnx.running.batch_size import FOLDER
from dccausal.report.truth import Truth
from dccausal.report.write import write_report
from dccausal.runs.manifest import read_manifest
from dccausal.runs.table import ResultTable, read_rows
from small_models import build

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")


@pytest.fixture(autouse=True)
def _no_waiting():
    """Whoever waits for a pipe is interrupted; there is nobody who would write to it."""

    def give_up(*_):
        raise TimeoutError("waited for a special file")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path / "pipe.png"


OPENED = {
    "photo": (load_photo, ImageError),
    "model": (OnnxClassifier, ModelError),
    "labels": (lambda path: OnnxClassifier(build(), labels=path, device="cpu"), OptionError),
    "preprocess": (Preprocess.of, OptionError),
    "truth of a report": (Truth, InputError),
    "truth": (read_truth, InputError),
    "results of another program": (ExternalResults, InputError),
    "picture": (read_picture, ImageError),
    "table": (read_rows, InputError),
    "open table": (ResultTable, (InputError, OutputError)),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_is_opened_is_a_regular_file(name, pipe):
    opened, kind = OPENED[name]
    with pytest.raises(kind, match="FIFO"):
        opened(pipe)
    with pytest.raises(kind, match="device"):
        opened(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["manifest.json", "result.json"])
def test_a_report_does_not_wait_for_a_pipe(tmp_path, name):
    os.mkfifo(tmp_path / name)
    if name == "manifest.json":
        with pytest.raises(InputError, match="FIFO"):
            read_manifest(tmp_path)
        with pytest.raises(InputError, match="FIFO"):
            write_report(tmp_path)
    else:
        assert "FIFO" in write_report(tmp_path)["damaged"][0]


def test_a_baseline_is_no_pipe(pipe):
    image = np.zeros((8, 8, 3), np.uint8)
    for baseline in (str(pipe), pipe):
        with pytest.raises(DccausalError):
            explain(image, lambda images: images.mean(axis=(1, 2)), baseline=baseline)


def test_a_config_is_no_pipe(pipe, capsys):
    assert main(["explain", "x.png", "--config", str(pipe)]) == 2
    assert "FIFO" in capsys.readouterr().err


def test_a_run_goes_on_beside_pipes_devices_and_sockets(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("model.onnx").write_bytes(build())
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photos/a.png")
    os.mkfifo("photos/b.png")
    Path("photos/c.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("photos/d.png")
    Image.fromarray(pixels).save("photos/e.png")
    assert main(["explain", "photos", "-m", "model.onnx", "--out", "run", "--max-calls", "30"]) == 2
    shown = capsys.readouterr().err
    assert all(name in shown for name in ("b.png", "FIFO", "c.png", "a device", "d.png", "a socket"))
    rows = sorted(read_rows(Path("run/results.jsonl")), key=lambda row: row["index"])
    assert [row["error"] for row in rows] == [None, "ImageError", "ImageError", "ImageError", None]


def test_a_cache_that_holds_a_pipe_is_as_good_as_none(tmp_path, monkeypatch):
    monkeypatch.setenv("DCCAUSAL_CACHE", str(tmp_path))
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "on")
    OnnxClassifier(build(), preprocess="unit", device="cpu")
    (remembered,) = (tmp_path / FOLDER).iterdir()
    remembered.unlink()
    os.mkfifo(remembered)
    assert OnnxClassifier(build(), preprocess="unit", device="cpu").batch_size_reason != "remembered"


def test_a_device_is_not_replaced_by_a_result(tmp_path):
    os.mkfifo(tmp_path / "report.html")
    with pytest.raises(OutputError, match="FIFO"):
        check_writable(tmp_path, ["report.html"])
    with pytest.raises(OutputError, match="a device"):
        check_writable("/dev", ["null"])


def test_a_file_has_a_most(tmp_path):
    (tmp_path / "x").write_bytes(bytes(11))
    assert read_bytes(tmp_path / "x", 11) == bytes(11)
    with pytest.raises(UnsuitableFileError, match="more than 10 bytes"):
        read_bytes(tmp_path / "x", 10)
