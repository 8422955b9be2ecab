"""The whole job, with real ONNX sessions and callables of known causal structure."""

from __future__ import annotations

import doctest
import importlib
import signal
import threading

import numpy as np
import pytest

import reference
from dccausal import ClassifierError, ImageError, OnnxClassifier, OptionError, Profile, explain
from make_planted import plant

MONOTONE = [
    "needs_a",
    "needs_a_and_b",
    "needs_four_corners",
    "a_or_b",
    "any_of_four",
    "two_of_three",
    "colour_anywhere",
]
PROFILES = [
    Profile(),
    Profile(world="contingency", weighting="leaf", refine_equal=True),
    Profile(survey=2),
    Profile.of("default"),
    Profile.of("fast"),
]


def scene(name):
    return plant(name)


def is_one_of(kept, explanations):
    return any(np.array_equal(kept, explanation) for explanation in explanations)


@pytest.mark.parametrize("profile", PROFILES, ids=["intact", "contingency", "survey", "default", "fast"])
@pytest.mark.parametrize("name", MONOTONE)
def test_planted_causes_are_explained_exactly(name, profile):
    planted = scene(name)
    found = explain(planted.image, planted.scores, profile=profile, grid=8)
    assert found.outcome == "minimal"
    assert found.label == planted.label
    assert is_one_of(found.kept, planted.explanations)
    inside = planted.pixels(planted.rule.letters if not planted.rule.anywhere else "AB")
    if (
        name not in {"a_or_b", "any_of_four", "two_of_three", "colour_anywhere"}
        or profile.world == "contingency"
    ):
        assert found.heatmap[inside].mean() > 2 * found.heatmap[~inside].mean()


def seed_that_separates(boxes):
    """A seed whose first cut leaves each box whole, in a superpixel of its own."""
    for seed in range(10_000):
        pieces = reference.cut((0, 0, 64, 64), reference.root_path(seed, 0), 1)
        homes = [
            [i for i, (t, x, b, r) in enumerate(pieces) if t <= y0 and y1 <= b and x <= x0 and x1 <= r]
            for x0, y0, x1, y1 in boxes
        ]
        if all(homes) and len({home[0] for home in homes}) == len(boxes):
            return seed
    raise AssertionError("no seed separates the boxes")


@pytest.mark.parametrize("name", [*MONOTONE, "non_monotone"])
def test_responsibilities_are_those_known_by_hand(name):
    planted = scene(name)
    whole = Profile(weighting="leaf", min_side=1.0, partitions=1)
    seed = seed_that_separates(list(planted.boxes.values()))
    found = explain(planted.image, planted.scores, profile=whole, seed=seed)
    responsibility = found.heatmap * found.statistics["heatmap_peak"]
    for letter, by_hand in planted.rule.responsibility.items():
        np.testing.assert_allclose(responsibility[planted.boxes[letter].slices], by_hand, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "needs_a_and_b",
        "a_or_b",
        "nhwc",
        "float16",
        "uint8",
        "fixed_batch_1_reshape",
        "fixed_batch_4",
        "probabilities",
        "classes_1001",
    ],
)
def test_onnx_models_are_explained_like_their_functions(name, planted):
    written = planted(name)
    found = explain(written.photo, written.path, grid=8)
    assert found.outcome == "minimal"
    assert found.label == written.label
    assert is_one_of(found.kept, written.explanations)
    assert found.source == str(written.photo)


def test_every_block_of_the_explanation_is_needed():
    planted = scene("needs_four_corners")
    found = explain(planted.image, planted.scores, grid=16, partitions=10)
    assert planted.is_kept(found.kept)
    for row in range(0, 64, 4):
        for column in range(0, 64, 4):
            smaller = found.kept.copy()
            smaller[row : row + 4, column : column + 4] = False
            if not np.array_equal(smaller, found.kept):
                assert not planted.is_kept(smaller)


@pytest.mark.parametrize("name", ["a_or_b", "non_monotone"])
def test_the_result_is_the_same_bytes_however_it_is_computed(name, planted):
    written = planted(name)
    results = set()
    for batch_size, threads, in_flight in [(1, 1, 1), (7, 2, 1), (64, 8, 4), (7, 8, 4), (None, None, None)]:
        classifier = OnnxClassifier(written.path, threads=1)
        found = explain(
            written.image,
            classifier,
            batch_size=batch_size,
            threads=threads,
            in_flight=in_flight,
            partitions=12,
            grid=8,
            world="contingency",
        )
        results.add((found.heatmap.tobytes(), found.kept.tobytes(), found.statistics["model_calls"]))
    assert len(results) == 1


def test_masking_that_changes_nothing_is_said():
    planted = scene("always")
    found = explain(planted.image, planted.scores)
    assert found.outcome == "trivial"
    assert found.size == 0
    assert not found.heatmap.any()
    assert "stays with everything masked" in found.notes[0]
    assert found.statistics["model_calls"] == 3


