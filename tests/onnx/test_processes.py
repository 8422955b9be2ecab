"""A classifier in another process than the one that loaded it: forked, spawned, or sent there."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from dccausal import ClassifierError, DeviceError, ModelError, OnnxClassifier, explain, load_photo
from small_models import build, images, on_cpu

_FORKED = """
import gc, os, signal, sys, warnings
import numpy as np
from dccausal import OnnxClassifier, explain

warnings.simplefilter("ignore")  # newer Pythons warn of forking where there are threads
model, threads, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
given = open(model, "rb").read() if "bytes" in how else model
classifier = OnnxClassifier(given, threads=threads, preprocess="unit", device="cpu", many="many" in how)
photo = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
before = explain(photo, classifier, max_calls=40)
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # ends it where it hangs
    if "use" in how:
        after = explain(photo, classifier, max_calls=40)
        assert after.heatmap.tobytes() == before.heatmap.tobytes()
    del classifier
    gc.collect()
    sys.exit(0)
status = os.waitpid(pid, 0)[1]
assert explain(photo, classifier, max_calls=40).heatmap.tobytes() == before.heatmap.tobytes()
sys.exit(abs(os.waitstatus_to_exitcode(status)))
"""

_SENT = """
import multiprocessing, sys
import numpy as np
from dccausal import OnnxClassifier, explain_many

PHOTOS = [np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8) for i in range(3)]


def explained(classifier):
    results = dict(explain_many(PHOTOS, classifier, max_calls=40))
    return [results[i] for i in range(len(PHOTOS))]


if __name__ == "__main__":
    model, how = sys.argv[1:3]
    classifier = OnnxClassifier(model, threads=2, labels=list("abcd"), preprocess="imagenet", device="cpu")
    here = explained(classifier)
    if how == "joblib":
        import joblib

        there = joblib.Parallel(n_jobs=2)(joblib.delayed(explained)(classifier) for _ in range(2))
    else:
        with multiprocessing.get_context(how).Pool(2) as pool:
            there = pool.map(explained, [classifier] * 2)
    for results in there:
        for one, other in zip(here, results, strict=True):
            assert one.heatmap.tobytes() == other.heatmap.tobytes()
            assert one.name == other.name and not other.heatmap.flags.writeable
            for key in ("batch_size", "batch_size_reason", "model_sha256", "preprocess"):
                assert one.provenance["classifier"][key] == other.provenance["classifier"][key], key
"""


def _run(script, tmp_path, *arguments):
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "script.py", *map(str, arguments)]
    # With its telemetry on, a forked child that has only imported ONNX Runtime never ends.
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("how", ["use", "drop", "use-many", "use-bytes"])
def test_a_forked_child_opens_the_model_anew(tmp_path, threads, how):
    """Threads of the parent are not there in the child; waiting for them, or closing what has them, would hang."""
    (tmp_path / "model.onnx").write_bytes(build())
    _run(_FORKED, tmp_path, "model.onnx", threads, how)


@pytest.mark.parametrize("how", ["use", "use-bytes"])
def test_a_forked_child_frees_a_fixed_batch_anew(tmp_path, how):
    (tmp_path / "model.onnx").write_bytes(build(batch=1))
    _run(_FORKED, tmp_path, "model.onnx", 3, how)


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork", "joblib"])
def test_workers_are_sent_the_classifier_and_send_explanations_back(tmp_path, how):
    if how == "joblib":
        pytest.importorskip("joblib")
    (tmp_path / "model.onnx").write_bytes(build())
    _run(_SENT, tmp_path, "model.onnx", how)


@pytest.mark.parametrize(
    "options", [{}, {"labels": list("abcd"), "scores": "logits", "threads": 3, "many": True}]
)
@pytest.mark.parametrize("batch", ["batch", 1, 6])
def test_a_pickled_classifier_is_the_same(options, batch):
    classifier = on_cpu(build(batch=batch), preprocess="unit", **options)
    for other in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):  # noqa: S301
        assert other.provenance() == classifier.provenance()
        np.testing.assert_array_equal(other(images(7)), classifier(images(7)))
        assert other.names == classifier.names


def test_a_model_that_was_replaced_is_not_opened_in_its_place(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(build())
    classifier = OnnxClassifier(path, preprocess="unit", device="cpu")
    sent = pickle.dumps(classifier)
    path.write_bytes(build(gain=2.0))
    with pytest.raises(ModelError, match="has changed since it was loaded"):
        pickle.loads(sent)  # noqa: S301
    classifier.runner.left_behind()
    with pytest.raises(ClassifierError, match="has changed since it was loaded"):
        classifier(images(1))
    path.unlink()
    with pytest.raises(ModelError, match="does not exist"):
        pickle.loads(sent)  # noqa: S301


def test_a_device_cannot_be_shared_with_a_forked_process():
    classifier = on_cpu(build(), preprocess="unit")
    classifier.runner._device = "cuda:0"
    classifier.runner.left_behind()
    with pytest.raises(DeviceError, match="cuda:0 before this process was forked"):
        classifier(images(1))


def test_an_unpickled_explanation_is_as_it_was(tmp_path):
    photo = load_photo(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    explanation = explain(photo, on_cpu(build(), preprocess="unit"), max_calls=40)
    for other in (pickle.loads(pickle.dumps(explanation)), copy.deepcopy(explanation)):  # noqa: S301
        for name in ("heatmap", "kept", "image", "baseline"):
            array = getattr(other, name)
            assert array.tobytes() == getattr(explanation, name).tobytes()
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0] = 0
        assert other.provenance == explanation.provenance
        assert other.save(tmp_path).joinpath("result.json").exists()
