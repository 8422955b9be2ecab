"""Asking beside several baselines equals the readable reference, and one classifier that needs each of them."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nested_reference
import several_reference
from asking import answer
from dccausal import _core
from nesting import FLOORS, assert_same, expected_by
from strategies import additive, classifiers, options


@st.composite
def beside(draw, height, width):
    """A function from masked (H, W) and a baseline to a verdict; the intact image passes with a score of 1."""
    n = draw(st.integers(1, 4))
    kinds = st.one_of(classifiers(height, width), additive(height, width))
    scored = [draw(kinds) for _ in range(n)]
    has_scores = draw(st.booleans())

    def verdict(masked, baseline):
        is_passing, score = scored[baseline](masked) if masked.any() else (True, 1.0)
        return bool(is_passing), float(np.float32(score)) if has_scores else float("nan")

    return verdict, n, has_scores


def drive(inquiry, verdict, *, capacity=10**6, in_flight=1, newest_first=False):
    """Answer all questions beside the baseline that each batch names; return the batches, with their verdicts."""
    pending, batches = deque(), []
    while True:
        while len(pending) < in_flight and (batch := inquiry.propose(capacity)) is not None:
            pending.append(batch)
        if not pending:
            return batches
        batch = pending.pop() if newest_first else pending.popleft()
        masks = list(batch.masked())
        verdicts = [verdict(masked, batch.baseline) for masked in masks]
        inquiry.submit(
            batch.id,
            np.array([is_passing for is_passing, _ in verdicts]),
            np.array([score for _, score in verdicts], dtype=np.float32),
        )
        batches.append((batch.baseline, [masked.tobytes() for masked in masks], verdicts))


@st.composite
def nested_cases(draw, max_side=16):
    height, width = draw(st.integers(2, max_side)), draw(st.integers(2, max_side))
    verdict, n, has_scores = draw(beside(height, width))
    heat = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((height, width), dtype=np.float32)
    floors = draw(st.sampled_from(FLOORS)) if has_scores else (0.0,)
    return verdict, n, heat, draw(st.sampled_from([1, 2, 3, 5, 8])), floors


def begin(case, **options):
    verdict, n, heat, cells, floors = case
    intact = verdict(np.zeros(heat.shape, dtype=bool), 0)
    evidence = _core.Evidence(*heat.shape, intact=intact, baselines=n, **options)
    return _core.Nested(evidence, heat, cells=cells, floors=list(floors))


def nested_expected(case, max_calls=10**9):
    """What the reference finds and asks: passes, and the baseline of each."""
    verdict, n, heat, cells, floors = case

    def single(question, baseline):
        return verdict(np.frombuffer(question, dtype=bool).reshape(heat.shape), baseline)

    several = several_reference.Several(single, n, max_calls)
    intact = np.zeros(heat.shape, dtype=bool)
    several.learn(intact.tobytes(), verdict(intact, 0))

    def ask(masks, floor):
        try:
            return several.ask([masked.tobytes() for masked in masks], floor)
        except several_reference.OutOfBudgetError:
            raise nested_reference.OutOfBudgetError from None

    return expected_by(ask, heat, cells, floors), several.passes


@settings(max_examples=150, deadline=None)
@given(case=nested_cases())
def test_nested_sets_equal_the_reference_question_by_question(case):
    nested, (found, passes) = begin(case), nested_expected(case)
    assert [(baseline, asked) for baseline, asked, _ in drive(nested, case[0])] == passes
    assert_same(nested, (*found, None))
    assert nested.n_calls == sum(len(asked) for _, asked in passes)


@settings(max_examples=60, deadline=None)
@given(
    case=nested_cases(),
    capacity=st.sampled_from([1, 3, 64]),
    in_flight=st.sampled_from([1, 4]),
    newest_first=st.booleans(),
    share=st.one_of(st.none(), st.floats(0, 1)),
)
def test_batches_change_nothing_under_a_budget_too(case, capacity, in_flight, newest_first, share):
    n_all = sum(len(asked) for _, asked, _ in drive(begin(case), case[0]))
    budget = {} if share is None else {"max_calls": int(share * n_all)}
    plain, other = begin(case, **budget), begin(case, **budget)
    asked = [
        sorted((baseline, question) for baseline, questions, _ in batches for question in questions)
        for batches in (
            drive(plain, case[0]),
            drive(other, case[0], capacity=capacity, in_flight=in_flight, newest_first=newest_first),
        )
    ]
    assert asked[0] == asked[1]
    assert len(asked[0]) == min([n_all, *budget.values()])
    assert [kept.tobytes() for kept, _ in plain.levels()] == [kept.tobytes() for kept, _ in other.levels()]
    if budget:
        assert_same(plain, (*nested_expected(case, budget["max_calls"])[0], None))


@settings(max_examples=80, deadline=None)
@given(case=nested_cases())
def test_each_level_does_beside_each_baseline(case):
    verdict, n, _, _, floors = case
    nested = begin(case)
    drive(nested, verdict, capacity=7)
    for floor, (kept, is_minimal) in zip(floors, nested.levels(), strict=True):
        assert is_minimal
        for is_passing, score in (verdict(~kept, baseline) for baseline in range(n)):
            assert is_passing
            assert floor <= 0 or score >= floor


KINDS = ["search", "sharing", "extraction", "halves", "minimal"]


@st.composite
def inquiries(draw, kinds):
    """What begins an inquiry on evidence, and what it found."""
    opts = draw(options(max_side=16))
    height, width = opts.height, opts.width
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(kinds))
    sharing = {"reach": 0.5, "audit": 0.2, "wave": 1} if kind == "sharing" else {"wave": opts.partitions}
    survey = {"survey": [2, 3], "shown": [2]} if kind == "survey" else {}
    heat = rng.random((height, width), dtype=np.float32)
    kept = rng.random((height, width)) < 0.3
    floor = draw(st.sampled_from([0.0, 0.5]))

    def begin(evidence):
        if kind == "extraction":
            return _core.Extraction(evidence, heat, cells=5, min_score=floor)
        if kind == "minimal":
            return _core.Minimal(evidence, heat, cells=5, shown=(floor, np.inf), hidden="lost", base=kept)
        if kind == "halves":
            return _core.Halves(evidence, kept, side=3, is_both=True)
        return _core.Search(
            evidence,
            partitions=opts.partitions,
            seed=opts.seed,
            world=opts.world,
            weighting=opts.weighting,
            min_side=opts.min_side,
            refine_equal=opts.refine_equal,
            concentration=opts.concentration,
            **sharing,
            **survey,
        )

    def found(inquiry):
        if kind == "minimal":
            return inquiry.stage, None if inquiry.kept() is None else inquiry.kept().tobytes()
        return (inquiry.kept() if kind == "extraction" else inquiry.heatmap()).tobytes()

    return (height, width), begin, found


@settings(max_examples=200, deadline=None)
@given(inquiry=inquiries(KINDS), data=st.data())
def test_an_inquiry_is_that_of_one_classifier_with_the_least_score(inquiry, data):
    (height, width), begin, found = inquiry
    verdict, n, has_scores = data.draw(beside(height, width))
    intact, blank = (True, 1.0 if has_scores else float("nan")), (False, 0.25 if has_scores else float("nan"))
    known = {"intact": intact, "blank": blank}
    several = begin(_core.Evidence(height, width, **known, baselines=n))
    combined = {}
    order = []
    for _, questions, verdicts in drive(several, verdict):
        for question, one in zip(questions, verdicts, strict=True):
            if question not in combined:
                order.append(question)
            before = combined.get(question, one)
            combined[question] = before[0] and one[0], min(before[1], one[1])
    alone, asked = begin(_core.Evidence(height, width, **known)), []

    def least(masked):
        asked.append(masked.tobytes())
        return combined[masked.tobytes()]

    n_alone = answer(alone, least, capacity=10**6)
    assert sorted(asked) == sorted(order)
    assert n_alone <= several.n_calls <= n * n_alone
    assert found(several) == found(alone)


@settings(max_examples=60, deadline=None)
@given(inquiry=inquiries([*KINDS, "survey"]), data=st.data())
def test_labels_alone_make_it_one_classifier_that_needs_each(inquiry, data):
    (height, width), begin, found = inquiry
    verdict, n, _ = data.draw(beside(height, width))
    nan = float("nan")
    known = {"intact": (True, nan), "blank": (False, nan)}
    several = begin(_core.Evidence(height, width, **known, baselines=n))
    alone = begin(_core.Evidence(height, width, **known))
    drive(several, lambda masked, baseline: (verdict(masked, baseline)[0], nan), capacity=9)
    answer(alone, lambda masked: (all(verdict(masked, baseline)[0] for baseline in range(n)), nan))
    assert found(several) == found(alone)


@settings(max_examples=60, deadline=None)
@given(inquiry=inquiries(["survey"]), data=st.data())
def test_a_survey_of_scores_asks_the_first_alone(inquiry, data):
    (height, width), begin, _ = inquiry
    verdict, n, has_scores = data.draw(beside(height, width))
    assume(has_scores)
    known = {"intact": (True, 1.0), "blank": (False, 0.25)}
    several = begin(_core.Evidence(height, width, **known, baselines=n))
    alone = begin(_core.Evidence(height, width, **known))
    drive(several, verdict, capacity=5)
    drive(alone, lambda masked, _: verdict(masked, 0))
    assert several.surveyed().tobytes() == alone.surveyed().tobytes()


def test_the_strictest_goes_first_and_the_others_are_asked_where_it_passes():
    """Beside the last baseline all that masks the left half fails; beside the others everything passes."""

    def verdict(masked, baseline):
        return baseline != 2 or not masked[:, :8].any(), 1.0

    heat = np.zeros((16, 16), np.float32)
    evidence = _core.Evidence(16, 16, intact=(True, 1.0), baselines=3)
    nested = _core.Nested(evidence, heat, cells=8, floors=[0.0])
    baselines = [baseline for baseline, _, _ in drive(nested, verdict)]
    assert baselines[:3] == [0, 1, 2]
    assert baselines[3] == 2
    assert set(baselines[-3:]) <= {0, 1, 2}
    [(kept, is_minimal)] = nested.levels()
    assert is_minimal
    np.testing.assert_array_equal(kept, np.tile(np.arange(16) < 8, (16, 1)))


@pytest.mark.parametrize("n", [0, 17])
def test_baselines_out_of_range(n):
    with pytest.raises(ValueError, match=rf"^baselines is {n}; it must be from 1 to 16$"):
        _core.Evidence(4, 4, baselines=n)
