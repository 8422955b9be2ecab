"""The map between contours equals the readable reference, and its level sets are the sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import explanation_reference
import nested_reference
from dccausal import _core


@st.composite
def maps(draw, max_side=24):
    """Nested sets, among them empty, equal and whole ones, and two maps."""
    shape = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kept, levels = np.ones(shape, dtype=bool), []
    for kind in draw(st.lists(st.sampled_from(["same", "thin", "box", "none"]), max_size=4)):
        if kind == "thin":
            kept = kept & (rng.random(shape) < 0.8)
        elif kind == "box":
            top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
            box = np.zeros(shape, dtype=bool)
            box[top : top + 1 + rng.integers(0, shape[0]), left : left + 1 + rng.integers(0, shape[1])] = True
            kept = kept & box
        elif kind == "none":
            kept = np.zeros(shape, dtype=bool)
        levels.append(kept)
    inside, outside = (rng.random(shape, dtype=np.float32) for _ in range(2))
    if draw(st.booleans()):
        inside = np.round(inside)
        outside = np.round(outside)
    return levels, inside, outside


@settings(max_examples=200, deadline=None)
@given(case=maps())
def test_equals_the_reference_and_has_the_sets_for_level_sets(case):
    levels, inside, outside = case
    drawn = _core.contoured(levels, inside, outside)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, nested_reference.contoured(levels, inside, outside), atol=1e-6)
    for j, level in enumerate(levels):
        contour = 0.4 + 0.6 * j / len(levels)
        np.testing.assert_array_equal(drawn >= contour, level)
        np.testing.assert_array_equal(drawn.astype(np.float64) >= contour, level)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_the_peak_lies_in_the_innermost_set():
    rng = np.random.default_rng(0)
    outer, inner = np.zeros((2, 60, 60), dtype=bool)
    outer[5:50, 5:50], inner[20:30, 20:30] = True, True
    drawn = _core.contoured([outer, inner], *rng.random((2, 60, 60), dtype=np.float32))
    assert inner[np.unravel_index(drawn.argmax(), drawn.shape)]


def test_values_that_are_no_shares_are_taken_for_the_nearest():
    odd = np.array([[np.nan, -1.0, 2.0, np.inf, -np.inf]], dtype=np.float32)
    even = np.array([[0.0, 0.0, 1.0, 1.0, 0.0]], dtype=np.float32)
    for levels in ([], [np.array([[True, True, True, False, False]])]):
        np.testing.assert_array_equal(_core.contoured(levels, odd, odd), _core.contoured(levels, even, even))


@pytest.mark.parametrize(
    ("levels", "inside", "text"),
    [
        ([np.zeros((4, 5), bool)], np.zeros((4, 4)), "levels is 4 x 5; it must be one value a pixel"),
        ([], np.zeros((3, 4)), "inside is 3 x 4; it must be one value a pixel"),
        ([np.eye(4, dtype=bool), np.ones((4, 4), bool)], np.zeros((4, 4)), "levels is one not within"),
    ],
)
def test_what_does_not_fit_is_told(levels, inside, text):
    with pytest.raises(ValueError, match=text):
        _core.contoured(levels, inside.astype(np.float32), np.zeros((4, 4), np.float32))


@settings(max_examples=100, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    sigma=st.sampled_from([0.0, 0.1, 0.13, 0.6, 1.0, 3.3, 20.0]),
)
def test_smoothing_equals_the_reference(height, width, seed, sigma):
    heat = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    smooth = _core.smoothed(heat, sigma)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth, nested_reference.smoothed(heat, sigma), atol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 6.72, 30.0])
def test_smoothing_equals_another_library(sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    heat = np.random.default_rng(1).random((50, 90), dtype=np.float32)
    np.testing.assert_allclose(_core.smoothed(heat, sigma), ndimage.gaussian_filter(heat, sigma), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    cells=st.sampled_from([1, 3, 7, 28]),
    seed=st.integers(0, 2**32 - 1),
)
def test_block_means_are_at_each_pixel_of_the_block(height, width, cells, seed):
    heat = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    blocks, expected = explanation_reference.Blocks.of(height, width, cells), np.zeros((height, width))
    for block in blocks.all():
        pixels = blocks.pixels(frozenset([block]))
        expected[pixels] = heat[pixels].astype(float).mean()
    np.testing.assert_allclose(_core.block_means(heat, cells), expected, atol=1e-6)


def test_strides_and_odd_sizes_are_taken():
    heat = np.random.default_rng(2).random((20, 30), dtype=np.float32)
    view = heat[::-2, ::3]
    np.testing.assert_array_equal(_core.smoothed(view, 2.0), _core.smoothed(view.copy(), 2.0))
    np.testing.assert_array_equal(_core.block_means(view, 3), _core.block_means(view.copy(), 3))
    for shape in [(0, 0), (0, 5), (5, 0)]:
        nothing = np.zeros(shape, np.float32)
        assert _core.smoothed(nothing, 2.0).shape == shape
        assert _core.contoured([nothing.astype(bool)], nothing, nothing).shape == shape
        with pytest.raises(ValueError, match="heat is"):
            _core.block_means(nothing, 4)


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf"), 4097.0])
def test_sigma_out_of_range(sigma):
    with pytest.raises(ValueError, match="it must be from 0 to 4096 pixels"):
        _core.smoothed(np.zeros((4, 4), np.float32), sigma)


def test_cells_out_of_range():
    with pytest.raises(ValueError, match="cells is 0; it must be from 1 to 256 blocks a side"):
        _core.block_means(np.zeros((4, 4), np.float32), 0)
