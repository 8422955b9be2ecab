"""Overlaps, and which of several boxes stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dccausal.targets.boxes import Candidates, Selection, from_centres, overlaps, without_doubles

SIDES = st.integers(0, 12)
BOXES = st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), min_size=1, max_size=12)


def pixels(box):
    """The unit squares of a box with whole corners."""
    x0, y0, x1, y1 = (int(side) for side in box)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


@given(BOXES, st.tuples(SIDES, SIDES, SIDES, SIDES))
def test_overlaps_count_pixels(boxes, box):
    found = overlaps(np.array(boxes, np.float32), np.array(box, np.float32))
    for iou, other in zip(found, boxes, strict=True):
        both = pixels(box) | pixels(other)
        expected = len(pixels(box) & pixels(other)) / len(both) if both else 0
        assert iou == pytest.approx(expected)


@given(BOXES, st.data(), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_no_two_that_stay_are_doubles_and_all_that_go_are(boxes, data, overlap):
    boxes = np.array(boxes, np.float32)
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(boxes), max_size=len(boxes))))
    stay = without_doubles(boxes, labels, overlap, most=100)
    for i in range(len(boxes)):
        better = [j for j in stay if j < i and labels[j] == labels[i]]
        is_double = any(overlaps(boxes[[i]], boxes[j])[0] > overlap for j in better)
        assert (i in stay) == (not is_double)


def test_a_box_may_be_detected_for_each_label_or_for_its_best_one():
    scores = np.array([[[0.9, 0.8], [0.1, 0.7]]], np.float32)
    boxes = from_centres(np.array([[[5, 5, 4, 2], [1, 1, 2, 2]]], np.float32))
    best = Candidates(boxes, scores, Selection(0.5)).detections()
    assert best[:, 5].tolist() == [0, 1]
    assert best[0].tolist() == pytest.approx([3, 4, 7, 6, 0.9, 0])
    pairs = Candidates(boxes, scores, Selection(0.5, is_per_pair=True)).detections()
    assert [(round(float(score), 2), label) for *_, score, label in pairs] == [(0.9, 0), (0.8, 1)]


def test_answers_are_taken_apart_and_joined():
    rng = np.random.default_rng(0)
    parts = [
        Candidates(
            rng.random((2, k, 4), np.float32),
            rng.random((2, k), np.float32),
            Selection(0.1),
            rng.integers(0, 3, (2, k)),
        )
        for k in (3, 5)
    ]
    whole = Candidates.joined(parts)
    assert len(whole) == 4
    for i, (part, row) in enumerate((part, row) for part in parts for row in range(2)):
        own = whole.rows(slice(i, i + 1))
        assert own.detections().tolist() == part.detections(row).tolist()
