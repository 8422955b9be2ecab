"""The extraction equals the readable reference, and what it returns is sufficient and 1-minimal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import explanation_reference
import reference
from asking import answer, evidence, search
from dccausal import _core
from strategies import classifiers, options


def extract(verdict, heat, cells, min_score=0.0, **how):
    known = _core.Evidence(*heat.shape, intact=(True, 1.0))
    extraction = _core.Extraction(known, heat, cells=cells, min_score=min_score)
    answer(extraction, verdict, **how)
    return extraction


@st.composite
def cases(draw):
    height, width = draw(st.integers(2, 30)), draw(st.integers(2, 30))
    verdict = draw(classifiers(height, width))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    heat = rng.random((height, width), dtype=np.float32)
    if draw(st.booleans()):
        heat = np.round(heat * 3)  # ties
    return verdict, heat, draw(st.sampled_from([1, 3, 6, 13])), draw(st.sampled_from([0.0, 0.4]))


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_equals_the_reference(case):
    verdict, heat, cells, min_score = case
    assume(verdict(np.zeros(heat.shape, dtype=bool))[1] >= min_score)

    def rounded(masked):
        passing, score = verdict(masked)
        return (passing, float(np.float32(score))) if masked.any() else (True, 1.0)

    grown, kept, ranked = explanation_reference.explanation(
        rounded, heat, cells, float(np.float32(min_score))
    )
    extraction = extract(verdict, heat, cells, min_score)
    np.testing.assert_array_equal(extraction.grown(), grown)
    np.testing.assert_array_equal(extraction.kept(), kept)
    ranks = extraction.ranks()
    assert [ranks[block] for block in ranked] == list(range(len(ranked)))


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(), opts=options(), cells=st.sampled_from([3, 6, 13]), min_score=st.sampled_from([0.0, 0.4])
)
def test_equals_the_reference_after_a_search(data, opts, cells, min_score):
    verdict = data.draw(classifiers(opts.height, opts.width))
    seen = []

    def once(masked):
        passing, score = verdict(masked)
        seen.append((masked.copy(), (passing, float(np.float32(score)))))
        return passing, score

    shared = evidence(opts)
    begun = search(opts, shared)
    answer(begun, once)
    known = {masked.tobytes(): found for masked, found in seen}
    known[np.zeros((opts.height, opts.width), dtype=bool).tobytes()] = (True, 1.0)
    searched = list(seen)

    def remembered(masked):
        passing, score = verdict(masked)
        return known.get(masked.tobytes(), (passing, float(np.float32(score))))

    heat = begun.heatmap()
    grown, kept, _ = explanation_reference.explanation(
        remembered, heat, cells, float(np.float32(min_score)), searched
    )
    extraction = _core.Extraction(shared, heat, cells=cells, min_score=min_score)
    answer(extraction, verdict)
    assume(extraction.stage == "minimal")
    np.testing.assert_array_equal(extraction.grown(), grown)
    np.testing.assert_array_equal(extraction.kept(), kept)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_every_set_on_the_way_is_a_prefix_of_the_ranking(case):
    verdict, heat, cells, _ = case
    extraction = extract(verdict, heat, cells)
    blocks, ranks = explanation_reference.Blocks.of(*heat.shape, cells), extraction.ranks()

    def prefix(n):
        return blocks.pixels(frozenset(block for block in blocks.all() if ranks[block] < n))

    n_kept = sum(1 for block in blocks.all() if extraction.kept()[blocks.pixels(frozenset([block]))].all())
    np.testing.assert_array_equal(prefix(n_kept), extraction.kept())
    n_grown = sum(1 for block in blocks.all() if extraction.grown()[blocks.pixels(frozenset([block]))].all())
    np.testing.assert_array_equal(prefix(n_grown), extraction.grown())


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_sufficient_and_no_block_can_go(case):
    verdict, heat, cells, _ = case
    extraction = extract(verdict, heat, cells)
    assert extraction.stage == "minimal"
    kept = extraction.kept()
    blocks = explanation_reference.Blocks.of(*heat.shape, cells)
    assert extraction.grid == (len(blocks.rows) - 1, len(blocks.columns) - 1)
    assert verdict(~kept)[0]
    for block in blocks.all():
        pixels = blocks.pixels(frozenset([block]))
        assert kept[pixels].all() or not kept[pixels].any()
        if kept[pixels].any():
            assert not verdict(~(kept & ~pixels))[0]


@settings(max_examples=30, deadline=None)
@given(case=cases(), capacity=st.sampled_from([1, 7, 64]), in_flight=st.sampled_from([1, 4]))
def test_batches_change_nothing(case, capacity, in_flight):
    verdict, heat, cells, _ = case
    plain = extract(verdict, heat, cells)
    other = extract(verdict, heat, cells, capacity=capacity, in_flight=in_flight)
    np.testing.assert_array_equal(plain.kept(), other.kept())
    assert plain.n_calls == other.n_calls


def test_labels_without_scores_will_do():
    heat = np.arange(256, dtype=np.float32).reshape(16, 16)
    extraction = extract(lambda masked: (not masked[3:5, 3:5].any(), float("nan")), heat, 8)
    assert (
        extraction.kept().sum() == 16
    )  # four blocks of two by two meet the region of two by two at odd offsets


def test_a_floor_that_is_never_reached_stops():
    heat = np.zeros((16, 16), np.float32)
    extraction = extract(lambda _: (True, 0.25), heat, 4, min_score=2.0)
    assert extraction.stage == "stopped"
    assert extraction.kept().all()


def test_what_the_search_knows_is_not_asked_again():
    opts = reference.Options(height=16, width=16, partitions=3)
    asked = []

    def verdict(masked):
        asked.append(masked.tobytes())
        return not masked[2:6, 2:6].any(), 0.5

    known = evidence(opts, blank=(False, 0.1))
    begun = search(opts, known)
    answer(begun, verdict)
    extraction = _core.Extraction(known, begun.heatmap(), cells=8, min_score=0.0)
    answer(extraction, verdict)
    assert begun.is_done
    assert len(asked) == len(set(asked)) == begun.n_calls + extraction.n_calls == known.n_calls
    assert np.ones((16, 16), dtype=bool).tobytes() not in asked
    assert np.zeros((16, 16), dtype=bool).tobytes() not in asked


def test_growth_asks_about_the_smallest_set_seen_and_a_prefix_of_half_its_length():
    def verdict(masked):
        return not masked[2:6, 2:6].any(), 0.5

    opts = reference.Options(height=32, width=32, partitions=3, world="sufficient")
    known = evidence(opts)
    answer(search(opts, known), verdict)
    heat = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)  # hottest where nothing is needed
    extraction = _core.Extraction(known, heat, cells=16, min_score=0.0)
    shown = []
    while extraction.stage == "growth":
        batch = extraction.propose(64)
        shown += [~masked for masked in batch.masked()]
        passing = np.array([verdict(~kept)[0] for kept in shown[-len(batch) :]])
        extraction.submit(batch.id, passing, np.full(len(batch), 0.5, dtype=np.float32))
    smallest, prefix = shown
    np.testing.assert_array_equal(extraction.grown(), smallest)
    assert prefix.sum() // 4 == smallest.sum() // 4 // 2
    assert prefix[-1, -1]


def test_a_budget_that_ends_in_growth_leaves_the_smallest_set_seen():
    opts = reference.Options(height=32, width=32, partitions=3, world="sufficient")

    def verdict(masked):
        return not masked[2:6, 2:6].any(), 0.5

    known = evidence(opts)
    begun = search(opts, known)
    known.max_calls = answer(begun, verdict) + 1
    extraction = _core.Extraction(known, begun.heatmap(), cells=16, min_score=0.0)
    answer(extraction, verdict)
    assert extraction.stage == "stopped"
    assert verdict(~extraction.kept())[0]
    assert extraction.kept().mean() <= 0.5


def test_the_budget_counts_the_search_too():
    opts = reference.Options(height=16, width=16, partitions=3)
    known = evidence(opts, max_calls=30)
    begun = search(opts, known, max_calls=20)
    answer(begun, lambda masked: (not masked[2:6, 2:6].any(), 0.5))
    extraction = _core.Extraction(known, begun.heatmap(), cells=8, min_score=0.0)
    answer(extraction, lambda masked: (not masked[2:6, 2:6].any(), 0.5))
    assert (begun.n_calls, extraction.n_calls, known.n_calls) == (20, 10, 30)
    assert extraction.stage == "stopped"
    assert extraction.kept()[2:6, 2:6].all()


@pytest.mark.parametrize(
    ("cells", "min_score", "shape", "text"),
    [
        (0, 0.0, (16, 16), "grid is 0; it must be from 1 to 256 blocks a side"),
        (8, -1.0, (16, 16), "min_score is -1; it must be at least 0"),
        (8, 0.0, (16, 15), "heatmap is 16 x 15; it must be one value a pixel"),
    ],
)
def test_options_out_of_range(cells, min_score, shape, text):
    known = _core.Evidence(16, 16)
    with pytest.raises(ValueError, match=r"^") as caught:
        _core.Extraction(known, np.zeros(shape, np.float32), cells=cells, min_score=min_score)
    assert str(caught.value) == text
