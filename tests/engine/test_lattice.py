"""The lattice that the sets of a target are minimal on."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dccausal import OnnxModel, explain
from dccausal.engine.lattice import cells_of
from dccausal.targets import Box
from dccausal.targets.box import BoxTarget
from planted_detector import detector, scene

SIDES = st.integers(16, 640)


def _target(box):
    target = object.__new__(BoxTarget)
    object.__setattr__(target, "box", box)
    return target


@given(st.tuples(SIDES, SIDES), st.tuples(*[st.floats(-0.2, 1.2)] * 4), st.integers(1, 24))
def test_a_box_is_a_whole_number_of_blocks(shape, ends, grid):
    height, width = shape
    (left, right), (top, bottom) = (sorted(ends[:2]), sorted(ends[2:]))
    box = (left * width, top * height, right * width, bottom * height)
    rows, columns = cells_of(_target(box), shape, grid, is_given=False)
    for lines, side, low, high in ((rows, height, box[1], box[3]), (columns, width, box[0], box[2])):
        assert (lines[0], lines[-1]) == (0, side)
        assert all(first < second for first, second in itertools.pairwise(lines))
        first, last = (min(max(round(end), 0), side) for end in (low, high))
        if first < last:  # but for a sliver beside it, which belongs to the box
            assert first in lines or first < 6
            assert last in lines or side - last < 6


def test_other_targets_and_chosen_lattices_are_even():
    assert cells_of(_target((3, 3, 9, 9)), (224, 224), 16, is_given=True) == 16
    assert cells_of(object(), (224, 224), 16, is_given=False) == 16
    assert cells_of(object(), (96, 224), 16, is_given=False) == 8


def test_a_box_off_the_lattice_is_explained_by_itself():
    """Its square is 36 pixels wide and begins between the lines of even blocks: those would hold twice as much."""
    photo = scene([(0, 108, 156)], size=(336, 336), seed=1)
    model = OnnxModel(detector(size=(336, 336)), preprocess="unit", device="cpu", threads=1)
    found = explain(photo, model, target=Box(0))
    assert found.outcome == "minimal"
    rows, columns = found.statistics["grid_lines"]
    box = found.target["box"]
    assert {round(box["top"]), round(box["bottom"])} <= set(rows)
    assert {round(box["left"]), round(box["right"])} <= set(columns)
    assert found.statistics["grid"] == [len(rows) - 1, len(columns) - 1]
    assert found.kept.sum() <= 1.2 * 36 * 36
    even = explain(photo, model, target=Box(0), grid=16)
    assert even.statistics["grid_lines"] is None
    assert found.kept.sum() < even.kept.sum()
