"""The method, written to be read: the specification that the compiled core has to equal.

Everything is an array of pixels and a plain loop. Nothing is saved: every subset of every region is asked, sets are
boolean arrays, and the heatmap is added up pixel by pixel. ``verdict`` is the classifier: a function from ``masked``, a
boolean (H, W) array, to whether the label is still given, and its score.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


# --- The survey ------------------------------------------------------------------------------------------------------


def survey(
    verdict: Callable[[Masked], Verdict],
    height: int,
    width: int,
    masked: Sequence[int],
    shown: Sequence[int],
    blank: float,
) -> NDArray[np.float64]:
    """What every superpixel of some lattices does, masked alone or shown alone: (H, W), as a share of the peak.

    The intact image has the score 1, the blank one ``blank``; not a number where there are labels only.
    """

    def change(by: float, *, has_label_changed: bool) -> float:
        return float(has_label_changed) if np.isnan(by) else max(float(np.float32(by)), 0.0)

    def lost(superpixel: Masked) -> float:
        passes, score = verdict(superpixel)
        return change(1.0 - score, has_label_changed=not passes)

    def gained(superpixel: Masked) -> float:
        passes, score = verdict(~superpixel)
        return change(score - blank, has_label_changed=passes)

    total = np.zeros((height, width))
    for sides, found, weight in [(masked, lost, 1.0), (shown, gained, 0.5)]:
        for side in sides:
            blocks = Blocks.of(height, width, side)
            superpixels = [blocks.pixels(frozenset([block])) for block in blocks.all()]
            values = [found(superpixel) for superpixel in superpixels]
            for superpixel, value in zip(superpixels, values, strict=True):
                total[superpixel] += weight * value / (max(values) or 1) / len(sides)
    return total / (total.max() or 1)


def columns(n_runs: int, n_cells: int) -> list[int]:
    """A fixed choice of the columns 1, 2, ... of a Hadamard matrix, scattered by hashing."""

    def scattered(column: int) -> int:
        word = column * 0x9E3779B9 % 2**32
        word = (word << 13 | word >> 19) % 2**32
        return word * 0x85EBCA6B % 2**32

    return sorted(range(1, n_runs), key=scattered)[:n_cells]


def halves(
    verdict: Callable[[Masked], Verdict], kept: Masked, side: int, *, is_both: bool
) -> NDArray[np.float64]:
    """What the cells of a lattice do outside of an explanation: (H, W), their effects as shares of the greatest."""
    blocks = Blocks.of(*kept.shape, side)
    cells = [blocks.pixels(frozenset([block])) for block in blocks.all()]
    n_runs = 2
    while n_runs < len(cells) + 1:
        n_runs *= 2
    effects = np.zeros(len(cells))
    for is_shown in (True, False)[: 1 + is_both]:
        for run in range(n_runs):
            keeps = [
                ((run & column).bit_count() % 2 == 0) == is_shown for column in columns(n_runs, len(cells))
            ]
            shown = np.logical_or.reduce([cell & is_kept for cell, is_kept in zip(cells, keeps, strict=True)])
            passes, score = verdict(~(shown | kept) if is_shown else ~(shown & ~kept))
            effects += np.where(keeps, 1, -1) * (float(passes) if np.isnan(score) else score)
    effects *= [bool((cell & ~kept).any()) for cell in cells]
    most = np.abs(effects).max(initial=0.0) or 1.0
    return np.sum([cell * effect / most for cell, effect in zip(cells, effects, strict=True)], axis=0) * ~kept


# --- Shared evidence -------------------------------------------------------------------------------------------------

PRIME = (1 << 61) - 1


def fingerprint(masked: Masked) -> tuple[int, int]:
    """The sum of a(y) b(x) over the masked pixels, twice; it orders sets of one area and draws audits."""

    def numbers(side: int, stream: int) -> list[int]:
        words = random_words(root_path(0x5EEDF1A6, stream))
        return [next(words) % PRIME for _ in range(side)]

    def one(i: int) -> int:
        rows, columns = numbers(masked.shape[0], i), numbers(masked.shape[1], 2 + i)
        return sum(rows[y] * columns[x] for y, x in np.argwhere(masked).tolist()) % PRIME

    return one(0), one(1)


class SharedEvidence:
    """Verdicts that follow from those of earlier rounds, since masking more is taken never to restore the label."""

    def __init__(self, n_pixels: int, *, reach: float, audit: float, seed: int) -> None:
        self.n_pixels, self.reach, self.audit, self.seed = n_pixels, reach, audit, seed
        self.known: list[tuple[Masked, Verdict]] = []
        self.n_inferred = self.n_audited = self.n_wrong = 0
        self.recent = (0, 0)

    def begin_round(self, learnt: list[tuple[Masked, Verdict]]) -> None:
        self.known += learnt
        audited, wrong = self.recent
        if audited >= 12 and wrong > 0.15 * audited:
            self.reach = 0.0 if self.reach / 2 < 1 / 64 else self.reach / 2
            self.recent = (0, 0)

    def infer(self, masked: Masked) -> Verdict | None:
        """The verdict of the nearest known set within reach; None if there is none, or two disagree."""
        if self.reach <= 0:
            return None
        nearest: dict[bool, tuple[int, Any, float]] = {}
        for known, (passing, score) in self.known:
            inner, outer = (masked, known) if passing else (known, masked)
            gap = int(outer.sum()) - int(inner.sum())
            if (inner & ~outer).any() or gap > int(self.reach * self.n_pixels):
                continue
            key = fingerprint(known)
            order = (gap, key if passing else (-key[0], -key[1]), score)
            nearest[passing] = min(nearest.get(passing, order), order)
        gaps = [found[0] for found in nearest.values()]
        if not gaps or (len(gaps) == 2 and gaps[0] == gaps[1]):
            return None
        passing, found = min(nearest.items(), key=lambda item: item[1][0])
        return passing, found[2]

    def is_audited(self, masked: Masked) -> bool:
        return (mix(fingerprint(masked)[0] ^ mix(self.seed)) >> 11) * 2.0**-53 < self.audit

    def refutes(self, inner: Masked, outer: Masked) -> bool:
        """Whether a set between the two is known to fail: then the outer one is no contingency (SC2)."""
        return any(
            not passing and not (inner & ~known).any() and not (known & ~outer).any()
            for known, (passing, _) in self.known
        )


def shared_heatmap(
    verdict: Callable[[Masked], Verdict], options: Options, *, reach: float, audit: float, wave: int
) -> tuple[NDArray[np.float32], SharedEvidence, int]:
    """The heatmap in rounds, what was inferred, and the number of questions asked."""
    shared = SharedEvidence(options.height * options.width, reach=reach, audit=audit, seed=options.seed)
    search = Search(options, shared=shared)
    answers: dict[bytes, Verdict] = {
        np.zeros((options.height, options.width), dtype=bool).tobytes(): (True, 1.0)
    }
    n_asked = 0
    for first in range(0, options.partitions, wave):
        last = min(first + wave, options.partitions)
        waiting = [(node, next(node)) for node in search.roots(range(first, last))]
        learnt: list[tuple[Masked, Verdict]] = []
        while waiting:
            shared.begin_round(learnt)
            asked: dict[bytes, Masked] = {}
            audits: dict[bytes, bool] = {}
            still: list[Any] = []
            while waiting:
                node, questions = waiting.pop(0)
                for masked in questions:
                    key = masked.tobytes()
                    if key in answers or key in asked:
                        continue
                    found = shared.infer(masked)
                    if found is not None and shared.is_audited(masked):
                        audits[key] = found[0]
                    if found is None or key in audits:
                        asked[key] = masked
                    else:
                        answers[key] = found
                        shared.n_inferred += 1
                if any(masked.tobytes() not in answers for masked in questions):
                    still.append((node, questions))
                    continue
                try:
                    waiting.append((node, node.send([answers[masked.tobytes()] for masked in questions])))
                except StopIteration as ended:
                    waiting += [(child, next(child)) for child in ended.value]
            learnt = [(masked, verdict(masked)) for masked in asked.values()]
            answers |= {masked.tobytes(): found for masked, found in learnt}
            n_asked += len(learnt)
            wrong = [answers[key][0] != expected for key, expected in audits.items()]
            shared.n_audited += len(wrong)
            shared.n_wrong += sum(wrong)
            shared.recent = (shared.recent[0] + len(wrong), shared.recent[1] + sum(wrong))
            waiting = still
        shared.begin_round(learnt)
    return search.heatmap(), shared, n_asked


# --- Definition 2: the explanation -----------------------------------------------------------------------------------


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
