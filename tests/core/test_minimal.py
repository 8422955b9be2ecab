"""Minimal sets of every kind equal the readable reference, question by question, and are what they are said to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import explanation_reference
import kinds_reference
import nested_reference
from asking import answer, in_rounds
from dccausal import _core
from strategies import additive, classifiers, lattices

INFINITE = math.inf
KINDS = {
    "sufficient": {"shown": (0.4, INFINITE)},
    "label": {"shown": (0.0, INFINITE)},
    "contrastive": {"shown": (0.3, INFINITE), "hidden": "lost"},
    "necessary": {"hidden": "lost"},
    "why-not": {"hidden": "given", "is_surveyed": True},
    "complete": {"shown": (0.8, 1.2)},
}


@st.composite
def cases(draw, max_side=20, kinds=tuple(KINDS)):
    """A classifier, a heatmap, blocks a side, and what is demanded."""
    height, width = draw(st.integers(2, max_side)), draw(st.integers(2, max_side))
    scored = draw(st.one_of(classifiers(height, width), additive(height, width)))
    kind = draw(st.sampled_from(kinds))
    cells, decimals = draw(lattices(height, width)), draw(st.sampled_from([1, 7]))
    has_scores = kind == "complete" or draw(st.booleans())
    is_other = kind == "why-not"

    def verdict(masked):
        passing, score = scored(masked)
        score = 1.0 if not masked.any() else round(score, decimals)
        if is_other:  # another label is given exactly where this one is not
            passing, score = not passing, 1.0 - score
        return bool(passing), float(np.float32(score)) if has_scores else float("nan")

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    heat = rng.random((height, width), dtype=np.float32)
    if draw(st.booleans()):
        heat = np.round(heat * 2)  # ties
    options = {"hidden": None, "shown": None, "overlap": 0.0, "is_surveyed": False, **KINDS[kind]}
    blocks = explanation_reference.Blocks.of(height, width, cells)
    shape = len(blocks.rows) - 1, len(blocks.columns) - 1

    def some(share):
        return rng.random(shape) < share

    options["base"] = nested_reference.filled(some(draw(st.sampled_from([0.0, 0.0, 0.3]))))
    options["taken"] = [] if is_other else [some(0.2) for _ in range(draw(st.integers(0, 2)))]
    options["overlap"] = draw(st.sampled_from([0.0, 0.3, 0.9]))
    return verdict, heat, cells, options


def pixels_of(case):
    """From a lattice to pixels."""
    blocks = explanation_reference.Blocks.of(*case[1].shape, case[2])
    return lambda kept: blocks.pixels(frozenset(map(tuple, np.argwhere(kept).tolist())))


def begin(case, **known):
    verdict, heat, cells, options = case
    intact = verdict(np.zeros(heat.shape, dtype=bool))
    evidence = _core.Evidence(*heat.shape, **{"intact": intact, **known})
    pixels = pixels_of(case)
    given_options = {
        **options,
        "base": pixels(options["base"]) if options["base"].any() else None,
        "taken": [pixels(each) for each in options["taken"]],
    }
    return _core.Minimal(evidence, heat, cells=cells, **given_options)


def expected(case, max_calls=10**9):
    """What the reference finds and asks: nothing twice, at most so many questions, and not the intact image."""
    verdict, heat, _, options = case
    intact = np.zeros(heat.shape, dtype=bool)
    known, rounds, pixels = {intact.tobytes(): verdict(intact)}, [], pixels_of(case)

    def ask(sets):
        masks = {masked.tobytes(): masked for masked in (~pixels(kept) for kept in sets)}
        new = [key for key in masks if key not in known]
        left = max_calls - sum(map(len, rounds))
        known.update((key, verdict(masks[key])) for key in new[:left])
        if new[:left]:
            rounds.append(new[:left])
        if len(new) > left:
            raise nested_reference.OutOfBudgetError
        return [known[(~pixels(kept)).tobytes()] for kept in sets]

    blocks = explanation_reference.Blocks.of(*heat.shape, case[2])
    means = np.array([_mean(heat[blocks.pixels(frozenset([block]))]) for block in blocks.all()])
    means = means.reshape(options["base"].shape)

    def look_up(kept):
        return known.get((~pixels(kept)).tobytes())

    found = kinds_reference.Minimal(ask, look_up, means, verdict(intact), **options)
    found.run()
    return found, rounds


def _mean(values):
    total = 0.0
    for value in values.tolist():
        total += value
    return total / len(values)


def assert_same(minimal, found, case):
    pixels = pixels_of(case)
    assert minimal.stage == found.stage
    for given_set, needed in (
        (minimal.grown(), found.grown),
        (minimal.kept(), found.kept if found.exists else None),
    ):
        if needed is None:
            assert given_set is None
        else:
            np.testing.assert_array_equal(given_set, pixels(needed))


@settings(max_examples=120, deadline=None)
@given(case=cases())
def test_equals_the_reference_question_by_question(case):
    minimal, (found, rounds) = begin(case), expected(case)
    assert in_rounds(minimal, case[0]) == rounds
    assert_same(minimal, found, case)
    assert minimal.is_done
    assert minimal.n_calls == sum(map(len, rounds))


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_is_what_it_is_said_to_be_and_minimal(case):
    verdict, _, _, options = case
    minimal = begin(case)
    answer(minimal, verdict)
    kept = minimal.kept()
    assert (minimal.stage == "minimal") == (kept is not None)
    if kept is None:
        return

    def holds(pixels):
        is_good = True
        if options["hidden"] is not None:
            is_good = verdict(pixels)[0] == (options["hidden"] == "given")
        if is_good and options["shown"] is not None:
            passing, score = verdict(~pixels)
            score = float(passing) if math.isnan(score) else score
            least, most = options["shown"]
            is_good = passing and (least == 0 or score >= least) and (math.isinf(most) or score <= most)
        return is_good

    assert holds(kept)
    blocks = explanation_reference.Blocks.of(*kept.shape, case[2])
    lattice = np.array([kept[blocks.rows[r], blocks.columns[c]] for r, c in blocks.all()])
    lattice = lattice.reshape(minimal.grid)
    for each in options["taken"]:
        assert (lattice & each).sum() <= options["overlap"] * each.sum()
    for block in map(tuple, np.argwhere(lattice).tolist()):
        unit = np.zeros_like(lattice)
        unit[block] = True
        if nested_reference.leaves_no_hole(lattice, unit):
            assert not holds(kept & ~blocks.pixels(frozenset([block])))


@settings(max_examples=50, deadline=None)
@given(
    case=cases(),
    capacity=st.sampled_from([1, 3, 64]),
    in_flight=st.sampled_from([1, 4]),
    newest_first=st.booleans(),
)
def test_batches_change_nothing(case, capacity, in_flight, newest_first):
    plain, other = begin(case), begin(case)
    n_plain = answer(plain, case[0])
    assert (
        answer(other, case[0], capacity=capacity, in_flight=in_flight, newest_first=newest_first) == n_plain
    )
    assert plain.stage == other.stage
    np.testing.assert_array_equal(plain.kept(), other.kept())


@settings(max_examples=40, deadline=None)
@given(case=cases(max_side=12), budget=st.integers(0, 80), capacity=st.sampled_from([1, 5, 64]))
def test_a_budget_leaves_the_set_of_the_moment(case, budget, capacity):
    minimal, (found, rounds) = begin(case, max_calls=budget), expected(case, budget)
    assert answer(minimal, case[0], capacity=capacity) == sum(map(len, rounds)) <= budget
    assert minimal.is_done
    assert_same(minimal, found, case)


@settings(max_examples=40, deadline=None)
@given(case=cases(kinds=("necessary", "contrastive")), data=st.data())
def test_may_be_cut_short_at_any_time(case, data):
    verdict, minimal = case[0], begin(case)
    for _ in range(data.draw(st.integers(0, 12))):
        batch = minimal.propose(data.draw(st.integers(1, 20)))
        if batch is None:
            break
        verdicts = [verdict(masked) for masked in batch.masked()]
        scores = np.array([score for _, score in verdicts], dtype=np.float32)
        minimal.submit(batch.id, np.array([passing for passing, _ in verdicts]), scores)
    kept = minimal.kept()
    assert kept is None or not verdict(kept)[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "least is none; it must be given where nothing else is demanded"),
        ({"shown": (0.5, 0.4)}, "least is 0.5, most 0.4; it must be a score of at least 0, and most no less"),
        ({"hidden": "gone"}, 'hidden is "gone"; it must be "lost" or "given"'),
        ({"hidden": "lost", "overlap": 1.0}, "overlap is 1; it must be at least 0 and less than 1"),
        ({"hidden": "lost", "cells": 0}, "grid is 0; it must be from 1 to 256 blocks a side"),
        ({"hidden": "lost", "base": np.ones((3, 3), bool)}, "base is 3 x 3; it must be one value a pixel"),
        (
            {"hidden": "lost", "taken": [np.ones((3, 3), bool)]},
            "taken is 3 x 3; it must be one value a pixel",
        ),
    ],
)
def test_options_out_of_range(options, text):
    evidence = _core.Evidence(16, 16, intact=(True, 1.0))
    with pytest.raises(ValueError, match=r"^") as caught:
        _core.Minimal(evidence, np.zeros((16, 16), np.float32), **{"cells": 8, **options})
    assert str(caught.value) == text


def test_the_verdict_on_the_intact_image_has_to_be_known():
    with pytest.raises(ValueError, match="intact is unknown; it must be known"):
        _core.Minimal(_core.Evidence(16, 16), np.zeros((16, 16), np.float32), cells=8, hidden="lost")
