"""What matters outside of an explanation equals the readable reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey_reference
from asking import answer
from dccausal import _core
from strategies import classifiers


@st.composite
def cases(draw):
    height, width = draw(st.integers(2, 20)), draw(st.integers(2, 20))
    scored, has_scores = draw(classifiers(height, width)), draw(st.booleans())

    def verdict(masked):
        passing, score = scored(masked)
        score = float(np.float32(score)) if masked.any() else float(np.float32(0.8))
        return bool(passing) or not masked.any(), score if has_scores else float("nan")

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kept = rng.random((height, width)) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    if draw(st.booleans()):
        kept[: height // 2] = True
    return verdict, kept, draw(st.integers(1, 6)), draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(case=cases(), capacity=st.sampled_from([1, 64]), in_flight=st.sampled_from([1, 3]))
def test_equals_the_reference(case, capacity, in_flight):
    verdict, kept, side, is_both = case
    asked = []

    def once(masked):
        asked.append(masked.tobytes())
        return verdict(masked)

    intact = verdict(np.zeros_like(kept))
    found = _core.Halves(_core.Evidence(*kept.shape, intact=intact), kept, side=side, is_both=is_both)
    answer(found, once, capacity=capacity, in_flight=in_flight)
    assert found.is_done
    expected = survey_reference.halves(verdict, kept, side, is_both=is_both)
    np.testing.assert_allclose(found.heatmap(), expected, atol=1e-5)
    assert not found.heatmap()[kept].any()
    assert len(asked) == len(set(asked)) == found.n_calls


def test_the_design_is_balanced():
    """Each cell is kept in half of the runs, every two of them together in a quarter."""
    for side in (2, 5, 7):
        kept = np.zeros((4 * side, 4 * side), dtype=bool)
        found = _core.Halves(_core.Evidence(*kept.shape), kept, side=side, is_both=False)
        masked = found.propose(1000).masked()[:, ::4, ::4].reshape(-1, side * side)
        runs = np.vstack([masked, np.zeros(side * side, dtype=bool)]) if len(masked) % 2 else masked
        signs = 1 - 2 * runs.astype(int)
        assert np.array_equal(signs.T @ signs, len(runs) * np.eye(side * side, dtype=int))


def test_half_of_a_design_says_nothing():
    kept = np.zeros((12, 12), dtype=bool)
    kept[:6, :6] = True
    known = _core.Evidence(12, 12, intact=(True, 1.0), max_calls=4)
    found = _core.Halves(known, kept, side=4, is_both=True)
    batch = found.propose(64)
    assert len(batch) == 4
    found.submit(batch.id, np.ones(4, dtype=bool), np.array([0.5, 0.25, 0.5, 0.5], dtype=np.float32))
    assert found.is_done
    assert not found.heatmap().any()


@pytest.mark.parametrize(
    ("shape", "side", "text"),
    [
        ((12, 11), 4, "kept is 12 x 11; it must be one value a pixel"),
        ((12, 12), 0, "side is 0; it must be from 1 to 11 cells a side"),
        ((12, 12), 12, "side is 12; it must be from 1 to 11 cells a side"),
    ],
)
def test_what_does_not_fit_is_refused(shape, side, text):
    with pytest.raises(ValueError, match=text):
        _core.Halves(_core.Evidence(12, 12), np.zeros(shape, dtype=bool), side=side, is_both=True)
