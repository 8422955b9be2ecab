"""The method, written to be read: the specification that the compiled core has to equal.

Everything is an array of pixels and a plain loop. Nothing is saved: every subset of every region is asked, sets are
boolean arrays, and the heatmap is added up pixel by pixel. ``passes`` is the classifier: a function from ``masked``, a
boolean (H, W) array, to whether the label is still given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Masked = NDArray[np.bool_]
Passes = Callable[[Masked], bool]
Region = tuple[int, int, int, int]  # top, left, bottom, right

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
SUPERPIXELS = range(4)


@dataclass(frozen=True, kw_only=True)
class Options:
    height: int
    width: int
    partitions: int = 50
    seed: int = 0
    world: str = "intact"
    weighting: str = "shares"
    min_side: float = 0.1
    refine_equal: bool = False
    concentration: int = 1


# --- Random cuts: a function of the seed, the partition and the path in its tree -------------------------------------


def mix(value: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)


def root_path(seed: int, partition: int) -> int:
    return mix(mix((seed + GOLDEN) & WORD) ^ ((partition + 1) * GOLDEN & WORD))


def child_path(path: int, superpixel: int) -> int:
    return mix(path ^ ((superpixel + 1) * GOLDEN & WORD))


def random_words(path: int) -> Iterator[int]:
    while True:
        path = (path + GOLDEN) & WORD
        yield mix(path)


def cut_offset(words: Iterator[int], side: int, concentration: int) -> int:
    """The median of 2 a - 1 uniform draws from 1 .. side - 1, which is Beta(a, a) over the side."""
    draws = [1 + (next(words) * (side - 1) >> 64) for _ in range(2 * concentration - 1)]
    return sorted(draws)[concentration - 1]


def cut(region: Region, path: int, concentration: int) -> list[Region]:
    top, left, bottom, right = region
    words = random_words(path)
    row = top + cut_offset(words, bottom - top, concentration)
    column = left + cut_offset(words, right - left, concentration)
    return [
        (top, left, row, column),
        (top, column, row, right),
        (row, left, bottom, column),
        (row, column, bottom, right),
    ]


# --- Definition 1: causes and responsibility -------------------------------------------------------------------------


def subsets(superpixels: list[int]) -> Iterator[frozenset[int]]:
    """All subsets, the small ones first; of one size in the order of the binary number that they spell."""
    for size in range(len(superpixels) + 1):
        of_size = [frozenset(chosen) for chosen in combinations(superpixels, size)]
        yield from sorted(of_size, key=lambda chosen: sum(1 << s for s in chosen))


def contingency(holds: dict[frozenset[int], bool], superpixel: int) -> frozenset[int] | None:
    """The smallest W without `superpixel` such that every subset of W passes and W with `superpixel` fails."""
    for witness in subsets([s for s in SUPERPIXELS if s != superpixel]):
        sc2 = all(holds[inner] for inner in subsets(sorted(witness)))
        sc3 = not holds[witness | {superpixel}]
        if sc2 and sc3:
            return witness
    return None


# --- The search ------------------------------------------------------------------------------------------------------


def mask(masked: Masked, region: Region) -> Masked:
    top, left, bottom, right = region
    masked = masked.copy()
    masked[top:bottom, left:right] = True
    return masked


def heatmap(passes: Passes, options: Options) -> NDArray[np.float32]:
    total = np.zeros((options.height, options.width), dtype=np.int64)
    whole = (0, 0, options.height, options.width)
    for partition in range(options.partitions):
        nothing = np.zeros((options.height, options.width), dtype=bool)
        refine(passes, options, total, whole, root_path(options.seed, partition), nothing, 1.0, 0.0)
    return (total.astype(np.float64) * (1.0 / (2.0**50 * options.partitions))).astype(np.float32)


def refine(
    passes: Passes,
    options: Options,
    total: NDArray[np.int64],
    region: Region,
    path: int,
    world: Masked,
    weight: float,
    responsibility: float,
) -> None:
    pieces = cut(region, path, options.concentration)
    holds = {}
    for subset in subsets(list(SUPERPIXELS)):
        masked = world
        for superpixel in subset:
            masked = mask(masked, pieces[superpixel])
        holds[subset] = not subset or passes(masked)
    witnesses = [contingency(holds, superpixel) for superpixel in SUPERPIXELS]
    found = [0.0 if witness is None else 1.0 / (1 + len(witness)) for witness in witnesses]
    if not any(found):
        spread(total, options, region, weight, responsibility)
        return
    for superpixel, (piece, witness, value) in enumerate(zip(pieces, witnesses, found, strict=True)):
        share = weight * value / sum(found)
        is_told_apart = options.refine_equal or len(set(found)) > 1
        if witness is None or not is_told_apart or not is_refinable(piece, options):
            spread(total, options, piece, share, value)
            continue
        inside = np.zeros_like(world)
        if options.world == "contingency":
            inside = world
            for other in witness:
                inside = mask(inside, pieces[other])
        refine(passes, options, total, piece, child_path(path, superpixel), inside, share, value)


def is_refinable(region: Region, options: Options) -> bool:
    height, width = region[2] - region[0], region[3] - region[1]
    is_high = height >= 2 and height >= options.min_side * options.height
    return is_high and width >= 2 and width >= options.min_side * options.width


def spread(
    total: NDArray[np.int64], options: Options, region: Region, weight: float, responsibility: float
) -> None:
    """Add what a region that is refined no further gives each of its pixels, in units of 2^-50."""
    top, left, bottom, right = region
    area = (bottom - top) * (right - left)
    value = weight / area if options.weighting == "shares" else responsibility
    total[top:bottom, left:right] += int(np.floor(value * 2.0**50 + 0.5))


# --- Definition 2: the explanation -----------------------------------------------------------------------------------


@dataclass
class Blocks:
    """The lattice over which the explanation is minimal. A set of blocks is a frozenset of (row, column)."""

    rows: list[int]
    columns: list[int]

    @classmethod
    def of(cls, height: int, width: int, cells: int) -> Blocks:
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
    verdict: Callable[[Masked], tuple[bool, float]], heat: NDArray[np.float32], cells: int, min_score: float
) -> tuple[Masked, Masked]:
    """The sufficient prefix of the ranking, and the 1-minimal set that it shrinks to, as kept pixels."""
    blocks = Blocks.of(*heat.shape, cells)
    ranked = ranking(blocks, heat)

    def score(kept: frozenset[tuple[int, int]]) -> float | None:
        """The score where the set is sufficient, else None."""
        is_passing, value = verdict(~blocks.pixels(kept))
        return value if is_passing and (min_score <= 0 or value >= min_score) else None

    grown = grow(ranked, score)
    if grown is None:
        return np.ones(heat.shape, dtype=bool), np.ones(heat.shape, dtype=bool)
    kept = grown
    cells_a_side = max(len(blocks.rows), len(blocks.columns)) - 1
    coarsest = max(cells_a_side // 6, 1).bit_length() - 1
    for power in range(coarsest, -1, -1):
        kept = shrink(kept, 1 << power, ranked, score)
    return blocks.pixels(grown), blocks.pixels(kept)


Score = Callable[[frozenset[tuple[int, int]]], float | None]


def grow(ranked: list[tuple[int, int]], score: Score) -> frozenset[tuple[int, int]] | None:
    """Look for the shortest sufficient prefix: first among halvings, then among quarters of the gap."""
    n = len(ranked)
    lengths = sorted({max(n >> halvings, 1) for halvings in range(7)})
    failing, passing = 0, None
    while True:
        for length in lengths:
            if score(frozenset(ranked[:length])) is not None:
                passing = length
                break
            failing = length
        if passing is None:
            return None
        gap = passing - failing
        if gap <= 1:
            return frozenset(ranked[:passing])
        lengths = sorted({failing + gap * step // 4 for step in (1, 2, 3)} - {failing}) or [failing + 1]


def shrink(
    kept: frozenset[tuple[int, int]], side: int, ranked: list[tuple[int, int]], score: Score
) -> frozenset[tuple[int, int]]:
    """Drop groups of side x side blocks.

    A group that was missed once is taken to be needed; single blocks are all tried again before that is believed.
    """
    place = {block: i for i, block in enumerate(ranked)}
    needed: set[tuple[int, int]] = set()
    while True:
        groups: dict[tuple[int, int], frozenset[tuple[int, int]]] = {}
        for row, column in sorted(kept):
            key = (row // side, column // side)
            groups[key] = groups.get(key, frozenset()) | {(row, column)}
        droppable = []
        for key in sorted(groups.keys() - needed):
            value = score(kept - groups[key])
            if value is not None:
                least_harmful_first = (-value if value == value else 0.0, -min(place[b] for b in groups[key]))  # noqa: PLR0124
                droppable.append((least_harmful_first, key))
        if not droppable:
            if side > 1 or not needed:
                return kept
            needed = set()
            continue
        needed |= groups.keys() - {key for _, key in droppable}
        order = [groups[key] for _, key in sorted(droppable)]
        passing, failing = 1, len(order) + 1
        probe = len(order)
        while failing - passing > 1:
            if score(kept.difference(*order[:probe])) is not None:
                passing = probe
            else:
                failing = probe
            probe = (passing + failing) // 2
        kept = kept.difference(*order[:passing])
