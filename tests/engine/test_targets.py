"""When a label counts as given: the other of two, a threshold, ranks far down, and what results say of guesses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dccausal import explain
from dccausal.classifier import check_answer
from dccausal.errors import ClassifierError, OptionError
from dccausal.targets import choose_target
from exports import dressed, export, optimum, vit
from small_models import build, images, on_cpu

OPTIONS = {"multi_label": False, "needs_scores": False}


def spots(n=64):
    """A photograph with a red and a green spot."""
    photo = np.zeros((n, n, 3), np.uint8)
    photo[40:48, 8:16, 0] = 255
    photo[8:16, 40:48, 1] = 255
    return photo


def red_or_green(x):
    """Two classes: red weighs a little more."""
    red, green = (x[:, 40:48, 8:16, 0].mean((1, 2)) / 255, x[:, 8:16, 40:48, 1].mean((1, 2)) / 255)
    return np.stack([0.4 + 0.35 * red - 0.2 * green, 0.6 - 0.35 * red + 0.2 * green], 1)


def test_the_other_of_two_labels_can_be_asked_for():
    explanation = explain(spots(), red_or_green, target=1, grid=8, baseline=(255, 0, 0))
    assert explanation.outcome == "minimal"
    assert explanation.kept[8:16, 40:48].any()
    assert "the last of 2" in " ".join(explanation.notes)
    assert "its score is no less" in " ".join(explanation.notes)


def test_a_rank_far_down_is_said():
    scores = np.linspace(1, 0, 500)[None]
    target = choose_target(scores, 430, None, **OPTIONS)
    assert target.top_k == 431
    assert target.note == (
        "Label 430 is number 431 of 500 on this image; it counts as given while it is among the 431 best."
    )
    assert choose_target(scores, 0, None, **OPTIONS).note is None
    explanation = explain(np.zeros((8, 8, 3), np.uint8), lambda x: np.repeat(scores, len(x), 0), target=430)
    assert "number 431 of 500" in " ".join(explanation.notes)


def test_a_threshold_of_several_labels():
    scores = np.array([[0.9, 0.3, 0.1]])
    several = {**OPTIONS, "multi_label": True}
    assert choose_target(scores, 1, None, threshold=0.25, **several).least == 0.25
    assert choose_target(scores, 1, None, **several).top_k == 2
    is_passing, _ = choose_target(scores, 1, None, threshold=0.25, **several).judge(
        np.array([[0, 0.26, 0], [0, 0.24, 0]])
    )
    assert is_passing.tolist() == [True, False]
    assert "No label reaches 0.5" in choose_target(scores / 2, None, None, **several).note


@pytest.mark.parametrize(("p", "threshold", "label"), [(0.3, 0.25, 1), (0.3, 0.5, 0), (0.7, 0.8, 0)])
def test_a_threshold_of_yes_or_no(p, threshold, label):
    scores = np.array([[1 - p, p]])
    target = choose_target(scores, None, None, threshold=threshold, **OPTIONS)
    assert (target.label, target.note) == (label, None)
    rows = np.array([[1 - q, q] for q in (threshold - 0.01, threshold + 0.01)])
    assert target.judge(rows)[0].tolist() == ([False, True] if label else [True, False])
    other = choose_target(scores, 1 - label, None, threshold=threshold, **OPTIONS)
    assert other.judge(scores)[0].tolist() == [True]
    assert "not given, by the threshold" in other.note


def test_a_threshold_of_a_model():
    model = build(classes=1, end=["Sigmoid"], gain=0.2)
    photo = Image.fromarray(images(1)[0])
    free = on_cpu(model, preprocess="unit")
    p = float(free(free.prepare(photo)[0][None])[0, 1])
    for threshold, label in ((p - 0.01, 1), (p + 0.01, 0)):
        explanation = explain(photo, on_cpu(model, preprocess="unit", threshold=threshold), max_calls=40)
        assert explanation.label == label
        assert explanation.provenance["classifier"]["threshold"] == threshold
    with pytest.raises(OptionError, match="threshold was given for scores of the kind logits"):
        on_cpu(build(), preprocess="unit", threshold=0.3)
    with pytest.raises(OptionError, match=r"threshold is 1\.5; a score between 0 and 1"):
        on_cpu(model, preprocess="unit", threshold=1.5)


def test_log_probabilities_are_scores():
    """All of them are negative, which once made every result insufficient."""
    explanation = explain(
        spots(), lambda x: np.log(np.clip(red_or_green(x), 1e-3, 1)), grid=8, baseline=(0, 255, 0)
    )
    assert explanation.outcome == "minimal"


# What callables return


@pytest.mark.parametrize(
    ("answer", "dtype", "shape"),
    [
        (np.array([True, False, True]), np.int64, (3,)),
        ([True, False, True], np.int64, (3,)),
        (np.ones((3, 2), bool), np.float32, (3, 2)),
        ({"logits": np.ones((3, 2))}, np.float64, (3, 2)),
        ({"anything": np.ones((3, 2), np.float32)}, np.float32, (3, 2)),
        (type("Output", (), {"logits": np.ones((3, 4), np.float16)})(), np.float32, (3, 4)),
    ],
)
def test_answers_that_hold_scores(answer, dtype, shape):
    found = check_answer(answer, 3)
    assert (found.dtype, found.shape) == (dtype, shape)


@pytest.mark.parametrize("batch_size", [None, 1])
def test_nan_on_the_baseline_alone_is_said_to_be_that(batch_size):
    def standardised(x):
        flat = x.reshape(len(x), -1).astype(float)
        with np.errstate(invalid="ignore"):
            z = (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)
        return np.stack([z[:, 0], -z[:, 0]], 1)

    with pytest.raises(
        ClassifierError, match=r"for the fully masked image alone, .*the colour #808080.*blur"
    ):
        explain(spots(), standardised, batch_size=batch_size)
    with pytest.raises(ClassifierError, match=r"for 2 of 2 images|for 1 of"):
        explain(spots(), lambda x: np.full((len(x), 2), np.nan), batch_size=batch_size)


# Guesses


def _guessed():
    return dressed(build(size=(64, 64), gain=20), producer="pytorch")


def test_a_guess_that_changes_the_label_is_said():
    photo = np.zeros((64, 256, 3), np.uint8)
    photo[:, :96], photo[:, 96:160], photo[:, 160:] = (255, 0, 0), (0, 0, 255), (255, 0, 0)
    classifier = on_cpu(_guessed())
    assert classifier.preprocess.geometry == "crop"
    text = " ".join(explain(photo, classifier, max_calls=20).notes)
    assert "The preprocessing is a guess (channels come first, as in PyTorch's models" in text
    whole = on_cpu(_guessed(), geometry="squash")
    tops = [c(c.prepare(Image.fromarray(photo))[0][None])[0].argmax() for c in (classifier, whole)]
    assert tops[0] != tops[1]
    assert f"changes the label: label {tops[0]} so, label {tops[1]} by --geometry squash" in text


def test_a_guess_that_does_not_change_it_is_said_too(tmp_path):
    photo = np.full((64, 64, 3), 128, np.uint8)
    classifier = on_cpu(build(size=(64, 64), dtype="uint8"))
    assert "the others that are plausible give the same label" in " ".join(explain(photo, classifier).notes)
    told = on_cpu(export(tmp_path, optimum(vit())))
    assert not any("guess" in note for note in explain(photo, told, max_calls=20).notes)
    given = on_cpu(_guessed(), preprocess="torchvision")
    assert not any("guess" in note for note in explain(photo, given, max_calls=20).notes)
