"""Nested sets as the readable reference finds them, on the lattice of an image."""

from __future__ import annotations

import numpy as np

import explanation_reference
import nested_reference

FLOORS = [(0.0,), (0.4,), (0.9, 0.5, 0.0), (0.6, 0.6, 0.2), (0.5, 0.0)]


def expected_by(ask, heat, cells, floors):
    """What the reference finds; ``ask`` takes the masks of a round, (H, W) each, and the floor."""
    blocks = explanation_reference.Blocks.of(*heat.shape, cells)
    shape = len(blocks.rows) - 1, len(blocks.columns) - 1

    def pixels(kept):
        return blocks.pixels(frozenset(map(tuple, np.argwhere(kept).tolist())))

    def mean(block):
        total, values = 0.0, heat[blocks.pixels(frozenset([block]))].tolist()
        for value in values:
            total += value
        return total / len(values)

    means = np.array([mean(block) for block in blocks.all()]).reshape(shape)
    found = nested_reference.Nested(
        lambda sets, floor: ask([~pixels(kept) for kept in sets], floor), means, floors
    )
    found.run()
    levels = [(pixels(kept), is_minimal) for kept, is_minimal in found.levels()]
    return found, levels, None if found.grown is None else pixels(found.grown)


def assert_same(nested, found):
    reached, levels, grown, _ = found
    assert nested.stage == reached.stage
    assert nested.level == min(len(reached.sets), len(levels) - 1)
    assert [is_minimal for _, is_minimal in nested.levels()] == [is_minimal for _, is_minimal in levels]
    for (kept, _), (other, _) in zip(nested.levels(), levels, strict=True):
        np.testing.assert_array_equal(kept, other)
    np.testing.assert_array_equal(nested.grown(), grown)
