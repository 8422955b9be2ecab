"""What needs a CUDA device: that it masks and reads what the host does. Skipped where there is none."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from dccausal import DeviceError, OnnxClassifier, explain, explain_many
from small_models import build

CUDA = "CUDAExecutionProvider"


def is_cuda_there():
    if CUDA not in ort.get_available_providers():
        return False
    try:
        OnnxClassifier(build(), device="cuda")
    except DeviceError:
        return False
    return True


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not is_cuda_there(), reason="there is no CUDA here"),
]

NAMES = ["needs_a_and_b", "nhwc", "float16", "uint8_nhwc", "fixed_batch_4", "multi_label", "classes_1001"]
OPTIONS = {"profile": "paper", "partitions": 8, "grid": 8, "world": "contingency"}


def content(explanation):
    stats = explanation.statistics
    return (
        explanation.heatmap.tobytes(),
        explanation.kept.tobytes(),
        stats["model_calls"],
        explanation.outcome,
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_device_masks_bit_for_bit_what_the_host_does(name, planted):
    composer = OnnxClassifier(planted(name).path, device="cuda").composer
    assert composer is not None
    assert composer.agrees()


@pytest.mark.parametrize("name", NAMES)
def test_explanations_are_the_cpus(name, planted):
    """The planted classifiers answer the same on any device: their numbers are far from each other."""
    written = planted(name)
    expected = content(explain(written.image, OnnxClassifier(written.path, device="cpu"), **OPTIONS))
    classifier = OnnxClassifier(written.path, device="cuda")
    assert content(explain(written.image, classifier, **OPTIONS)) == expected
    assert classifier.composer is not None
    found = dict(explain_many([written.image] * 5, classifier, **OPTIONS))
    assert [content(found[i]) for i in range(5)] == [expected] * 5


def test_the_small_graphs_run_on_the_device_alone(planted):
    composer = OnnxClassifier(planted("classes_1001").path, device="cuda").composer
    for session in (composer.masking, composer.head("tensor(float)", 2)):
        assert session.get_providers()[0] == CUDA


def test_too_little_memory_halves_the_batch(planted):
    """An arena of 256 MiB, and 256 images of 768 KiB each with several times as much of activations."""
    written = planted("needs_a", size=(256, 256))
    options = {"device_id": 0, "gpu_mem_limit": 256 << 20, "arena_extend_strategy": "kSameAsRequested"}
    narrow = OnnxClassifier(written.path, providers=[(CUDA, options)], batch_size=256)
    expected = content(explain(written.image, OnnxClassifier(written.path, device="cpu"), **OPTIONS))
    assert content(explain(written.image, narrow, **OPTIONS)) == expected
    assert narrow.runner.rows < 256
    assert np.isfinite(narrow(written.image[None])).all()
