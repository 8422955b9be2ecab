"""The causal trees that are recorded: they are the heatmap, and recording changes nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from asking import answer, search
from dccausal import OptionError, explain
from dccausal.engine.many import explain_many
from dccausal.methods import explain_with
from strategies import classifiers, options

_RESPONSIBILITIES = [0, 1 / 4, 1 / 3, 1 / 2, 1]
_ONE = 1 << 50  # the core adds values up in fixed point, with 50 bits behind the point


def _rebuilt(trees, opts):
    """The heatmap that the leaves of the trees make, and how many of them lie over each pixel."""
    sums = np.zeros((opts.height, opts.width), dtype=np.int64)
    covered = np.zeros((opts.height, opts.width), dtype=np.int64)
    for tree in trees:
        for node in tree["nodes"]:
            if not node["is_refined"]:
                top, left, bottom, right = node["region"]
                stake = node["stake"] if opts.weighting == "score" else 1
                covered[top:bottom, left:right] += 1
                sums[top:bottom, left:right] += math.floor(node["responsibility"] * stake * _ONE + 0.5)
    return (sums * (1 / (_ONE * len(trees)))).astype(np.float32), covered


def _check_form(tree, opts):
    """Nodes are as the document says: whole image first, cuts of four, contingencies among siblings."""
    nodes = tree["nodes"]
    assert nodes[0]["region"] == [0, 0, opts.height, opts.width]
    assert (nodes[0]["parent"], nodes[0]["depth"], nodes[0]["contingency"]) == (None, 0, [])
    for first in range(1, len(nodes), 4):
        cut = nodes[first : first + 4]
        (parent,) = {node["parent"] for node in cut}
        assert parent < first
        assert {node["depth"] for node in cut} == {nodes[parent]["depth"] + 1}
        top, left, bottom, right = nodes[parent]["region"]
        row, column = cut[0]["region"][2:]
        assert [node["region"] for node in cut] == [
            [top, left, row, column],
            [top, column, row, right],
            [row, left, bottom, column],
            [row, column, bottom, right],
        ]
        for i, node in enumerate(cut, first):
            assert set(node["contingency"]) <= set(range(first, first + 4)) - {i}
            assert min(abs(node["responsibility"] - value) for value in _RESPONSIBILITIES) < 1e-12
            if node["responsibility"] == 0:
                assert node["contingency"] == []
            elif tree["world"] == "sufficient":
                assert node["responsibility"] == 1 / (4 - len(node["contingency"]))
            else:
                assert node["responsibility"] == 1 / (1 + len(node["contingency"]))
    assert {node["parent"] for node in nodes[1:]} == {i for i, node in enumerate(nodes) if node["is_refined"]}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), opts=options(max_partitions=5), wave=st.integers(1, 5))
def test_leaves_tile_the_image_and_are_the_heatmap(data, opts, wave):
    verdict = data.draw(classifiers(opts.height, opts.width))
    found = search(opts, trees=opts.partitions, wave=wave)
    answer(found, verdict)
    trees = found.trees()
    assert len(trees) == opts.partitions
    for tree in trees:
        _check_form(tree, opts)
    rebuilt, covered = _rebuilt(trees, opts)
    assert (covered == opts.partitions).all()
    if opts.weighting != "shares":
        np.testing.assert_array_equal(rebuilt, found.heatmap())


@settings(max_examples=75, deadline=None)
@given(data=st.data(), opts=options(max_partitions=5), budget=st.integers(1, 30))
def test_what_is_cut_short_is_recorded_as_the_heatmap_has_it(data, opts, budget):
    verdict = data.draw(classifiers(opts.height, opts.width))
    found = search(opts, trees=opts.partitions, max_calls=budget)
    batch = found.propose(3)
    rebuilt, covered = _rebuilt(found.trees(), opts)
    assert (covered == opts.partitions).all()
    if batch is not None:
        verdicts = [verdict(masked) for masked in batch.masked()]
        scores = np.array([score for _, score in verdicts], np.float32)
        found.submit(batch.id, np.array([passing for passing, _ in verdicts]), scores)
    answer(found, verdict)
    rebuilt, covered = _rebuilt(found.trees(), opts)
    assert (covered == opts.partitions).all()
    if opts.weighting != "shares":
        np.testing.assert_array_equal(rebuilt, found.heatmap())


@settings(max_examples=75, deadline=None)
@given(
    data=st.data(),
    opts=options(max_partitions=6),
    trees=st.integers(0, 8),
    reach=st.sampled_from([None, 0.5]),
    capacity=st.sampled_from([1, 5, 64]),
)
def test_recording_changes_nothing_else_and_batches_change_no_record(data, opts, trees, reach, capacity):
    verdict = data.draw(classifiers(opts.height, opts.width))
    how = {"reach": reach, "audit": 0.1, "wave": 2}
    plain, recorded, other = (search(opts, trees=n, **how) for n in (0, trees, trees))
    n_plain = answer(plain, verdict)
    assert answer(recorded, verdict) == n_plain
    answer(other, verdict, capacity=capacity, in_flight=3, newest_first=True)
    assert recorded.heatmap().tobytes() == plain.heatmap().tobytes()
    assert recorded.counts() == plain.counts()
    assert plain.trees() == []
    assert recorded.trees() == other.trees()
    assert len(recorded.trees()) == min(trees, opts.partitions)


@pytest.mark.parametrize("world", ["intact", "contingency", "sufficient"])
def test_a_contingency_is_what_has_to_be_masked(world):
    """Asked again by the record alone, in the worlds that it tells of."""
    opts = reference.Options(height=48, width=40, partitions=6, world=world)

    def either(masked):
        return not masked[4:10, 4:10].any() or not masked[36:44, 30:38].any(), 0.5

    found = search(opts, trees=6)
    answer(found, either)
    n_checked = 0
    for tree in found.trees():
        nodes = tree["nodes"]
        for i, node in enumerate(nodes):
            if node["responsibility"] == 0:
                continue
            masked = np.zeros((opts.height, opts.width), dtype=bool)
            above = node["parent"]
            while world != "intact" and above is not None:
                _mask(masked, nodes, nodes[above]["contingency"])
                above = nodes[above]["parent"]
            _mask(masked, nodes, node["contingency"])
            assert either(masked)[0]
            if world != "sufficient":
                _mask(masked, nodes, [i])
                assert not either(masked)[0]
            n_checked += 1
    assert n_checked > 10


def _mask(masked, nodes, places):
    for place in places:
        top, left, bottom, right = nodes[place]["region"]
        masked[top:bottom, left:right] = True


def _spot():
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[40:48, 8:16, 0] = 255
    return photo, lambda images: (images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) > 200).astype(int)


def test_explanations_have_the_trees_that_were_asked_for():
    photo, classify = _spot()
    plain, recorded = (explain(photo, classify, partitions=4, grid=8, trees=n) for n in (0, 3))
    assert plain.trees == ()
    assert len(recorded.trees) == 3
    assert recorded.provenance["trees"] == 3
    assert recorded.heatmap.tobytes() == plain.heatmap.tobytes()
    assert recorded.kept.tobytes() == plain.kept.tobytes()
    assert recorded.statistics["model_calls"] == plain.statistics["model_calls"]
    ((_, one),) = explain_many([photo], classify, partitions=4, grid=8, trees=3)
    assert one.trees == recorded.trees
    more = explain(photo, classify, partitions=2, grid=8, trees=16)
    assert len(more.trees) == 2


@pytest.mark.parametrize("trees", [-1, 17, 1.5, True])
def test_more_trees_than_may_be_are_refused(trees):
    with pytest.raises(OptionError, match="trees"):
        explain(*_spot(), trees=trees)


def test_other_methods_have_no_trees():
    photo, _ = _spot()

    def classify(images):
        red = images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) / 255
        return np.stack([1 - red, red], axis=1)

    found = explain_with("occlusion", photo, classify, grid=8, baseline="black")
    assert found.trees == ()
    assert "trees" not in found.provenance
