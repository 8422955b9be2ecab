"""Runs of the model: several at once, of one size where that is wanted, and the size found out by trying."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dccausal import ClassifierError, OnnxClassifier, OptionError, explain
from dccausal.onnx.running.batch_size import FOLDER, calibrate, choose, measure
from dccausal.onnx.running.device import CPU, CUDA, choose_device
from dccausal.onnx.running.runtime import Arrangement, arrange
from small_models import build, images, on_cpu

OPTIONS = {"profile": "paper", "partitions": 8, "grid": 8, "world": "contingency"}


def content(found):
    return (found.heatmap.tobytes(), found.kept.tobytes(), found.statistics["model_calls"])


# Several at once


@pytest.mark.parametrize(
    ("threads", "arrangement"),
    [(1, (1, 1)), (2, (1, 2)), (3, (3, 1)), (8, (8, 1)), (9, (8, 2)), (64, (8, 57))],
)
def test_threads_get_runs_of_their_own(threads, arrangement):
    assert arrange(threads) == arrangement


def test_two_cores_have_a_run_each_where_there_is_always_enough_to_ask():
    assert arrange(2, is_full=True) == (2, 1)
    assert on_cpu(build(), preprocess="unit", threads=2).runs_at_once == 1
    assert on_cpu(build(), preprocess="unit", threads=2, many=True).runs_at_once == 2
    assert on_cpu(build(), preprocess="unit", threads=2, reproducible=True).runs_at_once == 2


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 29])
def test_runs_at_once_answer_in_the_order_of_the_images(threads, rows, n):
    classifier = on_cpu(build(), preprocess="unit", threads=threads, batch_size=rows, many=True)
    alone = on_cpu(build(), preprocess="unit", threads=1, batch_size=1)
    assert classifier.runs_at_once == threads
    given = images(n)
    np.testing.assert_allclose(classifier(given), alone(given), atol=1e-6)
    cut = classifier.runner._cut(n)
    assert [at for start, stop in cut for at in range(start, stop)] == list(range(n))
    sizes = [stop - start for start, stop in cut]
    assert max(sizes, default=0) <= rows
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert len(sizes) >= min(n, threads)


class Gathering:
    """A session of which each run waits until two have come, so that it ends only if they run at once."""

    def __init__(self, session):
        self._session, self._meeting = session, threading.Barrier(2, timeout=30)

    def run(self, *arguments):
        self._meeting.wait()
        return self._session.run(*arguments)


def test_a_batch_is_cut_among_the_cores():
    classifier = on_cpu(build(), preprocess="unit", threads=2, batch_size=4, many=True)
    expected = classifier(images(6))
    engine = classifier.runner._engine
    engine._session = Gathering(engine._session)
    np.testing.assert_allclose(classifier(images(6)), expected, atol=1e-6)


class Slow:
    """A session that takes a while for each image, as a large model does."""

    def __init__(self, session, seconds):
        self._session, self._seconds = session, seconds

    def run(self, names, feed):
        time.sleep(self._seconds * len(next(iter(feed.values()))))
        return self._session.run(names, feed)


class Faulty:
    """A session that fails on images of one value once another run has begun, and is slow on others."""

    def __init__(self, session):
        self._session, self.n_running = session, 0
        self._begun = threading.Event()

    def run(self, names, feed):
        (tensor,) = feed.values()
        if tensor[0, 0, 0, 0] == 1:
            self._begun.wait(30)
            raise RuntimeError("no such kernel")
        self.n_running += 1
        self._begun.set()
        time.sleep(0.2)
        self.n_running -= 1
        return self._session.run(names, feed)


def test_an_error_of_runs_at_once_is_raised_when_all_have_ended():
    """Since the caller writes to the tensor again afterwards."""
    classifier = on_cpu(build(), preprocess="unit", threads=2, batch_size=1, many=True)
    engine = classifier.runner._engine
    engine._session = Faulty(engine._session)
    tensor = np.zeros((2, 3, *classifier.size), np.float32)
    tensor[0] = 1
    with pytest.raises(ClassifierError, match="failed on 1 images on cpu: no such kernel"):
        classifier.run(tensor)
    assert engine._session.n_running == 0
    assert len(classifier.run(tensor[1:])) == 1


@pytest.mark.parametrize("name", ["needs_a_and_b", "a_or_b", "float16", "uint8_nhwc", "fixed_batch_4"])
def test_an_explanation_is_the_same_bytes_for_any_arrangement(name, planted):
    written = planted(name)
    expected = None
    for threads, batch_size, in_flight in [(1, 1, 1), (2, 1, 2), (2, 4, 3), (4, 3, 2), (9, 2, 2)]:
        rows = "auto" if name == "fixed_batch_4" else batch_size
        classifier = OnnxClassifier(written.path, device="cpu", threads=threads, batch_size=rows)
        found = content(explain(written.image, classifier, in_flight=in_flight, **OPTIONS))
        expected = expected or found
        assert found == expected


def test_time_in_the_model_counts_once_where_runs_overlap(planted):
    written = planted("needs_a_and_b")
    classifier = OnnxClassifier(written.path, device="cpu", threads=4, batch_size=1)
    engine = classifier.runner._engine
    engine._session = Slow(engine._session, 0.003)
    start = time.perf_counter()
    found = explain(written.image, classifier, in_flight=4, **OPTIONS)
    assert 0 < found.statistics["model_seconds"] < time.perf_counter() - start


# Reproducible


def test_reproducible_scores_do_not_depend_on_what_else_is_asked():
    classifier = on_cpu(build(size=(16, 16), classes=50), preprocess="unit", reproducible=True, threads=2)
    given = images(23, (16, 16))
    expected = classifier(given)
    shapes = set()
    engine = classifier.runner._engine
    run = engine._session.run

    class Watched:
        def run(self, names, feed):
            shapes.update(len(tensor) for tensor in feed.values())
            return run(names, feed)

    engine._session = Watched()
    for n in (1, 2, 4, 7, 22):
        assert classifier(given[:n]).tobytes() == expected[:n].tobytes()
    assert shapes == {4}


def test_reproducible_is_recorded_and_kept_from_being_calibrated(planted, tmp_path, monkeypatch):
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "on")
    monkeypatch.setenv("DCCAUSAL_CACHE", str(tmp_path))
    written = planted("needs_a_and_b")
    classifier = OnnxClassifier(written.path, device="cpu", reproducible=True)
    assert (classifier.batch_size, classifier.batch_size_reason) == (4, "default")
    told = classifier.provenance()
    assert told["reproducible"] is True
    assert not list(tmp_path.iterdir())
    plain = OnnxClassifier(written.path, device="cpu", batch_size=4)
    assert plain.provenance()["reproducible"] is False
    assert content(explain(written.image, classifier, **OPTIONS)) == content(
        explain(written.image, plain, **OPTIONS)
    )


def test_reproducible_on_cuda_means_no_tf32_and_one_algorithm():
    has = [CUDA, CPU]
    (_, options), _ = choose_device(has, "cuda:1", None, reproducible=True).providers
    assert options["use_tf32"] == 0
    assert options["cudnn_conv_algo_search"] == "DEFAULT"
    (_, options), _ = choose_device(has, "cuda:1", None).providers
    assert "use_tf32" not in options
    own = choose_device(has, "auto", [(CUDA, {"device_id": 1, "use_tf32": 1}), CPU], reproducible=True)
    assert own.providers[0][1]["use_tf32"] == 0
    assert own.providers[0][1]["device_id"] == 1
    assert choose_device(has, "auto", [CUDA, CPU], reproducible=True).providers[0][1]["use_tf32"] == 0
    assert own.on_cpu.reproducible


def test_reproducible_runs_on_the_cpu_have_one_thread_each():
    assert choose_device([CPU], "cpu", None, reproducible=True).arrange(64) == Arrangement(8, 1)


# The size of a batch, found out


def calibrated(monkeypatch, folder, model=None, **options):
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "on")
    monkeypatch.setenv("DCCAUSAL_CACHE", str(folder))
    # A model this small is done with all passes long before that, on a busy machine too.
    monkeypatch.setattr("dccausal.onnx.running.batch_size._BUDGET_S", 20.0)
    return on_cpu(model or build(), preprocess="unit", threads=1, **options)


def test_the_size_is_measured_once_and_remembered(monkeypatch, tmp_path):
    first = calibrated(monkeypatch, tmp_path)
    assert first.batch_size_reason == "measured"
    assert first.provenance()["batch_size_reason"] == "measured"
    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.name.startswith(first.sha256[:16])
    known = json.loads(file.read_text())
    assert (
        known["batch_size"]
        == first.batch_size
        == choose({int(n): ms for n, ms in known["ms_an_image"].items()})
    )
    other = next(n for n in (2, 8) if n != first.batch_size)
    file.write_text(json.dumps({**known, "batch_size": other}))
    again = calibrated(monkeypatch, tmp_path)
    assert (again.batch_size, again.batch_size_reason) == (other, "remembered")
    assert again.runner.rows == other
    assert calibrated(monkeypatch, tmp_path, build(classes=7)).batch_size_reason == "measured"
    assert len(list((tmp_path / FOLDER).iterdir())) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[4]",
        b'{"batch_size": 0}',
        b'{"batch_size": true}',
        b'{"batch_size": "4"}',
        b"[" * 9000,
    ],
)
def test_a_damaged_file_is_measured_anew(content, monkeypatch, tmp_path):
    calibrated(monkeypatch, tmp_path)
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_bytes(content)
    assert calibrated(monkeypatch, tmp_path).batch_size_reason == "measured"
    assert json.loads(file.read_text())["batch_size"] >= 1
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [file.name]


def test_a_folder_that_cannot_be_written_costs_nothing(monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert calibrated(monkeypatch, tmp_path / "taken").batch_size_reason == "measured"


def test_a_number_or_the_switch_leaves_it_alone(monkeypatch, tmp_path):
    given = calibrated(monkeypatch, tmp_path, batch_size=3)
    assert (given.batch_size, given.batch_size_reason) == (3, "given")
    fixed = calibrated(monkeypatch, tmp_path, build(batch=5))
    assert (fixed.batch_size, fixed.batch_size_reason) == (5, "fixed by the model")
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "off")
    off = on_cpu(build(), preprocess="unit")
    assert (off.batch_size, off.batch_size_reason) == (4, "default")
    assert not list(tmp_path.iterdir())


def test_a_slow_model_is_left_as_it_is(tmp_path):
    classifier = on_cpu(build(), preprocess="unit", threads=1)
    engine = classifier.runner._engine
    engine._session = Slow(engine._session, 0.1)
    assert measure(classifier.runner) == {}
    assert calibrate(classifier.runner, classifier.sha256, "1", {"DCCAUSAL_CACHE": str(tmp_path)}) is None
    assert classifier.runner.rows == 4
    assert not list(tmp_path.iterdir())


def test_the_smallest_of_those_about_as_fast_is_chosen():
    assert choose({1: 1.30, 2: 1.015, 4: 1.00, 8: 1.01}) == 2
    assert choose({1: 1.30, 2: 1.10, 4: 1.00, 8: 0.90}) == 8
    assert choose({1: 1.0, 2: 1.0}) == 1
    # A run of 4 has a quarter of what passes between runs, which tells where a model is fast.
    assert choose({1: 5.0e-3, 2: 5.0e-3, 4: 5.0e-3, 8: 5.0e-3}) == 4
    assert choose({1: 1.0e-3, 4: 1.0e-3, 16: 1.0e-3}) == 16


def test_what_was_measured_changes_no_explanation(planted, monkeypatch, tmp_path):
    written = planted("needs_a_and_b")
    expected = content(explain(written.image, OnnxClassifier(written.path, device="cpu"), **OPTIONS))
    monkeypatch.setenv("DCCAUSAL_CALIBRATION", "on")
    monkeypatch.setenv("DCCAUSAL_CACHE", str(tmp_path))
    found = OnnxClassifier(written.path, device="cpu")
    assert found.batch_size_reason == "measured"
    assert content(explain(written.image, found, **OPTIONS)) == expected


def test_the_variable_is_no_option_of_the_command_line(planted, tmp_path):
    written = planted("needs_a_and_b")
    command = [sys.executable, "-m", "dccausal", "explain", str(written.photo), "--model", str(written.path)]
    command += ["--partitions", "2", "--grid", "8", "--reproducible", "--json"]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "DCCAUSAL_CALIBRATION": "off"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(run.stdout)["provenance"]["classifier"]
    assert (told["reproducible"], told["batch_size_reason"]) == (True, "default")


def test_threads_are_checked():
    with pytest.raises(OptionError, match="threads is 0"):
        on_cpu(build(), threads=0)
