"""Definition 2, the explanation, written to be read: its lattice, its growth and its shrinking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evidence_reference import fingerprint
from reference import Masked, Verdict


@dataclass
class Blocks:
    """The lattice over which the explanation is minimal. A set of blocks is a frozenset of (row, column)."""

    rows: list[int]
    columns: list[int]

    @classmethod
    def of(cls, height: int, width: int, cells: int | tuple[list[int], list[int]]) -> Blocks:
        """So many a side, or between lines: where rows begin and end, and columns."""
        if isinstance(cells, tuple):
            return cls(*cells)

        def boundaries(side: int) -> list[int]:
            n = min(cells, side)
            return [i * side // n for i in range(n + 1)]

        return cls(boundaries(height), boundaries(width))

    def all(self) -> list[tuple[int, int]]:
        return [(row, column) for row in range(len(self.rows) - 1) for column in range(len(self.columns) - 1)]

    def pixels(self, blocks: frozenset[tuple[int, int]]) -> Masked:
        kept = np.zeros((self.rows[-1], self.columns[-1]), dtype=bool)
        for row, column in blocks:
            kept[self.rows[row] : self.rows[row + 1], self.columns[column] : self.columns[column + 1]] = True
        return kept


def ranking(blocks: Blocks, heat: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Blocks by the mean of the heatmap over them, best first; equals in reading order."""

    def mean(block: tuple[int, int]) -> float:
        values = heat[blocks.pixels(frozenset([block]))]
        total = 0.0
        for value in values:
            total += float(value)
        return total / len(values)

    return sorted(blocks.all(), key=lambda block: -mean(block))


def explanation(
    verdict: Callable[[Masked], Verdict],
    heat: NDArray[np.float32],
    cells: int,
    min_score: float,
    seen: Sequence[tuple[Masked, Verdict]] = (),
) -> tuple[Masked, Masked, list[tuple[int, int]]]:
    """The sufficient set that shrinking starts from, the 1-minimal set that it shrinks to, and the ranking of blocks.

    ``seen`` are the mutants that the search has asked about.
    """
    blocks = Blocks.of(*heat.shape, cells)
    ranked = ranking(blocks, heat)

    def score(kept: frozenset[tuple[int, int]]) -> Verdict:
        """Whether the set is sufficient, and its score."""
        return judged(verdict(~blocks.pixels(kept)), min_score)

    grown = grow(ranked, score, covers(blocks, seen) if min_score <= 0 else [])
    if grown is None:
        everything = np.ones(heat.shape, dtype=bool)
        return everything, everything, ranked
    kept, dropped = grown, list[tuple[int, int]]()
    cells_a_side = max(len(blocks.rows), len(blocks.columns)) - 1
    coarsest = max(cells_a_side // 6, 1).bit_length() - 1
    for power in range(coarsest, -1, -1):
        kept = shrink(kept, 1 << power, ranked, score, dropped)
    inside, outside = [b for b in ranked if b in kept], [b for b in ranked if b not in grown]
    return blocks.pixels(grown), blocks.pixels(kept), inside + dropped[::-1] + outside


Score = Callable[[frozenset[tuple[int, int]]], Verdict]


def judged(verdict: Verdict, min_score: float) -> Verdict:
    """Whether a verdict reaches the floor, and a score to sort by where there is none."""
    is_passing, value = verdict
    is_enough = is_passing and (min_score <= 0 or value >= min_score)
    return is_enough, np.inf if np.isnan(value) else value


def covers(blocks: Blocks, seen: Sequence[tuple[Masked, Verdict]]) -> list[frozenset[tuple[int, int]]]:
    """The four smallest sets that the search has seen pass, as the blocks that they touch, the smallest first."""
    passing = [masked for masked, verdict in seen if verdict[0]]
    found: list[frozenset[tuple[int, int]]] = []
    for masked in sorted(passing, key=lambda masked: (-int(masked.sum()), fingerprint(masked))):
        cover = frozenset(b for b in blocks.all() if (blocks.pixels(frozenset([b])) & ~masked).any())
        if len(cover) <= len(blocks.all()) // 2 and len(found) < 4 and cover not in found:
            found.append(cover)
    return sorted(found, key=len)


def grow(
    ranked: list[tuple[int, int]], score: Score, seen: list[frozenset[tuple[int, int]]]
) -> frozenset[tuple[int, int]] | None:
    """Look for the shortest sufficient prefix: first among halvings, then among quarters of the gap.

    Where a smaller set has been seen to suffice, only prefixes of at most half its length are looked at.
    """
    cover = next((cover for cover in seen if score(cover)[0]), None)
    halvings = {max(len(ranked) >> times, 1) for times in range(7)}
    lengths = sorted(halvings if cover is None else {max(len(cover) // 2, 1)})
    failing, passing = 0, None
    while True:
        for length in lengths:
            if score(frozenset(ranked[:length]))[0]:
                passing = length
                break
            failing = length
        if passing is None:
            return cover
        gap = passing - failing
        if gap <= 1:
            return frozenset(ranked[:passing])
        lengths = sorted({failing + gap * step // 4 for step in (1, 2, 3)} - {failing}) or [failing + 1]


def shrink(
    kept: frozenset[tuple[int, int]],
    side: int,
    ranked: list[tuple[int, int]],
    score: Score,
    dropped: list[tuple[int, int]],
) -> frozenset[tuple[int, int]]:
    """Drop groups of side x side blocks, eight at a time and single ones four at a time, the worst ranked first.

    A group that was missed once is taken to be needed; single blocks are tried again, two at a time, after anything
    was dropped.
    """
    place = {block: i for i, block in enumerate(ranked)}
    by_key: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, column in sorted(kept):
        by_key.setdefault((row // side, column // side), []).append((row, column))

    def best_place(group: list[tuple[int, int]]) -> int:
        return min(place[block] for block in group)

    untried = sorted(by_key.values(), key=lambda group: -best_place(group))
    width = 8 if side > 1 else 4
    while True:
        missed: list[tuple[float, int, list[tuple[int, int]]]] = []
        has_dropped = False
        while untried:
            window, untried = untried[:width], untried[width:]
            tried = [(*score(kept.difference(group)), -best_place(group), group) for group in window]
            missed += [(value, worst, group) for suffices, value, worst, group in tried if not suffices]
            order = sorted((-value, worst, group) for suffices, value, worst, group in tried if suffices)
            n = longest_droppable_prefix(kept, [group for *_, group in order], score)
            for _, _, group in order[:n]:
                kept, has_dropped = kept.difference(group), True
                dropped += sorted(group, key=lambda block: -place[block])
            missed += [(-value, worst, group) for value, worst, group in order[n : n + 1]]
            untried = [group for *_, group in order[n + 1 :]] + untried
        if side > 1 or not has_dropped:
            return kept
        width = 2
        untried = [group for *_, group in sorted(missed, key=lambda item: (-item[0], item[1]))]


def longest_droppable_prefix(
    kept: frozenset[tuple[int, int]], groups: list[list[tuple[int, int]]], score: Score
) -> int:
    """How many of the groups, each droppable alone, can go together, from the first on, by halving."""
    if not groups:
        return 0
    passing, failing = 1, len(groups) + 1
    probe = len(groups)
    while failing - passing > 1:
        if score(kept.difference(*groups[:probe]))[0]:
            passing = probe
        else:
            failing = probe
        probe = (passing + failing) // 2
    return passing
