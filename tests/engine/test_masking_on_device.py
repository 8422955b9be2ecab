"""
Masked images made on a device: here on the CPU provider, where the graphs must give what the host gives.

They are the graphs that CUDA runs; ``test_gpu.py`` has what needs a device.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asking import search
from dccausal import ClassifierError, OnnxClassifier, explain, explain_many
from dccausal.engine.masking.batch import Rows
from dccausal.engine.opening import backend_of
from dccausal.engine.whole_images import WholeImages
from dccausal.onnx.graph.compose import compose_graph, head_graph
from dccausal.onnx.reading.scores import ScoreKind
from dccausal.onnx.running.composing import Composer
from dccausal.onnx.running.runner import BoundEngine
from dccausal.targets import LabelTarget, rank_of
from reference import Options
from small_models import build, images, on_cpu

OPTIONS = {"profile": "paper", "partitions": 8, "grid": 8, "world": "contingency"}
CPU = ["CPUExecutionProvider"]


def composed(model, **options):
    """A classifier on the CPU whose masked images are made by the graphs."""
    classifier = OnnxClassifier(model, device="cpu", threads=1, **options)
    classifier.runner.bound_device = ("cpu", 0)
    return classifier


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["float32", "float16", "uint8", "float64"]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    channels=st.sampled_from([1, 3]),
    height=st.integers(2, 13),
    width=st.integers(2, 13),
    n=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_drawing_equals_where(dtype, layout, channels, height, width, n, share, seed):
    rng = np.random.default_rng(seed)
    shape = (channels, height, width) if layout == "NCHW" else (height, width, channels)
    image, baseline = rng.integers(0, 255, (2, 1, *shape)).astype(dtype) / np.array(7, dtype)
    image, baseline = image.astype(dtype), baseline.astype(dtype)
    masked = rng.random((n, height, width)) < share
    session = ort.InferenceSession(compose_graph(shape, layout, dtype), providers=CPU)
    bits = np.packbits(masked.reshape(n, -1), axis=1)
    (drawn,) = session.run(None, {"bits": bits, "image": image, "baseline": baseline})
    expected = np.where(np.expand_dims(masked, 1 if layout == "NCHW" else 3), baseline, image)
    assert drawn.dtype == expected.dtype
    assert drawn.tobytes() == expected.tobytes()


KINDS = [("logits", "softmax"), ("probabilities", "none"), ("sigmoid", "sigmoid"), ("binary", "sigmoid")]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize(("name", "activation"), KINDS)
def test_the_head_reads_scores_as_the_host_does(name, activation, dtype):
    rng = np.random.default_rng(3)
    n_columns = 1 if name == "binary" else 7
    # Whole numbers, so that many scores are equal.
    output = rng.integers(-2, 3, (40, n_columns, 1, 1)).astype(dtype)
    scores = ScoreKind(name, activation, "").apply(output.reshape(40, -1))
    graph = head_graph(dtype, 4, n_columns, activation, is_binary=name == "binary")
    session = ort.InferenceSession(graph, providers=CPU)
    labels = rng.integers(0, scores.shape[1], 40)
    (found,) = session.run(None, {"output": output, "labels": labels})
    np.testing.assert_allclose(found[:, 0], scores[np.arange(40), labels], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], [rank_of(scores[i : i + 1], labels[i])[0] for i in range(40)])
    assert not found[:, 2].any()


@pytest.mark.parametrize("top_k", [None, 1, 3])
def test_ranks_are_judged_like_scores(top_k):
    scores = np.random.default_rng(1).random((50, 6), dtype=np.float32)
    target = LabelTarget(4, top_k, 0.5)
    passing, own = target.judge(scores)
    again, same = target.judge_ranks(rank_of(scores, 4).astype(np.float32), scores[:, 4])
    np.testing.assert_array_equal(passing, again)
    np.testing.assert_array_equal(own, same)
    assert 0 < passing.sum() < 50


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_head_counts_scores_that_are_not_finite(bad):
    output = np.zeros((3, 4), np.float32)
    output[1, 2] = bad
    session = ort.InferenceSession(head_graph("float32", 2, 4, "none", is_binary=False), providers=CPU)
    (found,) = session.run(None, {"output": output, "labels": np.zeros(3, np.int64)})
    assert found[:, 2].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "graph",
    [
        compose_graph((3, 5, 7), "NCHW", "float32"),
        compose_graph((5, 7, 1), "NHWC", "float16"),
        head_graph("float16", 4, 10, "softmax", is_binary=False),
        head_graph("float32", 1, 1, "sigmoid", is_binary=True),
    ],
)
def test_the_graphs_are_valid(graph):
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    # CUDA has no kernels for these: they would send the batch through the host.
    assert not {node.op_type for node in model.graph.node} & {"BitShift", "BitwiseAnd", "IsInf", "NonZero"}


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_both_kinds_of_batches_are_made_and_read_the_same(dtype, layout):
    model = build(dtype=dtype, layout=layout, gain=1 / 255 if dtype == "uint8" else 1)
    classifier = on_cpu(model, preprocess="raw" if dtype == "uint8" else "unit", batch_size=3)
    on_host = backend_of(classifier)
    on_device = backend_of(composed(model, preprocess="raw" if dtype == "uint8" else "unit", batch_size=3))
    pictures = images(4, seed=2)
    host, device = on_host.batch(), on_device.batch()
    first = [backend.pair(pictures[0], pictures[1:2], 1) for backend in (on_host, on_device)]
    second = [backend.pair(pictures[2], pictures[3:], 1) for backend in (on_host, on_device)]
    size = pictures.shape[1:3]
    asked = [search(Options(height=size[0], width=size[1], partitions=9, seed=s)) for s in range(2)]
    for _ in range(3):
        parts = [
            (first, asked[0].propose(3)),
            (first, WholeImages(pictures[:1], 0)),
            (second, asked[1].propose(4)),
        ]
        answers = []
        for i, batch in enumerate((host, device)):
            rows, start = [], 0  # each about another label, three images a run
            for pair, questions in parts:
                rows.append(Rows(pair[i], questions, start, LabelTarget(len(rows), 2, 0.5)))
                start += len(questions)
            batch.mask(rows, 8)
            answers.append([*batch.answer(rows), *batch.answer(rows[1:2])])
        assert device._composed._engine.buffer.numpy().tobytes() == host._tensor.tobytes()
        for ours, theirs in zip(*answers, strict=True):
            for one, other in zip(np.atleast_2d(ours), np.atleast_2d(theirs), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "options", "lengths"),
    [
        (16, {}, {1: 2, 2: 2, 3: 4, 4: 4, 5: 8, 8: 8, 9: 16, 16: 16}),
        (12, {}, {1: 3, 3: 3, 4: 6, 7: 12, 12: 12}),
        (5, {}, {1: 5, 5: 5}),
        (4, {}, {1: 1, 2: 2, 3: 4}),
        (1, {}, {1: 1}),
        (16, {"reproducible": True}, {1: 16, 9: 16}),
    ],
)
def test_few_questions_make_a_short_run(rows, options, lengths, monkeypatch):
    classifier = on_cpu(build(), preprocess="unit", batch_size=rows, **options)
    on_device = backend_of(composed(build(), preprocess="unit", batch_size=rows, **options))
    on_host = backend_of(classifier)
    pictures = images(2, seed=4)
    size = pictures.shape[1:3]
    seen = []
    compute = BoundEngine.compute
    monkeypatch.setattr(
        BoundEngine, "compute", lambda self, start, n, where: seen.append(n) or compute(self, start, n, where)
    )
    made = [(backend.batch(), backend.pair(pictures[0], pictures[1:], 1)) for backend in (on_device, on_host)]
    for n, length in lengths.items():
        asked = search(Options(height=size[0], width=size[1], partitions=30, seed=n)).propose(n)
        assert len(asked) == n
        answers = []
        for batch, pair in made:
            parts = [Rows(pair, asked, 0, LabelTarget(1, 2, 0.5))]
            batch.mask(parts, rows)
            answers.append(batch.answer(parts)[0])
        assert seen.pop() == length
        assert not seen
        np.testing.assert_array_equal(answers[0][0], answers[1][0])
        np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-6)


def content(explanation):
    stats = explanation.statistics
    return (
        explanation.heatmap.tobytes(),
        explanation.kept.tobytes(),
        stats["model_calls"],
        explanation.outcome,
    )


@pytest.mark.parametrize(
    "name",
    [
        "needs_four_corners",
        "non_monotone",
        "nhwc",
        "float16",
        "uint8_nhwc",
        "fixed_batch_4",
        "fixed_batch_1_merge",
        "probabilities",
        "multi_label",
        "multi_label_logits",
        "binary",
        "classes_1001",
    ],
)
def test_explanations_are_the_hosts(name, planted):
    written = planted(name)
    expected = content(explain(written.image, OnnxClassifier(written.path, device="cpu"), **OPTIONS))
    for options in ({}, {"batch_size": 5}, {"batch_size": 64, "in_flight": 3}):
        classifier = composed(written.path)
        assert content(explain(written.image, classifier, **OPTIONS, **options)) == expected
        assert classifier.composer is not None


def test_many_images_share_the_devices_batches(planted):
    written = planted("needs_a_and_b")
    rng = np.random.default_rng(0)
    noise = [rng.integers(80, 120, written.image.shape, dtype=np.uint8) for _ in range(5)]
    pictures = [np.where(written.pixels("AB")[..., None], written.image, n) for n in noise]
    expected = [content(explain(p, OnnxClassifier(written.path, device="cpu"), **OPTIONS)) for p in pictures]
    found = dict(explain_many(pictures, composed(written.path), batch_size=32, **OPTIONS))
    assert [content(found[i]) for i in range(5)] == expected


def test_scores_that_are_not_finite_are_said_as_on_the_host(planted):
    written = planted("nan_scores")
    texts = []
    for classifier in (OnnxClassifier(written.path, device="cpu", threads=1), composed(written.path)):
        with pytest.raises(ClassifierError) as caught:
            explain(written.image, classifier, **OPTIONS)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_a_device_that_fails_is_not_used(caplog, planted):
    """This build of ONNX Runtime may have no such device; the search then goes through the host's memory."""
    written = planted("needs_a")
    classifier = OnnxClassifier(written.path, device="cpu")
    classifier.runner.bound_device = ("cuda", 99)
    with caplog.at_level(logging.WARNING, "dccausal"):
        found = explain(written.image, classifier, **OPTIONS)
    assert found.outcome == "minimal"
    assert classifier.runner.bound_device is None
    assert "masked images are made on the host" in caplog.text