def test_a_label_that_never_comes_back_is_said():
    calls = []

    def fickle(images):
        calls.append(len(images))
        is_first = len(calls) == 1
        return np.array([0 if is_first and i == 0 else 1 for i in range(len(images))])

    found = explain(np.zeros((32, 32, 3), np.uint8), fickle, partitions=1, grid=4)
    assert found.outcome == "insufficient"
    assert "does not give the label" in found.notes[-1]


def test_the_confidence_floor_holds():
    planted = scene("graded")

    def softmax(images):
        scores = np.exp(planted.scores(images))
        return scores / scores.sum(axis=1, keepdims=True)

    two = explain(planted.image, softmax, grid=8)
    three = explain(planted.image, softmax, grid=8, min_confidence=0.9)
    assert is_one_of(two.kept, planted.explanations)
    assert two.explanation_score < 0.9 * two.score
    assert np.array_equal(three.kept, planted.pixels("ABC"))
    assert three.explanation_score >= 0.9 * three.score


def test_another_label_than_the_top_one(planted):
    written = planted("multi_label")
    names = OnnxClassifier(written.path).names
    found = explain(written.photo, written.path, target=names[0], grid=8)
    assert found.label == 0
    assert np.array_equal(found.kept, written.pixels("A"))


def test_a_runner_up_passes_at_its_own_rank():
    def scores(images):
        left, right = images[:, :8, :8, 0].mean(axis=(1, 2)), images[:, :8, 24:, 0].mean(axis=(1, 2))
        return np.stack([left / 255, right / 400, np.full(len(images), 0.2)], axis=1)

    image = np.full((32, 32, 3), 255, np.uint8)
    found = explain(image, scores, target=1, grid=4, baseline="black")
    assert found.provenance["top_k"] == 2
    expected = np.zeros((32, 32), dtype=bool)
    expected[:8, 24:] = True
    assert np.array_equal(found.kept, expected)


def test_labels_alone_are_enough():
    planted = scene("needs_a_and_b")
    found = explain(planted.image, lambda images: planted.scores(images).argmax(axis=1), grid=8)
    assert is_one_of(found.kept, planted.explanations)
    assert np.isnan(found.score)


def test_the_budget_is_kept():
    planted = scene("needs_four_corners")
    n = 0

    def count(images):
        nonlocal n
        n += len(images)
        return planted.scores(images)

    for budget in (20, 57, 300):
        n = 0
        found = explain(planted.image, count, grid=16, max_calls=budget)
        assert n == found.statistics["model_calls"] <= budget
        assert found.outcome in {"minimal", "sufficient"}
        assert (found.outcome == "sufficient") == any("budget" in note for note in found.notes)
        assert planted.is_kept(found.kept)


def test_progress_tells_every_phase():
    planted = scene("needs_a")
    seen = []
    found = explain(planted.image, planted.scores, grid=8, progress=seen.append, batch_size=8)
    assert [
        phase for i, phase in enumerate(p.phase for p in seen) if i == 0 or seen[i - 1].phase != phase
    ] == [
        "search",
        "growth",
        "shrinking",
        "remainder",
        "verification",
    ]
    calls = [p.n_calls for p in seen]
    assert calls == sorted(calls)
    assert (
        calls[-1] == found.statistics["model_calls"] == sum(found.statistics["model_calls_by_phase"].values())
    )


@pytest.mark.parametrize(("batch_size", "overlapping"), [(4, True), (256, False)])
def test_batches_overlap_where_there_are_two(batch_size, overlapping):
    planted = scene("needs_a_and_b")
    callers, n_running = set(), []

    def classify(images):
        n_running.append(1)
        assert len(n_running) == 1, "the classifier is called from two threads at once"
        callers.add(threading.current_thread())
        n_running.pop()
        return planted.scores(images)

    found = explain(planted.image, classify, grid=8, in_flight=2, batch_size=batch_size, wave=1)
    assert found.outcome == "minimal"
    # A batch that is alone is run by the thread that would wait for it.
    assert threading.main_thread() in callers
    assert (len(callers) == 2) == overlapping


@pytest.mark.parametrize("in_flight", [1, 2])
def test_an_interrupt_while_the_model_runs_gives_the_best_so_far(in_flight):
    planted = scene("needs_a_and_b")
    n_calls = 0

    def classify(images):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 12:
            signal.raise_signal(signal.SIGINT)
        return planted.scores(images)

    found = explain(planted.image, classify, grid=16, in_flight=in_flight, batch_size=64)
    assert found.outcome == "sufficient"
    assert planted.is_kept(found.kept)
    assert "Interrupted" in found.notes[0]


