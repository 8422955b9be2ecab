"""What still matters once an explanation is gone equals the readable reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from asking import answer
from dccausal import _core
from strategies import classifiers


@st.composite
def cases(draw):
    height, width = draw(st.integers(2, 20)), draw(st.integers(2, 20))
    scored, has_scores = draw(classifiers(height, width)), draw(st.booleans())

    def verdict(masked):
        passing, score = scored(masked)
        score = float(np.float32(score)) if masked.any() else 0.8
        return bool(passing), score if has_scores else float("nan")

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kept = rng.random((height, width)) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    if draw(st.booleans()):
        kept[: height // 2] = True
    return verdict, kept, draw(st.integers(1, 8))


@settings(max_examples=150, deadline=None)
@given(case=cases(), capacity=st.sampled_from([1, 64]), in_flight=st.sampled_from([1, 3]))
def test_equals_the_reference(case, capacity, in_flight):
    verdict, kept, side = case
    asked = []

    def once(masked):
        asked.append(masked.tobytes())
        return verdict(masked)

    intact = verdict(np.zeros_like(kept))
    found = _core.Remainder(_core.Evidence(*kept.shape, intact=intact), kept, side=side)
    answer(found, once, capacity=capacity, in_flight=in_flight)
    assert found.is_done
    expected = reference.remainder(verdict, kept, side, float(np.float32(intact[1])))
    np.testing.assert_allclose(found.heatmap(), expected, atol=1e-6)
    assert not found.heatmap()[kept].any()
    blocks = reference.Blocks.of(*kept.shape, side)
    cells = [blocks.pixels(frozenset([block])) for block in blocks.all()]
    wanted = {kept.tobytes()} | {(kept | cell).tobytes() for cell in cells} - {np.zeros_like(kept).tobytes()}
    assert len(asked) == len(set(asked)) == found.n_calls
    assert set(asked) == wanted - {np.zeros_like(kept).tobytes()}


def test_it_is_one_round_and_a_budget_ends_it():
    kept = np.zeros((12, 12), dtype=bool)
    kept[:6, :6] = True
    known = _core.Evidence(12, 12, intact=(True, 1.0), max_calls=4)
    found = _core.Remainder(known, kept, side=4)
    assert not found.heatmap().any()
    batch = found.propose(64)
    assert len(batch) == 4
    np.testing.assert_array_equal(batch.masked()[0], kept)
    found.submit(batch.id, np.ones(4, dtype=bool), np.array([0.5, 0.25, 0.5, 0.5], dtype=np.float32))
    assert found.is_done
    heat = found.heatmap()
    assert heat[0, 6:9].tolist() == [0.25] * 3
    assert heat.sum() == 0.25 * 9
    whole = _core.Remainder(_core.Evidence(12, 12, intact=(True, 1.0)), kept, side=4)
    assert len(whole.propose(64)) == 1 + 12


@pytest.mark.parametrize(
    ("shape", "side", "text"),
    [
        ((12, 11), 4, "kept is 12 x 11; it must be one value a pixel"),
        ((12, 12), 0, "side is 0; it must be from 1 to 32 cells a side"),
        ((12, 12), 33, "side is 33; it must be from 1 to 32 cells a side"),
    ],
)
def test_options_out_of_range(shape, side, text):
    with pytest.raises(ValueError, match=text):
        _core.Remainder(_core.Evidence(12, 12), np.zeros(shape, dtype=bool), side=side)
