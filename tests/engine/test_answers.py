"""Answers of classifiers are checked, and labels resolved."""

from __future__ import annotations

import numpy as np
import pytest

from dccausal.classifier import Classifier, check_answer, classify, resolve_label
from dccausal.errors import ClassifierError, ModelError, OptionError

_IMAGES = np.zeros((3, 4, 4, 3), np.uint8)
_NAMES = (
    "tench, Tinca tinca",
    "goldfish, Carassius auratus",
    "lesser panda, red panda, panda",
    "giant panda, panda",
    "crane",
    "crane",
    "7",
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_keep_their_precision(dtype):
    scores = np.random.default_rng(0).random((3, 5)).astype(dtype)
    answer = check_answer(scores, 3)
    assert answer.dtype == dtype
    np.testing.assert_array_equal(answer, scores)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int64])
def test_other_scores_become_float32(dtype):
    answer = check_answer(np.array([[1, 2], [3, 4], [0, 9]], dtype), 3)
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, [[1, 2], [3, 4], [0, 9]])


def test_lists_and_views_are_arrays_too():
    np.testing.assert_array_equal(check_answer([[0.25, 0.75]], 1), [[0.25, 0.75]])
    assert check_answer(np.zeros((4, 6), np.float32)[::2, ::2], 2).flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_labels_alone(dtype):
    labels = check_answer(np.array([3, 0, 7], dtype), 3)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, [3, 0, 7])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            np.zeros((2, 5)),
            r"returned \(2, 5\) float64 for 3 images; scores \(3, classes\) or integer labels \(3,\)",
        ),
        (np.zeros((3, 5, 1)), r"returned \(3, 5, 1\) float64 for 3 images; scores \(3, classes\)"),
        (np.zeros(()), r"returned \(\) float64 for 3 images; scores \(3, classes\)"),
        (None, r"returned None \(does it lack its return\?\); scores \(3, classes\)"),
        ({"boxes": 1, "classes": 2}, "returned a dict with the keys 'boxes', 'classes'; scores"),
        ((np.zeros((3, 2)), np.zeros((3, 7))), r"returned a tuple of 2 \(\(3, 2\), \(3, 7\)\); scores"),
        (object(), r"returned \(\) object \(object\) for 3 images; scores"),
        ("label", r"returned \(\) <U5 for 3 images; scores"),
        (np.zeros((3, 5), complex), r"returned \(3, 5\) complex128 for 3 images"),
        ([[1, 2], [3], [4]], "returned list, which is no array .*; scores"),
        (
            np.zeros(3),
            r"returned \(3,\) float64 for 3 images; labels need to be integers, and scores two-dim",
        ),
        (
            np.zeros((3, 1)),
            r"returned \(3, 1\) float64 for 3 images; at least two columns are needed, \[1 - p, p\]",
        ),
        (np.array([1, -2, 0]), "the smallest -2; labels of at least 0 are needed"),
        (
            np.array([[0, np.nan], [1, 2], [np.inf, 0]]),
            "NaN or infinite scores for 2 of 3 images; finite scores",
        ),
        (np.array([[0, 1], [1, 2], [-np.inf, 0]]), "NaN or infinite scores for 1 of 3 images; finite scores"),
    ],
)
def test_what_is_no_answer(answer, text):
    with pytest.raises(ClassifierError, match=text):
        check_answer(answer, 3)


def test_a_function_is_a_classifier():
    def classifier(images):
        return images.reshape(len(images), -1)[:, :2].astype(float)

    assert isinstance(classifier, Classifier)
    np.testing.assert_array_equal(classify(classifier, _IMAGES), np.zeros((3, 2)))


def test_a_classifier_that_raises():
    def classifier(images):
        raise ValueError(f"out of {len(images)} shapes")

    with pytest.raises(
        ClassifierError, match=r"raised ValueError: out of 3 shapes; it was given \(3, 4, 4, 3\) uint8"
    ) as e:
        classify(classifier, _IMAGES)
    assert isinstance(e.value.__cause__, ValueError)


@pytest.mark.parametrize("error", [ModelError("ours"), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_through(error):
    def classifier(_images):
        raise error

    with pytest.raises(type(error)) as e:
        classify(classifier, _IMAGES)
    assert e.value is error


def test_too_few_rows():
    with pytest.raises(ClassifierError, match=r"returned \(2, 5\) float64 for 3 images"):
        classify(lambda images: np.zeros((len(images) - 1, 5)), _IMAGES)


@pytest.mark.parametrize(
    ("target", "index"),
    [
        (None, None),
        (3, 3),
        (np.int64(0), 0),
        ("goldfish, Carassius auratus", 1),
        (" GOLDFISH ", 1),
        ("red panda", 2),
        ("3", 3),
        ("7", 6),
    ],
)
def test_labels_by_index_and_name(target, index):
    assert resolve_label(target, _NAMES, 7) == index


def test_without_names_only_indices():
    assert resolve_label("12") == 12
    with pytest.raises(
        OptionError, match="target is 'cat', but the names of the labels are unknown; an index is needed"
    ):
        resolve_label("cat")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (7, "target is 7; a label from 0 to 6 is needed"),
        (-1, "target is -1; a label from 0 to 6 is needed"),
        ("8", "target is 8; a label from 0 to 6 is needed"),
        (True, "target is True; the index or the name of a label is needed"),
        (1.0, r"target is 1\.0; the index or the name"),
        ("golfish", r"'golfish' is not a label \(did you mean 'goldfish, Carassius auratus'\?\)"),
        ("carassius", r"'carassius' is not a label \(did you mean 'goldfish, Carassius auratus'\?\)"),
        ("xyzzy", "'xyzzy' is not a label; a label's name or index is needed"),
        ("", "'' is not a label; a label's name"),
        (
            "panda",
            r"'panda' names 2 labels: 2 \(lesser panda, .*\), 3 \(giant panda, panda\); an index is needed",
        ),
        ("crane", r"'crane' names 2 labels: 4 \(crane\), 5 \(crane\); an index is needed"),
    ],
)
def test_unknown_labels(target, text):
    with pytest.raises(OptionError, match=text):
        resolve_label(target, _NAMES, 7)


def test_without_a_number_of_classes_only_negative_indices_are_refused():
    assert resolve_label(10**6) == 10**6
    with pytest.raises(OptionError, match="target is -1; a label from at least 0 is needed"):
        resolve_label(-1)
