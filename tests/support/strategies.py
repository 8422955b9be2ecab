"""Random classifiers of masked pixels, and random options, for property tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference


@st.composite
def boxes(draw: st.DrawFn, height: int, width: int) -> tuple[int, int, int, int]:
    top = draw(st.integers(0, height - 1))
    left = draw(st.integers(0, width - 1))
    return top, left, draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))


@st.composite
def classifiers(draw: st.DrawFn, height: int, width: int) -> Any:
    """A function from masked (H, W) to (is passing, score): threshold, planted or not monotone at all.

    The intact image always passes.
    """
    kind = draw(st.sampled_from(["planted", "weighted", "erratic"]))
    regions = draw(st.lists(boxes(height, width), min_size=1, max_size=4))
    needed = draw(st.integers(1, len(regions)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.normal(0.6, 1, (height, width))

    def planted(masked: NDArray[np.bool_]) -> tuple[bool, float]:
        visible = [1 - masked[t:b, x:r].mean() for t, x, b, r in regions]
        return sum(share > 0.5 for share in visible) >= needed, float(np.mean(visible))

    def weighted(masked: NDArray[np.bool_]) -> tuple[bool, float]:
        score = weights[~masked].sum() / abs(weights.sum())
        return not masked.any() or score > 0.3, float(score)

    def erratic(masked: NDArray[np.bool_]) -> tuple[bool, float]:
        number = reference.mix(int.from_bytes(np.packbits(masked).tobytes()[-8:], "big") ^ int(masked.sum()))
        return not masked.any() or number % 3 > 0, number / 2.0**64

    return {"planted": planted, "weighted": weighted, "erratic": erratic}[kind]


@st.composite
def additive(draw: st.DrawFn, height: int, width: int) -> Any:
    """Scores that fall with everything that is masked of some boxes: what a good classifier is nearly like."""
    regions = draw(st.lists(boxes(height, width), min_size=1, max_size=3))
    weights = np.full((height, width), 1e-3)
    for top, left, bottom, right in regions:
        weights[top:bottom, left:right] += 1
    threshold = draw(st.sampled_from([0.1, 0.3, 0.7]))

    def verdict(masked: NDArray[np.bool_]) -> tuple[bool, float]:
        score = weights[~masked].sum() / weights.sum()
        return not masked.any() or score > threshold, float(score)

    return verdict


@st.composite
def options(draw: st.DrawFn, max_side: int = 24, max_partitions: int = 3) -> reference.Options:
    return reference.Options(
        height=draw(st.integers(2, max_side)),
        width=draw(st.integers(2, max_side)),
        partitions=draw(st.integers(1, max_partitions)),
        seed=draw(st.integers(0, 2**64 - 1)),
        world=draw(st.sampled_from(["intact", "contingency", "sufficient", "both"])),
        weighting=draw(st.sampled_from(["shares", "leaf", "score"])),
        min_side=draw(st.sampled_from([0.05, 0.1, 0.25, 1.0])),
        refine_equal=draw(st.booleans()),
        concentration=draw(st.integers(1, 5)),
    )


@st.composite
def lattices(draw: st.DrawFn, height: int, width: int) -> int | tuple[list[int], list[int]]:
    """Blocks a side, or lines between them."""
    if draw(st.booleans()):
        return draw(st.sampled_from([1, 2, 3, 5, 8]))
    rows, columns = (
        sorted({0, side, *draw(st.lists(st.integers(0, side), max_size=7))}) for side in (height, width)
    )
    return rows, columns