def test_a_question_is_one_bit_a_pixel(planted):
    composer = Composer(composed(planted("needs_a").path).runner)
    assert composer.n_mask_bytes == 64 * 64 / 8
    assert composer.agrees()


MEMORY = """
import dataclasses, logging, sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
import onnxruntime as ort
from dccausal import ClassifierError, OnnxClassifier, explain

device = ("cpu", 0) if sys.argv[4] == "composed" else None
expected = explain(sys.argv[5], OnnxClassifier(sys.argv[3], device="cpu"), partitions=8, grid=8)
memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"max_mem": int(sys.argv[6]), "arena_extend_strategy": 1}))
options = ort.SessionOptions()
options.add_session_config_entry("session.use_env_allocators", "1")
options.log_severity_level = 4
runs = 2 if sys.argv[4] == "at once" else 1
classifier = OnnxClassifier(sys.argv[3], device="cpu", batch_size=37, threads=runs, many=True)
assert classifier.runs_at_once == runs
runner = classifier.runner
narrow = ort.InferenceSession(sys.argv[3], options, providers=["CPUExecutionProvider"])
runner.opened = dataclasses.replace(runner.opened, session=narrow)
runner.bound_device = device
runner._engine = None
try:
    found = explain(sys.argv[5], classifier, partitions=8, grid=8)
except ClassifierError as error:
    sys.exit(str(error))
assert (classifier.composer is not None) == (device is not None)
# Several runs at once share the memory, and find out only by trying how much the others take.
assert runner.rows == 4 if runs == 1 else runner.rows <= 4, runner.rows
assert found.heatmap.tobytes() == expected.heatmap.tobytes()
assert found.kept.tobytes() == expected.kept.tobytes()
assert found.statistics["model_calls"] == expected.statistics["model_calls"]
"""


def run_with_memory(written, kind, n_bytes):
    """In a process of its own, whose arena holds so much: the model needs 256 KiB an image."""
    here = str(Path(__file__).parent)
    files = [str(written.path), kind, str(written.photo)]
    command = [sys.executable, "-c", MEMORY, here, here, *files, str(n_bytes)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["host", "composed", "at once"])
def test_too_little_memory_halves_the_batch_and_changes_no_result(kind, planted):
    run = run_with_memory(planted("needs_a_and_b"), kind, 2 << 20)
    assert run.returncode == 0, run.stderr
    assert "not enough memory for 37 images a run; going on with 18" in run.stderr


@pytest.mark.parametrize("kind", ["host", "composed"])
def test_too_little_memory_for_a_single_image_is_said(kind, planted):
    run = run_with_memory(planted("needs_a_and_b"), kind, 128 << 10)
    assert run.returncode == 1
    assert "the model failed on 1 images on cpu" in run.stderr
