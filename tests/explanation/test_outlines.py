"""Borders are traced to the pixel, and what smooth lines enclose is the set but for its corners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from dccausal import Placement
from dccausal.explanation.outlines import borders, inside_tiles, smooth_paths

_WHOLE = Placement((700, 650), (0, 0, 700, 650))
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_borders_enclose_what_is_kept_and_nothing_else(mask):
    traced = borders(mask)
    assert sum(_area(corners) for corners in traced) == mask.sum()
    for corners in traced:
        sides = np.roll(corners, -1, axis=0) - corners
        assert ((sides != 0).sum(axis=1) == 1).all()
        assert (np.sign(sides) != np.sign(np.roll(sides, -1, axis=0))).any(axis=1).all()
    filled = Image.new("1", mask.shape[::-1])
    for corners in sorted(traced, key=lambda corners: -abs(_area(corners))):
        inside = np.zeros(mask.shape, bool)
        for y, x in np.ndindex(mask.shape):
            inside[y, x] = _winds(corners, x + 0.5, y + 0.5)
        filled = Image.fromarray(np.where(inside, _area(corners) > 0, np.asarray(filled)))
    np.testing.assert_array_equal(np.asarray(filled), mask)


def _area(corners):
    x, y = corners.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def _winds(corners, x, y):
    """Whether a ray upwards crosses an odd number of sides."""
    ahead = np.roll(corners, -1, axis=0)
    is_level = (corners[:, 1] == ahead[:, 1]) & (corners[:, 1] < y)
    spans = (np.minimum(corners, ahead)[:, 0] < x) & (np.maximum(corners, ahead)[:, 0] > x)
    return (is_level & spans).sum() % 2 == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_inside_is_that_of_the_mask_but_for_rounded_corners(seed):
    mask = np.repeat(np.repeat(np.random.default_rng(seed).random((5, 5)) < 0.5, 8, axis=0), 8, axis=1)
    inside = np.zeros((650, 700))
    for (left, top, right, bottom), part in inside_tiles(_WHOLE.photo_size, smooth_paths(mask, _WHOLE)):
        inside[top:bottom, left:right] = 255 if part is None else np.asarray(part)
    expected = _WHOLE.to_photo(mask, smooth=False, fill=False)
    assert ((inside > 127) != expected).mean() < 0.02
    middles = np.ix_(np.arange(65, 650, 130), np.arange(70, 700, 140))
    np.testing.assert_array_equal(inside[middles] == 255, expected[middles])


def test_holes_are_outside_and_what_lies_in_them_is_inside():
    mask = np.zeros((65, 70), bool)
    mask[10:60, 10:60], mask[20:50, 20:50], mask[30:40, 30:40] = True, False, True
    inside = np.zeros((650, 700))
    for (left, top, right, bottom), part in inside_tiles((700, 650), smooth_paths(mask, _WHOLE)):
        inside[top:bottom, left:right] = 255 if part is None else np.asarray(part)
    assert [inside[y, 350] for y in (50, 150, 250, 350, 450, 550, 620)] == [0, 255, 0, 255, 0, 255, 0]


def test_pieces_that_touch_at_a_corner_are_one_for_lines_outside_of_them():
    chequered = np.indices((4, 4)).sum(axis=0) % 2 == 0
    assert len(borders(chequered)) == 8
    assert len(borders(chequered, joined=True)) < 8