@pytest.mark.parametrize("phase", ["search", "shrinking"])
def test_an_interrupt_gives_the_best_so_far(phase):
    planted = scene("needs_a_and_b")

    def interrupt(progress):
        if progress.phase == phase and progress.n_calls > 60 and not seen:
            seen.append(progress)
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    seen = []
    found = explain(planted.image, planted.scores, profile="paper", grid=16, progress=interrupt)
    assert found.outcome == "sufficient"
    assert f"Interrupted during {phase}" in found.notes[0]
    assert planted.is_kept(found.kept)
    assert found.heatmap.any()
    seen = []
    with pytest.raises(KeyboardInterrupt):
        explain(planted.image, planted.scores, profile="paper", progress=interrupt, on_interrupt="raise")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda images: np.full((len(images), 3), np.nan), "NaN or infinite scores for 2 of 2 images"),
        (
            lambda images: np.ones((len(images), 3)) / 0.0 if len(images) > 2 else np.eye(3)[: len(images)],
            "infinite",
        ),
        (lambda images: np.ones((len(images) - 1, 3)), r"returned \(1, 3\) float64 for 2 images"),
        (lambda images: np.ones((len(images), 3, 1)), r"returned \(2, 3, 1\) float64 for 2 images"),
        (lambda images: np.ones((len(images), 1)), "at least two columns"),
        (lambda _: None, "scores"),
        (lambda _: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_classifiers_that_do_not_answer(answer, text):
    with pytest.raises(ClassifierError, match=text):
        explain(np.zeros((32, 32, 3), np.uint8), answer)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"partitions": 0}, "partitions is 0; a whole number from 1 to 4096 is needed"),
        ({"min_side": 0}, "min_side is 0.0; a share of the image above 0 and at most 1 is needed"),
        ({"world": "other"}, "world is 'other'; one of intact, contingency, sufficient, both is needed"),
        ({"weighting": "even"}, "weighting is 'even'; one of shares, leaf, score is needed"),
        ({"concentration": 65}, "concentration is 65; a whole number from 1 to 64 is needed"),
        ({"survey": 9}, "survey is 9; a whole number from 0 to 8 is needed"),
        ({"survey": 1.5}, "survey is 1.5; a whole number from 0 to 8 is needed"),
        ({"grid": 0}, "grid is 0; a whole number from 1 to 256 is needed"),
        ({"seed": -1}, "seed is -1; a whole number from 0 to"),
        ({"top_k": 0}, "top_k is 0; a whole number of at least 1 is needed"),
        ({"top_k": 2}, "top_k is 2; with 2 classes every answer would pass"),
        ({"min_confidence": 1.5}, "min_confidence is 1.5; a share from 0 to 1 is needed"),
        ({"max_calls": 5}, "max_calls is 5; a whole number of at least 20 is needed"),
        ({"profile": "best"}, "profile is 'best'; one of paper, default, fast is needed"),
        ({"on_interrupt": "stop"}, "on_interrupt is 'stop'; one of return, raise is needed"),
        ({"target": 7}, "target is 7; a label from 0 to 1 is needed"),
        ({"target": "cat"}, "names of the labels are unknown; an index is needed"),
        ({"target": 0, "top_k": 1}, "target 0 is number 2 on this image, not among the top_k = 1"),
        ({"baseline": "no colour"}, "no colour"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_options_out_of_range(options, text):
    planted = scene("needs_a")
    with pytest.raises(OptionError) as caught:
        explain(planted.image, planted.scores, **options)
    assert text in str(caught.value)


def test_what_needs_scores_says_so():
    with pytest.raises(OptionError, match="returns labels only; it needs scores"):
        explain(np.zeros((8, 8, 3), np.uint8), lambda images: np.zeros(len(images), int), min_confidence=0.5)
    with pytest.raises(OptionError, match="kind is complete, but the classifier returns labels only"):
        explain(np.zeros((8, 8, 3), np.uint8), lambda images: np.zeros(len(images), int), kind="complete")
    with pytest.raises(OptionError, match="target is 3, but the classifier says 0 and gives no scores"):
        explain(np.zeros((8, 8, 3), np.uint8), lambda images: np.zeros(len(images), int), target=3)


def test_images_that_cannot_be_cut():
    for shape in [(1, 40, 3), (40, 1, 3), (1, 1, 3)]:
        with pytest.raises(ImageError, match="each side needs at least 2"):
            explain(np.zeros(shape, np.uint8), lambda images: np.eye(2)[: len(images)])


def test_a_classifier_must_be_one():
    with pytest.raises(
        OptionError, match="classifier is int; the path of an ONNX file, the address of a model"
    ):
        explain(np.zeros((8, 8, 3), np.uint8), 3)


def test_the_images_handed_out_cannot_be_written():
    def vandal(images):
        images[:] = 0
        return np.zeros(len(images), int)

    with pytest.raises(ClassifierError, match="read-only"):
        explain(np.zeros((8, 8, 3), np.uint8), vandal)


def test_the_example_of_the_documentation_runs():
    results = doctest.testmod(importlib.import_module("dccausal.engine.explain"))
    assert results.attempted
    assert not results.failed
