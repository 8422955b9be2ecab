"""Several devices: one model, a session on each, and one queue of questions."""

from __future__ import annotations

import json
import logging
import time

import numpy as np
import pytest

from dccausal import ClassifierError, OnnxClassifier, OptionError, explain, explain_many
from dccausal.cli.app import main
from planted import plant
from several import OPTIONS, content, variations


def sessions(path, n, **options):
    return [OnnxClassifier(path, device="cpu", threads=1, **options) for _ in range(n)]


class Counting:
    """A session that counts its runs, and fails from a certain one on."""

    def __init__(self, session, fails_from=None, running=None):
        self._session, self._fails_from, self._running = session, fails_from, running
        self.n_runs = self.n_met = 0

    def run(self, names, feed):
        self.n_runs += 1
        if self._running is not None:
            self._running.add(self)
            time.sleep(0.005)
            self.n_met += len(self._running) > 1
            self._running.discard(self)
        if self._fails_from is not None and self.n_runs >= self._fails_from:
            raise RuntimeError("CUDA failure 719: unspecified launch failure")
        return self._session.run(names, feed)


def watch(classifier, **options):
    engine = classifier.runner._engine
    engine._session = Counting(engine._session, **options)
    return engine._session


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("name", ["needs_a_and_b", "non_monotone", "uint8_nhwc"])
def test_results_are_those_of_one_session(name, n, planted):
    written = planted(name)
    photos = variations(written)
    several = sessions(written.path, n)
    alone = [content(explain(photo, several[0], **OPTIONS)) for photo in photos]
    found = dict(explain_many(photos, several, **OPTIONS))
    assert [content(found[i]) for i in range(len(photos))] == alone
    assert found[0].provenance["devices"] == ["cpu"] * n
    assert found[0].statistics["model_seconds"] > 0


def test_the_sessions_run_at_the_same_time(planted):
    written = planted("needs_a_and_b")
    several = sessions(written.path, 2)
    running = set()
    counts = [watch(one, running=running) for one in several]
    found = dict(explain_many(variations(written), several, **OPTIONS))
    assert len(found) == 6
    assert all(count.n_runs > 1 for count in counts)
    assert sum(count.n_met for count in counts) > 10


def test_a_session_that_fails_is_left_out_and_no_image_suffers(planted, caplog):
    written = planted("needs_a_and_b")
    photos = variations(written)
    several = sessions(written.path, 2)
    expected = [content(explain(photo, several[0], **OPTIONS)) for photo in photos]
    broken = watch(several[1], fails_from=4)
    with caplog.at_level(logging.WARNING, "dccausal"):
        found = dict(explain_many(photos, several, **OPTIONS))
    assert [content(found[i]) for i in range(len(photos))] == expected
    assert "is left out from now on" in caplog.text
    assert "CUDA failure 719" in caplog.text
    assert broken.n_runs <= 6  # the one that failed, and what was in the making by then


def test_what_fails_on_every_session_is_the_image_s_own_error(planted):
    written = planted("nan_scores")
    several = sessions(written.path, 2)
    with pytest.raises(ClassifierError) as caught:
        explain(written.image, several[0], **OPTIONS)
    found = dict(explain_many([written.image, written.image], several, **OPTIONS))
    assert all(isinstance(found[i], ClassifierError) for i in range(2))
    assert "NaN or infinite" in str(caught.value)
    assert "NaN or infinite" in str(found[0])


def test_all_sessions_failing_ends_every_image_with_the_error(planted):
    written = planted("needs_a_and_b")
    several = sessions(written.path, 2)
    for one in several:
        watch(one, fails_from=3)
    found = dict(explain_many(variations(written, 4), several, **OPTIONS))
    assert len(found) == 4
    assert all("CUDA failure 719" in str(error) for error in found.values())


def test_ctrl_c_hands_out_what_is_known(planted):
    written = planted("needs_four_corners")
    n_told = 0

    def interrupt(_):
        nonlocal n_told
        n_told += 1
        if n_told == 20:
            raise KeyboardInterrupt

    several = sessions(written.path, 2)
    options = {**OPTIONS, "partitions": 30, "in_flight_images": 4, "batch_size": 8}
    found = dict(explain_many([written.image] * 4, several, progress=interrupt, **options))
    assert found
    assert all(one.statistics["model_calls"] > 0 for one in found.values())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda one, other: [one, other], "differ in sha256"),
        (lambda one, _: [one, plant("needs_a").scores], "several have to be OnnxClassifiers"),
        (lambda one, _: [one, OnnxClassifier(one.path, device="cpu", preprocess="imagenet")], "preprocess"),
        (lambda _one, _other: [], "an empty sequence"),
    ],
)
def test_only_one_model_may_share(make, text, planted):
    one, other = (OnnxClassifier(planted(name).path, device="cpu") for name in ("needs_a", "a_or_b"))
    with pytest.raises(OptionError, match=text):
        explain_many([], make(one, other), **OPTIONS)


def test_a_run_is_shared_by_the_devices_named(planted, tmp_path, capsys):
    written = planted("needs_a_and_b")
    folder = tmp_path / "photos"
    folder.mkdir()
    from PIL import Image

    for i, photo in enumerate(variations(written, 3)):
        Image.fromarray(np.ascontiguousarray(photo)).save(folder / f"{i}.png")
    arguments = ["explain", str(folder), "--model", str(written.path), "--partitions", "4", "--grid", "8"]
    results = {}
    for device in ("cpu", "cpu,cpu"):
        out = tmp_path / device
        assert main([*arguments, "--device", device, "--out", str(out)]) == 0
        results[device] = [np.load(out / "images" / str(i) / "heatmap.npy").tobytes() for i in range(3)]
    assert results["cpu"] == results["cpu,cpu"]
    assert "shared by cpu, cpu" in capsys.readouterr().err
    rows = [json.loads(line) for line in (tmp_path / "cpu,cpu" / "results.jsonl").read_text().splitlines()]
    assert sorted(row["index"] for row in rows) == [0, 1, 2]
