"""Nested sufficient sets and the map drawn between their contours, written to be read.

``ask`` takes a list of boolean (rows, columns) lattices, the blocks that are kept, and the floor they have to reach.
It returns a verdict for each: whether the label is still given, and its score. A round is one call of it, so nothing
depends on the size of batches.
Ties go to what came first, and blocks come row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Kept = NDArray[np.bool_]
Verdict = tuple[bool, float]
Map = NDArray[Any]

WINDOW, ZOOM, NEIGHBOURS, HEAT, PRECISION = 8, 4, 0.2, 1e-3, 64


class OutOfBudgetError(Exception):
    """Raised by ``ask`` where not all of a round can be asked."""


# --- Shapes of sets --------------------------------------------------------------------------------------------------


def n_beside(kept: Kept) -> NDArray[np.int64]:
    """The number of kept blocks among the four beside each block."""
    padded = np.pad(kept, 1).astype(np.int64)
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]


def filled(kept: Kept) -> Kept:
    """The set with its holes: what nothing from outside of the image reaches over edges."""
    free = np.pad(~kept, 1, constant_values=True)
    outside = np.zeros_like(free)
    outside[0, 0] = True
    waiting = [(0, 0)]
    while waiting:
        row, column = waiting.pop()
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            is_inside = 0 <= r < free.shape[0] and 0 <= c < free.shape[1]
            if is_inside and free[r, c] and not outside[r, c]:
                outside[r, c] = True
                waiting.append((r, c))
    return ~outside[1:-1, 1:-1]


def has_hole(kept: Kept) -> bool:
    return bool((filled(kept) != kept).any())


def leaves_no_hole(kept: Kept, unit: Kept) -> bool:
    """Whether a unit can go without a hole that is of nothing else; for a set without holes, without any."""
    rest = np.pad(kept & ~unit, 1)
    reached = ~rest & ~np.pad(unit, 1)  # what is free already, and from there all that edges lead to
    while True:
        grown = ~rest & (reached | (n_beside(reached) > 0))
        if (grown == reached).all():
            return bool(unit.any()) and bool((reached | rest).all())
        reached = grown


def points(low: int, high: int) -> list[int]:
    return sorted({low + (high - low) * i // (ZOOM + 1) for i in range(1, ZOOM + 1)} - {low, high})


# --- The sets --------------------------------------------------------------------------------------------------------


class Peeling:
    """
    A set that loses what it can do without; subclasses say what is demanded of it.

    ``window`` is how many units are left out before any of them is dropped, once all were.
    """

    def __init__(self, heat: Map, window: int) -> None:
        self.window = window
        self.held = np.zeros(heat.shape, dtype=bool)  # blocks that stay
        self.heat = heat / heat.max() if heat.max() > 0 else heat
        # The last answer on each unit, and the set that it was left out of.
        self.known: dict[bytes, tuple[Any, bytes]] = {}
        self.kept = np.ones(heat.shape, dtype=bool)  # the smallest set known to do

    def answers(self, sets: list[Kept]) -> list[Any]:
        raise NotImplementedError

    def holds(self, answer: Any) -> bool:
        raise NotImplementedError

    def worth(self, answer: Any) -> float:
        raise NotImplementedError

    def units(self, side: int) -> list[Kept]:
        """Kept blocks in squares of the lattice, row by row, that are not held and can go without leaving a hole."""
        found = []
        for row in range(0, self.heat.shape[0], side):
            for column in range(0, self.heat.shape[1], side):
                unit = np.zeros_like(self.kept)
                unit[row : row + side, column : column + side] = True
                unit &= self.kept & ~self.held
                if leaves_no_hole(self.kept, unit):
                    found.append(unit)
        return found

    def priority(self, unit: Kept) -> float:
        """How late a unit goes: missed a lot, kept blocks all around, hot."""
        seen = self.known.get(unit.tobytes())
        harm = -self.worth(seen[0]) if seen else -2.0
        heat = 0.0
        for value in self.heat[unit].tolist():
            heat += value
        beside = int(n_beside(self.kept)[unit].sum()) / int(unit.sum())
        return harm + NEIGHBOURS * beside / 4 + HEAT * (heat / int(unit.sum()))

    def shrink(self, side: int, *, to_the_end: bool) -> None:
        """Drop units until no single one can go (to the end), or until a window has none that can."""
        is_first = True
        while units := self.units(side):
            key = self.kept.tobytes()
            # For a new floor all are asked: what a higher one refused beside one baseline is not settled.
            fresh = [u for u in units if u.tobytes() in self.known and self.known[u.tobytes()][1] == key]
            is_fresh = set() if is_first else {unit.tobytes() for unit in fresh}
            waiting = sorted((u for u in units if u.tobytes() not in is_fresh), key=self.priority)
            window = waiting if is_first else waiting[: self.window]
            answers = self.answers([self.kept & ~unit for unit in window])
            for unit, answer in zip(window, answers, strict=True):
                self.known[unit.tobytes()] = (answer, key)
            judged = units if is_first else window
            can_go = [unit for unit in judged if self.holds(self.known[unit.tobytes()][0])]
            if can_go:
                self.drop_together(sorted(can_go, key=self.priority))
            elif len(waiting) <= len(window) or not to_the_end:
                return
            is_first = False

    def drop_together(self, units: list[Kept]) -> None:
        """Drop as long a prefix of the units as zooming finds to do; one that would leave a hole is passed over."""
        begun = self.kept

        def without(n: int) -> Kept:
            rest = begun.copy()
            for unit in units[:n]:
                if leaves_no_hole(rest, unit):
                    rest &= ~unit
            return rest

        low, high, n = 1, len(units) + 1, len(units)
        self.kept = without(low)
        while high - low > 1:
            lengths = points(low, high) or [low + 1]
            if high == n + 1 and n not in lengths:
                lengths.append(n)
            answers = self.answers([without(m) for m in lengths])
            last = max((i for i, answer in enumerate(answers) if self.holds(answer)), default=None)
            if last is None:
                high = lengths[0]
            else:
                low, high = lengths[last], lengths[last + 1] if last + 1 < len(lengths) else high
            self.kept = without(low)


class Nested(Peeling):
    """The extraction; ``heat`` is (rows, columns), and ``floors`` are scores that fall, 0 for the label alone."""

    def __init__(
        self, ask: Callable[[list[Kept], float], list[Verdict]], heat: Map, floors: Sequence[float]
    ) -> None:
        super().__init__(heat, WINDOW)
        self.ask, self.floors = ask, floors
        self.floor, self.intact = floors[0], 1.0
        self.stage, self.grown = "growth", None
        self.sets: list[Kept] = []

    def run(self) -> None:
        try:
            self.stage = self.pursue()
        except OutOfBudgetError:
            self.stage = "stopped"

    def levels(self) -> list[tuple[Kept, bool]]:
        missing = len(self.floors) - len(self.sets)
        return [(found, True) for found in self.sets] + [(self.kept, False)] * missing

    def pursue(self) -> str:
        [intact] = self.ask([self.kept], self.floor)
        self.intact = unit_of(intact[1])
        if not self.holds(intact):
            return "stopped"
        self.grow()
        self.grown = self.kept
        self.shrink(2, to_the_end=False)
        self.known = {}
        for floor in self.floors:
            self.floor = floor
            self.shrink(1, to_the_end=True)
            self.sets.append(self.kept)
        return "minimal"

    def answers(self, sets: list[Kept]) -> list[Verdict]:
        return self.ask(sets, self.floor)

    def holds(self, answer: Verdict) -> bool:
        return answer[0] and (self.floor <= 0 or score_of(answer, self.intact) >= self.floor)

    def worth(self, answer: Verdict) -> float:
        return score_of(answer, self.intact) / self.intact

    def grow(self) -> None:
        """About the shortest prefix of the ranking, its holes filled, that suffices; all blocks do."""
        order = np.argsort(-self.heat.ravel(), kind="stable")

        def prefix(n: int) -> Kept:
            kept = np.zeros(self.heat.size, dtype=bool)
            kept[order[:n]] = True
            return filled(kept.reshape(self.heat.shape))

        low, high = 0, self.heat.size
        while high - low > max(1, self.heat.size // PRECISION):
            lengths = points(low, high)
            if not lengths:
                break
            verdicts = self.ask([prefix(n) for n in lengths], self.floor)
            first = next((i for i, verdict in enumerate(verdicts) if self.holds(verdict)), None)
            if first is None:
                low = lengths[-1]
            else:
                low, high = lengths[first - 1] if first else low, lengths[first]
            self.kept = prefix(high)
        self.kept = prefix(high)


def unit_of(score: float) -> float:
    """A score to measure others by: 1 where there is none, or none above 0."""
    return score if np.isfinite(score) and score > 0 else 1.0


def score_of(verdict: Verdict, intact: float) -> float:
    """The score; a label without one counts as all of the intact image's or nothing."""
    return (intact if verdict[0] else 0.0) if np.isnan(verdict[1]) else verdict[1]


