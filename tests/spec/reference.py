"""The method, written to be read: the specification that the compiled core has to equal.

Everything is an array of pixels and a plain loop. Nothing is saved: every subset of every region is asked, sets are
boolean arrays, and the heatmap is added up pixel by pixel. ``verdict`` is the classifier: a function from ``masked``, a
boolean (H, W) array, to whether the label is still given, and its score.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evidence_reference import SharedEvidence

Masked = NDArray[np.bool_]
Verdict = tuple[bool, float]
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


def is_closed(
    holds: dict[frozenset[int], bool], refuted: AbstractSet[frozenset[int]], witness: frozenset[int]
) -> bool:
    """SC2: masking any subset leaves the label, as far as it is known, and nothing known inside it refutes that."""
    inside = list(subsets(sorted(witness)))
    return all(holds.get(inner, False) for inner in inside) and not refuted.intersection(inside)


def contingency(
    holds: dict[frozenset[int], bool], superpixel: int, refuted: AbstractSet[frozenset[int]] = frozenset()
) -> frozenset[int] | None:
    """The smallest W without `superpixel` such that every subset of W passes and W with `superpixel` fails."""
    for witness in subsets([s for s in SUPERPIXELS if s != superpixel]):
        sc3 = not holds.get(witness | {superpixel}, True)
        if sc3 and is_closed(holds, refuted, witness):
            return witness
    return None


def can_decide(
    holds: dict[frozenset[int], bool], refuted: AbstractSet[frozenset[int]], subset: frozenset[int]
) -> bool:
    """Whether the rest of the set could be the contingency of one in it that has none yet."""
    return any(
        contingency(holds, s, refuted) is None and is_closed(holds, refuted, subset - {s}) for s in subset
    )


# --- The search ------------------------------------------------------------------------------------------------------
#
# A region that is cut is a generator: it yields sets of masked pixels, all that it wants to know at once, is sent their
# verdicts, and returns the regions to be cut in turn. So the same text is run with every question asked, and in rounds.


@dataclass(frozen=True)
class Share:
    weight: float = 1.0
    responsibility: float = 0.0
    stake: float = 1.0


def mask(masked: Masked, region: Region) -> Masked:
    top, left, bottom, right = region
    masked = masked.copy()
    masked[top:bottom, left:right] = True
    return masked


def mask_all(masked: Masked, regions: list[Region], chosen: frozenset[int]) -> Masked:
    for superpixel in chosen:
        masked = mask(masked, regions[superpixel])
    return masked


class Search:
    """``is_lazy`` asks only sets that can still decide something; ``shared`` has what other partitions found out."""

    def __init__(
        self, options: Options, *, intact: float = 1.0, shared: SharedEvidence | None = None
    ) -> None:
        self.options, self.intact, self.shared = options, intact, shared
        self.total = np.zeros((options.height, options.width), dtype=np.int64)

    def roots(self, partitions: range) -> list[Node]:
        whole = (0, 0, self.options.height, self.options.width)
        nothing = np.zeros((self.options.height, self.options.width), dtype=bool)
        seed = self.options.seed
        return [
            self.node(partition, whole, root_path(seed, partition), nothing, self.intact, Share())
            for partition in partitions
        ]

    def heatmap(self) -> NDArray[np.float32]:
        mean = self.total.astype(np.float64) * (1.0 / (2.0**50 * self.options.partitions))
        return mean.astype(np.float32)

    def node(
        self, partition: int, region: Region, path: int, world: Masked, score: float, share: Share
    ) -> Node:
        """``score`` is the one with ``world`` masked."""
        kind = self.options.world
        if kind == "both":
            kind = "sufficient" if partition % 3 else "contingency"
        seek = self.seek_sufficient if kind == "sufficient" else self.judge
        pieces = cut(region, path, self.options.concentration)
        children = yield from seek(kind, region, pieces, world, score, share)
        return [
            self.node(partition, pieces[s], child_path(path, s), inside, inside_score, child)
            for s, inside, inside_score, child in children
        ]

    def judge(
        self, kind: str, region: Region, pieces: list[Region], world: Masked, score: float, share: Share
    ) -> Judgement:
        holds, scores, refuted = {frozenset[int](): True}, {frozenset[int](): score}, set[frozenset[int]]()
        for size in (1, 2, 3, 4):
            wanted = [s for s in subsets(list(SUPERPIXELS)) if len(s) == size]
            if self.shared is not None:
                wanted = [s for s in wanted if can_decide(holds, refuted, s)]
            verdicts = yield [mask_all(world, pieces, s) for s in wanted]
            for subset, (passing, value) in zip(wanted, verdicts, strict=True):
                holds[subset], scores[subset] = passing, value
            if self.shared is not None:
                refuted |= {
                    s
                    for s in subsets(list(SUPERPIXELS))
                    if len(s) == size
                    and is_closed(holds, refuted, s)
                    and self.shared.refutes(world, mask_all(world, pieces, s))
                }
        witnesses = [contingency(holds, superpixel, refuted) for superpixel in SUPERPIXELS]
        found = [0.0 if witness is None else 1.0 / (1 + len(witness)) for witness in witnesses]
        if not any(found):
            self.spread(region, share)
            return []
        children = []
        for superpixel, witness in enumerate(witnesses):
            weight, value = share.weight * found[superpixel] / sum(found), found[superpixel]
            if witness is None:
                self.spread(pieces[superpixel], Share(weight, value, 0.0))
                continue
            lost = np.float32(scores[witness]) - np.float32(scores[witness | {superpixel}])
            child = Share(weight, value, self.stake(lost))
            is_told_apart = self.options.refine_equal or len(set(found)) > 1
            if not is_told_apart or not self.is_refinable(pieces[superpixel]):
                self.spread(pieces[superpixel], child)
                continue
            masked = witness if kind == "contingency" else frozenset[int]()
            children.append((superpixel, mask_all(world, pieces, masked), scores[masked], child))
        return children

    def seek_sufficient(
        self, kind: str, region: Region, pieces: list[Region], world: Masked, score: float, share: Share
    ) -> Judgement:
        del kind, region
        best, stake = frozenset[int](), share.stake
        for size in (3, 2, 1):
            wanted = [s for s in subsets(list(SUPERPIXELS)) if len(s) == size]
            verdicts = yield [mask_all(world, pieces, s) for s in wanted]
            passing = [(s, value) for s, (passes, value) in zip(wanted, verdicts, strict=True) if passes]
            if passing:
                best, value = max(passing, key=lambda found: found[1])  # the first of equals
                stake, score = self.stake(value), value
                break
        kept = [s for s in SUPERPIXELS if s not in best]
        is_told_apart = self.options.refine_equal or len(kept) < 4
        children = []
        for superpixel in SUPERPIXELS:
            value = 1.0 / len(kept) if superpixel in kept else 0.0
            child = Share(share.weight * value, value, stake)
            if superpixel in kept and is_told_apart and self.is_refinable(pieces[superpixel]):
                children.append((superpixel, mask_all(world, pieces, best), score, child))
            else:
                self.spread(pieces[superpixel], child)
        return children

    def stake(self, score: float) -> float:
        return min(max(float(score) / self.intact, 0.0), 1.0)

    def is_refinable(self, region: Region) -> bool:
        height, width = region[2] - region[0], region[3] - region[1]
        is_high = height >= 2 and height >= self.options.min_side * self.options.height
        return is_high and width >= 2 and width >= self.options.min_side * self.options.width

    def spread(self, region: Region, share: Share) -> None:
        """Add what a region that is refined no further gives each of its pixels, in units of 2^-50."""
        top, left, bottom, right = region
        value = {
            "shares": share.weight / ((bottom - top) * (right - left)),
            "leaf": share.responsibility,
            "score": share.responsibility * share.stake,
        }[self.options.weighting]
        self.total[top:bottom, left:right] += int(np.floor(value * 2.0**50 + 0.5))


Node = Generator[list[Masked], list[Verdict], list[Any]]
Judgement = Generator[list[Masked], list[Verdict], list[Any]]


def heatmap(verdict: Callable[[Masked], Verdict], options: Options) -> NDArray[np.float32]:
    """Every question is asked, partition by partition, and nothing is known from elsewhere."""
    search = Search(options)
    waiting = search.roots(range(options.partitions))
    while waiting:
        node = waiting.pop()
        questions = next(node)
        try:
            while True:
                questions = node.send([verdict(masked) for masked in questions])
        except StopIteration as ended:
            waiting += ended.value
    return search.heatmap()
