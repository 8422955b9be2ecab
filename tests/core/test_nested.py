"""Nested sets equal the readable reference, question by question; each is minimal, and within the one before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import explanation_reference
import nested_reference
from asking import answer, in_rounds
from dccausal import _core
from nesting import FLOORS, assert_same, expected_by
from strategies import additive, classifiers, lattices


@st.composite
def cases(draw, max_side=20):
    """A classifier, a heatmap, blocks a side and floors; the intact image has a score of 1."""
    height, width = draw(st.integers(2, max_side)), draw(st.integers(2, max_side))
    scored = draw(st.one_of(classifiers(height, width), additive(height, width)))
    decimals = draw(st.sampled_from([1, 7]))
    has_scores = draw(st.booleans())

    def verdict(masked):
        passing, score = scored(masked)
        score = 1.0 if not masked.any() else round(score, decimals)
        return bool(passing), float(np.float32(score)) if has_scores else float("nan")

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    heat = rng.random((height, width), dtype=np.float32)
    if draw(st.booleans()):
        heat = np.round(heat * 2)  # ties
    floors = draw(st.sampled_from(FLOORS)) if has_scores else (0.0,)
    return verdict, heat, draw(lattices(height, width)), floors


def begin(case, **known):
    verdict, heat, cells, floors = case
    intact = verdict(np.zeros(heat.shape, dtype=bool))
    evidence = _core.Evidence(*heat.shape, **{"intact": intact, **known})
    return _core.Nested(evidence, heat, cells=cells, floors=list(floors))


def expected(case, max_calls=10**9):
    """What the reference finds and asks: nothing twice, at most so many questions, and not the intact image."""
    verdict, heat, cells, floors = case
    intact = np.zeros(heat.shape, dtype=bool)
    known, rounds = {intact.tobytes(): verdict(intact)}, []

    def ask(masks, _floor):
        keys = [masked.tobytes() for masked in masks]
        masks = dict(zip(keys, masks, strict=True))
        new = [key for key in masks if key not in known]
        left = max_calls - sum(map(len, rounds))
        known.update((key, verdict(masks[key])) for key in new[:left])
        if new[:left]:
            rounds.append(new[:left])
        if len(new) > left:
            raise nested_reference.OutOfBudgetError
        return [known[key] for key in keys]

    return (*expected_by(ask, heat, cells, floors), rounds)


@settings(max_examples=250, deadline=None)
@given(case=cases())
def test_equals_the_reference_question_by_question(case):
    nested, found = begin(case), expected(case)
    assert in_rounds(nested, case[0]) == found[3]
    assert_same(nested, found)
    assert nested.is_done
    assert nested.stage == "minimal"
    assert nested.n_calls == sum(map(len, found[3]))


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_each_level_is_sufficient_and_minimal_within_the_one_before(case):
    verdict, heat, cells, floors = case
    nested = begin(case)
    answer(nested, verdict)
    blocks = explanation_reference.Blocks.of(*heat.shape, cells)
    assert nested.grid == (len(blocks.rows) - 1, len(blocks.columns) - 1)

    def suffices(kept, floor):
        passing, score = verdict(~kept)
        return passing and (floor <= 0 or score >= floor)

    before = nested.grown()
    for floor, (kept, is_minimal) in zip(floors, nested.levels(), strict=True):
        assert is_minimal
        assert not (kept & ~before).any()
        assert suffices(kept, floor)
        lattice = np.array([kept[blocks.rows[r], blocks.columns[c]] for r, c in blocks.all()])
        lattice = lattice.reshape(nested.grid)
        assert not nested_reference.has_hole(lattice)
        for block in map(tuple, np.argwhere(lattice).tolist()):
            rest = lattice.copy()
            rest[block] = False
            pixels = blocks.pixels(frozenset([block]))
            assert kept[pixels].all()
            assert nested_reference.has_hole(rest) or not suffices(kept & ~pixels, floor)
        before = kept


@settings(max_examples=100, deadline=None)
@given(
    case=cases(),
    capacity=st.sampled_from([1, 3, 64]),
    in_flight=st.sampled_from([1, 4]),
    newest_first=st.booleans(),
)
def test_batches_change_nothing(case, capacity, in_flight, newest_first):
    plain, other = begin(case), begin(case)
    n_plain = answer(plain, case[0])
    n_other = answer(other, case[0], capacity=capacity, in_flight=in_flight, newest_first=newest_first)
    assert n_plain == n_other
    assert [kept.tobytes() for kept, _ in plain.levels()] == [kept.tobytes() for kept, _ in other.levels()]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(case=cases(max_side=10), capacity=st.sampled_from([1, 5, 64]))
def test_every_budget_leaves_the_set_of_the_moment(case, capacity):
    verdict, _, _, floors = case
    n = answer(begin(case), verdict)
    for budget in range(min(n, 60) + 1):
        nested, found = begin(case, max_calls=budget), expected(case, budget)
        assert answer(nested, verdict, capacity=capacity) == min(budget, n)
        assert nested.is_done
        assert_same(nested, found)
        for floor, (kept, _) in zip(floors, nested.levels(), strict=True):
            passing, score = verdict(~kept)
            assert passing
            assert floor <= 0 or score >= floor
    assert (nested.stage == "minimal") == (n <= 60)


@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_may_be_cut_short_at_any_time(case, data):
    verdict, _, _, floors = case
    nested = begin(case)
    for _ in range(data.draw(st.integers(0, 12))):
        batch = nested.propose(data.draw(st.integers(1, 20)))
        if batch is None:
            break
        verdicts = [verdict(masked) for masked in batch.masked()]
        scores = np.array([score for _, score in verdicts], dtype=np.float32)
        nested.submit(batch.id, np.array([passing for passing, _ in verdicts]), scores)
    before = np.ones_like(nested.levels()[0][0])
    for floor, (kept, _) in zip(floors, nested.levels(), strict=True):
        passing, score = verdict(~kept)
        assert passing
        assert floor <= 0 or score >= floor
        assert not (kept & ~before).any()
        before = kept


def one_box(masked):
    return not masked[4:8, 6:10].any(), 1.0 - float(masked[4:8, 6:10].mean())


def test_the_intact_image_is_asked_where_it_is_not_known():
    heat = np.zeros((16, 16), np.float32)
    known, bare = begin((one_box, heat, 8, (0.9, 0.0))), _core.Evidence(16, 16)
    asking = _core.Nested(bare, heat, cells=8, floors=[0.9, 0.0])
    assert answer(asking, one_box) == answer(known, one_box) + 1
    assert [kept.tobytes() for kept, _ in asking.levels()] == [kept.tobytes() for kept, _ in known.levels()]


def test_nothing_that_is_known_is_asked_again():
    heat = np.arange(256, dtype=np.float32).reshape(16, 16)
    evidence = _core.Evidence(16, 16, intact=(True, 1.0))
    first = _core.Nested(evidence, heat, cells=8, floors=[0.9, 0.0])
    assert answer(first, one_box) > 0
    again = _core.Nested(evidence, heat, cells=8, floors=[0.9, 0.0])
    assert again.is_done
    assert again.n_calls == 0
    assert [kept.tobytes() for kept, _ in again.levels()] == [kept.tobytes() for kept, _ in first.levels()]


def test_a_floor_that_the_image_does_not_reach_stops():
    nested = begin((one_box, np.zeros((16, 16), np.float32), 4, (2.0, 0.0)))
    assert nested.stage == "stopped"
    assert nested.grown() is None
    assert all(kept.all() and not is_minimal for kept, is_minimal in nested.levels())


def test_a_hole_is_kept_where_what_is_needed_goes_all_around():
    ring = np.zeros((10, 10), dtype=bool)
    ring[2:8, 2:8] = True
    ring[4:6, 4:6] = False

    def verdict(masked):
        return not (masked & ring).any(), float("nan")

    nested = begin((verdict, ring.astype(np.float32), 5, (0.0,)))
    answer(nested, verdict)
    [(kept, is_minimal)] = nested.levels()
    assert is_minimal
    assert kept.sum() == 36
    assert kept[2:8, 2:8].all()


@pytest.mark.parametrize(
    ("cells", "floors", "heat", "text"),
    [
        (0, [0.0], np.zeros((16, 16)), "grid is 0; it must be from 1 to 256 blocks a side"),
        (8, [], np.zeros((16, 16)), "floors is []; it must be one or more scores of at least 0, falling"),
        (
            8,
            [0.0, 0.5],
            np.zeros((16, 16)),
            "floors is [0.0, 0.5]; it must be one or more scores of at least 0",
        ),
        (8, [0.5, -0.5], np.zeros((16, 16)), "floors is [0.5, -0.5]; it must be one or more scores"),
        (8, [float("nan")], np.zeros((16, 16)), "floors is [NaN]; it must be one or more scores"),
        *(
            (
                lines,
                [0.0],
                np.zeros((16, 16)),
                f"grid is {given}; it must be lines that ascend from 0 to the side",
            )
            for lines, given in (
                (([0, 8, 16], [0, 15]), [0, 15]),
                (([0, 8, 8, 16], [0, 16]), [0, 8, 8, 16]),
                (([1, 16], [0, 16]), [1, 16]),
            )
        ),
        (([], [0, 16]), [0.0], np.zeros((16, 16)), "grid is 0; it must be from 1 to 256 blocks a side"),
        (8, [0.0], np.zeros((16, 15)), "heatmap is 16 x 15; it must be one value a pixel"),
        (
            8,
            [0.0],
            np.full((16, 16), np.nan),
            "heatmap is not finite everywhere; it must be finite everywhere",
        ),
    ],
)
def test_options_out_of_range(cells, floors, heat, text):
    with pytest.raises(ValueError, match=r"^") as caught:
        _core.Nested(_core.Evidence(16, 16), heat.astype(np.float32), cells=cells, floors=floors)
    assert str(caught.value).startswith(text)
