"""Evidence is shared: searches and extractions ask nothing twice and draw on one budget."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest

import reference
from asking import answer, evidence, search
from dccausal import _core

OPTIONS = reference.Options(height=24, width=20, partitions=6, world="contingency")


def corner(masked):
    return not masked[2:6, 2:6].any(), 0.5


def heat():
    return np.random.default_rng(0).random((24, 20), dtype=np.float32)


def test_an_extraction_needs_no_search():
    known = _core.Evidence(24, 20)
    extraction = _core.Extraction(known, heat(), cells=6, min_score=0.0)
    n = answer(extraction, corner)
    assert extraction.stage == "minimal"
    assert n == extraction.n_calls == known.n_calls
    assert (known.height, known.width, known.max_calls) == (24, 20, None)


def test_a_second_search_asks_nothing_that_the_first_has_asked():
    known = evidence(OPTIONS)
    first = search(OPTIONS, known)
    n = answer(first, corner)
    second = search(OPTIONS, known)
    assert answer(second, corner) == second.n_calls == 0
    assert second.is_done
    assert known.n_calls == n
    assert first.heatmap().tobytes() == second.heatmap().tobytes()


def test_a_surveyed_search_on_full_evidence_has_the_same_heatmap():
    known = evidence(OPTIONS)
    first = search(OPTIONS, known, survey=[3, 4])
    answer(first, corner)
    second = search(OPTIONS, known, survey=[3, 4])
    assert second.is_done
    assert first.heatmap().tobytes() == second.heatmap().tobytes()


def test_inquiries_may_take_turns():
    known = evidence(OPTIONS)
    one, other = search(OPTIONS, known), _core.Extraction(known, heat(), cells=6, min_score=0.0)
    seen = []
    while not (one.is_done and other.is_done):
        for inquiry in (one, other):
            batch = inquiry.propose(4)
            if batch is not None:
                masked = batch.masked()
                seen += [image.tobytes() for image in masked]
                passing = np.array([corner(image)[0] for image in masked])
                inquiry.submit(batch.id, passing, np.full(len(batch), 0.5, np.float32))
    assert len(seen) == len(set(seen)) == known.n_calls == one.n_calls + other.n_calls
    alone = search(OPTIONS)
    answer(alone, corner)
    assert one.heatmap().tobytes() == alone.heatmap().tobytes()


def test_a_batch_is_submitted_to_whoever_proposed_it():
    known = evidence(OPTIONS)
    one, other = search(OPTIONS, known), _core.Extraction(known, heat(), cells=6, min_score=0.0)
    batch = one.propose(4)
    with pytest.raises(ValueError, match="is not in flight"):
        other.submit(batch.id, np.ones(4, dtype=bool), np.ones(4, np.float32))


def test_calls_made_outside_count():
    known = evidence(OPTIONS, max_calls=50)
    known.spend(30)
    found = search(OPTIONS, known)
    assert answer(found, corner) == 20
    assert found.is_done
    assert known.n_calls == 50


def test_a_budget_that_is_spent_meanwhile_ends_a_search():
    known = evidence(OPTIONS, max_calls=50)
    found = search(OPTIONS, known)
    assert found.propose(1) is not None
    pending = found.propose(2)
    known.max_calls = 3
    assert found.propose(8) is None
    assert not found.is_done
    found.submit(pending.id, np.ones(2, dtype=bool), np.ones(2, np.float32))
    assert not found.is_done
    found.submit(0, np.ones(1, dtype=bool), np.ones(1, np.float32))
    assert found.is_done


def test_threads_may_share_evidence():
    known = evidence(OPTIONS)
    searches = [search(OPTIONS, known, seed=seed) for seed in range(4)]
    threads = [Thread(target=answer, args=(found, corner)) for found in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(found.is_done for found in searches)
    assert known.n_calls == sum(found.n_calls for found in searches)


@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_a_heatmap_is_read_row_by_row_however_it_lies(layout):
    values = heat()
    given = {
        "C": values,
        "F": np.asfortranarray(values),
        "strided": np.repeat(values, 2, axis=1)[:, ::2],
    }[layout]
    extraction = _core.Extraction(_core.Evidence(24, 20), given, cells=6, min_score=0.0)
    answer(extraction, corner)
    plain = _core.Extraction(_core.Evidence(24, 20), values, cells=6, min_score=0.0)
    answer(plain, corner)
    np.testing.assert_array_equal(extraction.ranks(), plain.ranks())


@pytest.mark.parametrize("side", [0, 1, 65536])
def test_sides_out_of_range(side):
    with pytest.raises(ValueError, match=f"height is {side}; it must be at least 2 pixels and at most 65535"):
        _core.Evidence(side, 20)


@pytest.mark.parametrize("n_calls", [-1, 2**64, 10**30, 10**5000], ids=["-1", "2^64", "10^30", "10^5000"])
def test_no_number_of_calls_is_too_large_to_be_refused(n_calls):
    known = evidence(OPTIONS)
    with pytest.raises(ValueError, match=r"max_calls is .*; it must be from 0 to 18446744073709551615"):
        _core.Evidence(24, 20, max_calls=n_calls)
    with pytest.raises(ValueError, match="max_calls is"):
        known.max_calls = n_calls
    with pytest.raises(ValueError, match="n_calls is"):
        known.spend(n_calls)
    with pytest.raises(ValueError, match="max_calls is"):
        search(OPTIONS, known, max_calls=n_calls)
    known.spend(2**64 - 1)
    known.spend(2**64 - 1)
    assert known.n_calls == 2**64 - 1
