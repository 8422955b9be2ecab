"""The search equals the readable reference, and nothing but the options decides its result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evidence_reference
import explanation_reference
import reference
import survey_reference
from asking import answer, evidence, search
from dccausal import _core
from strategies import classifiers, options

PAPER = reference.Options(height=64, width=48, partitions=8)


def both_corners(masked):
    return not masked[4:10, 4:10].any() and not masked[54:60, 38:44].any(), 0.5


def either_corner(masked):
    return not masked[4:10, 4:10].any() or not masked[54:60, 38:44].any(), 0.5


def rounded(verdict):
    """The verdict as the core gets it: scores are float32, and the intact image has 1."""

    def single(masked):
        passing, score = verdict(masked)
        return (passing, float(np.float32(score))) if masked.any() else (True, 1.0)

    return single


@settings(max_examples=150, deadline=None)
@given(data=st.data(), opts=options())
def test_equals_the_reference(data, opts):
    verdict = data.draw(classifiers(opts.height, opts.width))
    found = search(opts)
    answer(found, verdict)
    expected = reference.heatmap(rounded(verdict), opts)
    np.testing.assert_array_equal(found.heatmap(), expected)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    opts=options(max_side=14, max_partitions=6),
    reach=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    audit=st.sampled_from([0.0, 0.3, 1.0]),
    wave=st.integers(1, 6),
)
def test_shared_evidence_equals_the_reference(data, opts, reach, audit, wave):
    verdict = data.draw(classifiers(opts.height, opts.width))
    found = search(opts, reach=reach, audit=audit, wave=wave)
    n = answer(found, verdict)
    expected, shared, n_asked = evidence_reference.shared_heatmap(
        rounded(verdict), opts, reach=reach, audit=audit, wave=wave
    )
    counts = found.counts()
    told = [counts[name] for name in ("inferred", "audited", "audited_wrong", "reach")]
    assert told == [shared.n_inferred, shared.n_audited, shared.n_wrong, shared.reach]
    assert n == n_asked
    np.testing.assert_array_equal(found.heatmap(), expected)


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    opts=options(max_side=16),
    masked=st.lists(st.integers(2, 5), max_size=3),
    shown=st.lists(st.integers(2, 5), max_size=2),
    balanced=st.lists(st.integers(2, 4), max_size=2),
    has_scores=st.booleans(),
    capacity=st.sampled_from([1, 64]),
)
def test_the_survey_is_added_to_the_mean_over_partitions(
    data, opts, masked, shown, balanced, has_scores, capacity
):
    scored = data.draw(classifiers(opts.height, opts.width))

    def verdict(masked):
        passing, score = scored(masked)
        return passing, score if has_scores else float("nan")

    blank = rounded(verdict)(np.ones((opts.height, opts.width), dtype=bool))
    intact = (True, 1.0 if has_scores else float("nan"))
    plain = search(opts, evidence(opts, blank=blank, intact=intact))
    lattices = {"survey": masked, "shown": shown, "balanced": balanced}
    found = search(opts, evidence(opts, blank=blank, intact=intact), **lattices)
    n_plain, n = answer(plain, verdict), answer(found, verdict, capacity=capacity, in_flight=2)
    assert found.partitions().tobytes() == plain.partitions().tobytes() == plain.heatmap().tobytes()
    assert plain.surveyed() is None
    expected = plain.heatmap()
    if masked or shown or balanced:
        sides = (masked, shown, balanced)
        surveyed = survey_reference.survey(rounded(verdict), opts.height, opts.width, *sides, blank[1])
        np.testing.assert_allclose(found.surveyed(), surveyed, atol=1e-6)
        expected = (plain.heatmap() / (plain.heatmap().max() or 1) + surveyed) / 2
    np.testing.assert_allclose(found.heatmap(), expected, atol=1e-6)
    n_blocks = [
        [len(explanation_reference.Blocks.of(opts.height, opts.width, side).all()) for side in kind]
        for kind in (masked + shown, balanced)
    ]
    most = sum(n_blocks[0]) + sum(survey_reference.n_runs(n) for n in n_blocks[1])
    assert n_plain <= n <= n_plain + most
    counts, plain_counts = found.counts(), plain.counts()
    assert counts["exhaustive"] == plain_counts["exhaustive"] + most
    assert counts["verdicts"] == plain_counts["verdicts"] + most
    assert n <= counts["verdicts"] <= counts["exhaustive"]


@pytest.mark.parametrize(
    ("budget", "lattices"), [(31, 0), (32, 1), (81, 1), (82, 2), (113, 2), (114, 3), (10_000, 3), (None, 3)]
)
def test_of_a_budget_whole_lattices_take_half(budget, lattices):
    opts = reference.Options(height=48, width=48, partitions=20)

    def surveyed(n):
        how = {"survey": (4, 5)[:n], "shown": (4,)[: max(n - 2, 0)]}
        found = search(opts, evidence(opts, blank=(False, 0.0)), **how, max_calls=budget)
        return answer(found, graded), found.heatmap().tobytes()

    def graded(masked):
        return both_corners(masked)[0], 1 - float(masked.mean())

    assert surveyed(3) == surveyed(lattices)
    if lattices:
        assert surveyed(3) != surveyed(lattices - 1)


def test_a_survey_is_not_told_before_it_is_over():
    begun = search(PAPER, survey=[4], shown=[3])
    batch = begun.propose(24)
    passing, scores = np.ones(24, dtype=bool), np.full(24, 0.5, dtype=np.float32)
    assert begun.surveyed() is None
    begun.submit(batch.id, passing, scores)
    assert begun.surveyed() is None
    answer(begun, both_corners)
    assert begun.surveyed().max() == 1


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    opts=options(max_partitions=8),
    reach=st.sampled_from([0.2, 1.0]),
    audit=st.sampled_from([0.0, 0.3]),
    capacity=st.sampled_from([1, 3, 64]),
    newest_first=st.booleans(),
)
def test_batches_change_nothing_of_what_is_shared(data, opts, reach, audit, capacity, newest_first):
    verdict = data.draw(classifiers(opts.height, opts.width))
    how = {"reach": reach, "audit": audit, "wave": 2, "survey": data.draw(st.sampled_from([(), (2, 3)]))}
    plain, other = search(opts, **how), search(opts, **how)
    n_plain = answer(plain, verdict)
    n_other = answer(other, verdict, capacity=capacity, in_flight=3, newest_first=newest_first)
    assert plain.heatmap().tobytes() == other.heatmap().tobytes()
    assert n_plain == n_other
    assert plain.counts() == other.counts()


def test_shared_evidence_saves_questions_where_masking_more_never_restores_the_label():
    opts = reference.Options(height=64, width=48, partitions=50)
    own, shared = search(opts), search(opts, reach=1.0, audit=0.1, wave=5)
    n_own, n_shared = answer(own, both_corners), answer(shared, both_corners)
    counts = shared.counts()
    assert n_shared < 0.4 * n_own
    assert counts["audited"] > 20
    assert counts["audited_wrong"] == 0
    np.testing.assert_array_equal(own.heatmap(), shared.heatmap())


def test_audits_narrow_the_reach_where_inference_errs():
    opts = reference.Options(height=48, width=48, partitions=60, world="contingency")
    found = search(opts, reach=1.0, audit=0.3, wave=4)

    def erratic(masked):
        return bool(reference.mix(int.from_bytes(np.packbits(masked)[-64:].tobytes(), "big")) % 2), 0.5

    answer(found, erratic)
    counts = found.counts()
    assert counts["audited_wrong"] > 0.15 * counts["audited"]
    assert counts["reach"] < 1.0


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    opts=options(max_partitions=6),
    capacity=st.sampled_from([1, 3, 7, 64]),
    in_flight=st.sampled_from([1, 4]),
    newest_first=st.booleans(),
)
def test_batches_change_nothing(data, opts, capacity, in_flight, newest_first):
    verdict = data.draw(classifiers(opts.height, opts.width))
    plain, other = search(opts), search(opts)
    n_plain = answer(plain, verdict)
    n_other = answer(other, verdict, capacity=capacity, in_flight=in_flight, newest_first=newest_first)
    assert plain.heatmap().tobytes() == other.heatmap().tobytes()
    assert n_plain == n_other == plain.n_calls == other.n_calls
    assert plain.counts() == other.counts()


@settings(max_examples=50, deadline=None)
@given(data=st.data(), opts=options(max_partitions=6), wave=st.integers(1, 6))
def test_waves_change_no_heatmap(data, opts, wave):
    verdict = data.draw(classifiers(opts.height, opts.width))
    together, one_by_one = search(opts), search(opts, wave=wave)
    answer(together, verdict)
    answer(one_by_one, verdict)
    assert together.heatmap().tobytes() == one_by_one.heatmap().tobytes()


@settings(max_examples=50, deadline=None)
@given(data=st.data(), opts=options(max_partitions=6))
def test_no_question_is_asked_twice(data, opts):
    verdict = data.draw(classifiers(opts.height, opts.width))
    seen = set()

    def once(masked):
        assert masked.any()
        assert masked.tobytes() not in seen
        seen.add(masked.tobytes())
        return verdict(masked)

    answer(search(opts), once)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), opts=options(max_partitions=6), budget=st.integers(1, 60))
def test_a_budget_is_kept_and_exact(data, opts, budget):
    verdict = data.draw(classifiers(opts.height, opts.width))
    one, other = search(opts, max_calls=budget), search(opts, max_calls=budget)
    n = answer(one, verdict)
    answer(other, verdict, capacity=3, in_flight=2)
    assert n <= budget
    assert one.is_done
    assert one.heatmap().tobytes() == other.heatmap().tobytes()
    assert np.isfinite(one.heatmap()).all()


def test_the_seed_decides():
    heatmaps = set()
    for seed in range(4):
        found = search(reference.Options(height=64, width=48, partitions=4, seed=seed))
        answer(found, both_corners)
        heatmaps.add(found.heatmap().tobytes())
    assert len(heatmaps) == 4


@pytest.mark.parametrize("world", ["intact", "contingency", "sufficient", "both"])
@pytest.mark.parametrize("weighting", ["shares", "leaf", "score"])
def test_conjunctive_evidence_is_found(world, weighting):
    opts = reference.Options(height=64, width=48, partitions=16, world=world, weighting=weighting)
    found = search(opts)
    answer(found, both_corners)
    heatmap = found.heatmap()
    inside = (heatmap[4:10, 4:10].mean() + heatmap[54:60, 38:44].mean()) / 2
    assert inside > 3 * heatmap.mean()


@pytest.mark.parametrize("weighting", ["shares", "leaf"])
def test_redundant_evidence_is_found_in_the_world_of_the_contingency(weighting):
    opts = reference.Options(height=64, width=48, partitions=16, world="contingency", weighting=weighting)
    found = search(opts)
    answer(found, either_corner)
    heatmap = found.heatmap()
    assert min(heatmap[4:10, 4:10].mean(), heatmap[54:60, 38:44].mean()) > 3 * heatmap.mean()


def test_lazy_asking_saves_a_quarter():
    found = search(reference.Options(height=64, width=48, partitions=50))
    n = answer(found, both_corners)
    assert n == found.n_calls
    assert n <= 0.75 * found.counts()["exhaustive"]


def test_an_unfinished_search_has_a_heatmap():
    found = search(PAPER)
    for _ in range(3):
        batch = found.propose(16)
        passing = np.array([both_corners(masked)[0] for masked in batch.masked()])
        found.submit(batch.id, passing, np.zeros(len(batch), np.float32))
    assert not found.is_done
    assert 0 < found.progress < 1
    assert found.heatmap().shape == (64, 48)
    assert np.isclose(found.heatmap().sum(), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"partitions": 0}, "partitions is 0; it must be from 1 to 4096"),
        ({"min_side": 0.0}, "min_side is 0; it must be above 0 and at most 1"),
        ({"min_side": float("nan")}, "min_side is NaN; it must be above 0 and at most 1"),
        ({"concentration": 0}, "concentration is 0; it must be from 1 to 64"),
        ({"survey": [4, 1]}, "survey is 1; it must be from 2 to 32 superpixels a side"),
        ({"shown": [4, 1]}, "shown is 1; it must be from 2 to 32 superpixels a side"),
        ({"balanced": [4, 16]}, "balanced is 16; it must be from 2 to 15 superpixels a side"),
        ({"balanced": [1]}, "balanced is 1; it must be from 2 to 15 superpixels a side"),
        ({"survey": [33]}, "survey is 33; it must be from 2 to 32 superpixels a side"),
        ({"world": "flat"}, 'world is "flat"; it must be "intact", "contingency", "sufficient" or "both"'),
        ({"weighting": "none"}, 'weighting is "none"; it must be "shares", "leaf" or "score"'),
    ],
)
def test_options_out_of_range(changes, text):
    with pytest.raises(ValueError, match=r"^") as caught:
        search(PAPER, **changes)
    assert str(caught.value) == text


def test_a_batch_is_submitted_once_and_whole():
    found = search(PAPER)
    batch = found.propose(4)
    ones, zeros = np.ones(4, dtype=bool), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="got 3 verdicts; the batch asked 4 questions"):
        found.submit(batch.id, ones[:3], zeros[:3])
    with pytest.raises(ValueError, match="got 3 verdicts; the batch asked 4 questions"):
        found.submit(batch.id, ones, zeros[:3])
    found.submit(batch.id, ones, zeros)
    with pytest.raises(ValueError, match="is not in flight"):
        found.submit(batch.id, ones, zeros)


def test_the_extension_is_a_release_build():
    assert not _core.is_debug_build