# --- The map ---------------------------------------------------------------------------------------------------------


def distances(targets: Kept) -> Map | None:
    """From every pixel to the nearest of a set; None if there is none."""
    places = np.argwhere(targets)
    if not len(places):
        return None
    pixels = np.argwhere(np.ones_like(targets))
    squares = ((pixels[:, None] - places[None]) ** 2).sum(axis=2).min(axis=1)
    return np.sqrt(squares.astype(float)).reshape(targets.shape)


def contoured(levels: Sequence[Kept], inside: Map, outside: Map) -> Map:
    """The map whose level sets at ``0.4 + 0.6 j / n`` are the sets, each within the one before."""
    inside, outside = (np.clip(np.nan_to_num(each.astype(float)), 0, 1) for each in (inside, outside))
    drawn = 0.396 * outside
    for j, level in enumerate(levels):
        following = levels[j + 1] if j + 1 < len(levels) else np.zeros_like(level)
        edge = distances(~level)
        if edge is None:  # all of the image: to what is beyond its frame
            framed = distances(np.pad(np.zeros_like(level), 1, constant_values=True))
            assert framed is not None
            edge = framed[1:-1, 1:-1]
        middle = distances(following)
        whole = edge.max(initial=0) or 1 if middle is None else np.where(edge > 0, edge + middle, 1)
        value = 0.4 + 0.6 * (j + 0.98 * (edge / whole + inside) / 2) / len(levels)
        drawn = np.where(level & ~following, value, drawn)
    return drawn


def smoothed(heat: Map, sigma: float) -> Map:
    """A Gaussian along rows and columns, cut off after four sigma; borders are mirrors."""
    reach = int(4 * sigma + 0.5)
    if reach == 0:
        return heat
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()

    def along(line: Map) -> Map:
        return np.convolve(np.pad(line, reach, mode="symmetric"), weights, mode="valid")

    return np.apply_along_axis(along, 1, np.apply_along_axis(along, 0, heat.astype(float)))
