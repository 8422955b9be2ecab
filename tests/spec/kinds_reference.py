"""
Minimal sets of every kind, written to be read.

``E`` is a set of blocks, ``x|E`` the image with all but ``E`` masked, and ``x\\E`` the image with ``E`` masked.

===========  =============================================================
sufficient   ``x|E`` gives the label, with a least score
contrastive  the same, and ``x\\E`` does not
necessary    ``x\\E`` does not
why not      ``x\\E`` gives another label, which the verdicts are then about
complete     ``x|E`` gives the label, with a least and a most score
===========  =============================================================

``ask`` is as in ``nested_reference``; ties go to what came first, and blocks come row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from nested_reference import (
    PRECISION,
    Kept,
    Map,
    OutOfBudgetError,
    Peeling,
    Verdict,
    filled,
    points,
    score_of,
    unit_of,
)

SCAN, SURVEYS, SQUARE, WINDOW = 16, 3, 2, 4
# On a set that is hidden, and on one that is shown; None where it is not known, as nothing hung on it any more.
Sides = tuple[Verdict | None, Verdict | None]


class Minimal(Peeling):
    """
    The search for one set.

    ``shown`` has the least and the most score of ``x|E``, a least of 0 asking for the label alone; ``hidden`` is
    "lost" or "given"; None where that is not demanded. ``look_up`` returns the verdict on a set if it is known.
    ``base`` are blocks to begin with. Of each set in ``taken`` all but a share of the blocks, ``overlap``, must stay
    out. ``intact`` is the verdict on the whole image.
    """

    def __init__(
        self,
        ask: Callable[[list[Kept]], list[Verdict]],
        look_up: Callable[[Kept], Verdict | None],
        heat: Map,
        intact: Verdict,
        *,
        shown: tuple[float, float] | None,
        hidden: str | None,
        base: Kept,
        taken: Sequence[Kept] = (),
        overlap: float = 0.0,
        is_surveyed: bool = False,
    ) -> None:
        super().__init__(heat, WINDOW)
        self.ask, self.look_up, self.shown, self.hidden = ask, look_up, shown, hidden
        self.is_surveyed = is_surveyed
        self.intact = unit_of(intact[1])
        self.order = np.argsort(-self.heat.ravel(), kind="stable").tolist()
        self.closed = self.closed_by(taken, overlap)
        self.base = base & ~self.closed
        self.stage, self.grown, self.exists = "growth", None, False
        self.missed = (self.base, -math.inf)  # the best set where none did, and what it is worth

    def run(self) -> None:
        try:
            found = self.grow()
            if found is None and self.is_surveyed:
                found = self.survey()
            if found is None:
                self.stage = "stopped"
                return
            self.kept = self.grown = found
            self.exists = True
            self.peel()
            self.stage = "minimal"
        except OutOfBudgetError:
            self.stage = "stopped"

    def peel(self) -> None:
        """
        Drop squares, then single blocks: of what was added, where there is something that it was added to; and at
        last single blocks of all.
        """
        self.held = self.base
        if not (self.base == self.kept).all():
            self.known = {}
            self.shrink(SQUARE, to_the_end=False)
            self.known = {}
            self.shrink(1, to_the_end=True)
        if self.base.any():
            self.held, self.known = np.zeros_like(self.held), {}
            self.shrink(1, to_the_end=True)

    # What is demanded.

    def answers(self, sets: list[Kept]) -> list[Sides]:
        """
        Each set is asked about on the side on which it is the likelier to fail; then those that do there are asked
        about on the other. Where the other side is known not to do, nothing is asked.
        """
        for is_first in (True, False):
            self.ask([question for each in sets for question in self.questions(each, is_first=is_first)])
        return [self.known_sides(each) for each in sets]

    def questions(self, kept: Kept, *, is_first: bool) -> list[Kept]:
        """What is shown to learn about one side of a set, if it has to be."""
        hidden, shown = self.known_sides(kept)
        if self.is_shown_first(kept) == is_first:
            may_do = self.is_hidden_well(hidden) or (is_first and hidden is None)
            return [kept] if self.shown is not None and may_do else []
        may_do = self.is_shown_well(shown) or (is_first and shown is None)
        return [~kept] if self.hidden is not None and may_do else []

    def is_shown_first(self, kept: Kept) -> bool:
        """Where something is missing of what it began with, a set hardly suffices; else it hardly loses the label."""
        return self.shown is not None and (self.hidden is None or bool((self.base & ~kept).any()))

    def known_sides(self, kept: Kept) -> Sides:
        hidden = None if self.hidden is None else self.look_up(~kept)
        return hidden, None if self.shown is None else self.look_up(kept)

    def is_hidden_well(self, verdict: Verdict | None) -> bool:
        if self.hidden is None or verdict is None:
            return self.hidden is None
        return verdict[0] == (self.hidden == "given")

    def holds(self, answer: Sides) -> bool:
        hidden, shown = answer
        return self.is_hidden_well(hidden) and self.is_shown_well(shown)

    def is_shown_well(self, verdict: Verdict | None) -> bool:
        if self.shown is None or verdict is None:
            return self.shown is None
        least, most = self.shown
        score = score_of(verdict, self.intact)
        return verdict[0] and (least <= 0 or score >= least) and (math.isinf(most) or score <= most)

    def worth(self, answer: Sides) -> float:
        unit = 1.0 if self.hidden == "given" else self.intact
        hidden, shown = (0.0 if each is None else score_of(each, self.intact) / unit for each in answer)
        return shown + (hidden if self.hidden == "given" else -hidden)

    def closed_by(self, taken: Sequence[Kept], overlap: float) -> Kept:
        """All but a share of each set taken, of which the best ranked blocks may be used again."""
        closed = np.zeros(self.heat.size, dtype=bool)
        for each in taken:
            inside = [block for block in self.order if each.ravel()[block]]
            closed[inside[int(overlap * len(inside)) :]] = True
        return closed.reshape(self.heat.shape)

    # A first set.

    def grow(self) -> Kept | None:
        """About the shortest prefix of the ranking, added to what it begins with, that does."""
        order = [b for b in self.order if not self.base.ravel()[b] and not self.closed.ravel()[b]]

        def prefix(n: int) -> Kept:
            kept = self.base.ravel().copy()
            kept[order[:n]] = True
            return filled(kept.reshape(self.heat.shape)) & ~self.closed

        n = len(order)
        coarse = {0, n, *points(0, n)}
        fine = coarse | {n * i // SCAN for i in range(1, SCAN)}
        low, high = 0, None
        for lengths in (coarse, fine):
            asked = sorted(lengths if self.base.any() else lengths - {0})
            if not asked:
                return None
            sets = [prefix(length) for length in asked]
            answers = self.answers(sets)
            first = next((i for i, answer in enumerate(answers) if self.holds(answer)), None)
            if first is not None:
                low, high = asked[first - 1] if first else 0, asked[first]
                break
            worths = [self.worth(answer) for answer in answers]
            self.missed = sets[worths.index(max(worths))], max(worths)
        if high is None:
            return None
        while high - low > max(1, self.heat.size // PRECISION):
            self.kept, self.exists = prefix(high), True
            asked = points(low, high)
            if not asked:
                break
            first = self.first_that_holds([prefix(length) for length in asked])
            if first is None:
                low = asked[-1]
            else:
                low, high = asked[first - 1] if first else low, asked[first]
        return prefix(high)

    def first_that_holds(self, sets: list[Kept]) -> int | None:
        return next((i for i, answer in enumerate(self.answers(sets)) if self.holds(answer)), None)

    def survey(self) -> Kept | None:
        """
        Squares added to the best set so far, each alone, then the best squares together; again where that fails.
        """
        base, best_worth = self.missed
        for _ in range(SURVEYS):
            squares = self.squares_beside(base)
            sets = [filled(base | square) for square in squares]
            answers = self.answers(sets)
            ranking = sorted(range(len(squares)), key=lambda i, known=answers: -self.worth(known[i]))
            if (best := next((i for i in ranking if self.holds(answers[i])), None)) is not None:
                return sets[best]
            prefixes = []
            for length in survey_lengths(len(squares)):
                together = base.copy()
                for i in ranking[:length]:
                    together |= squares[i]
                prefixes.append(filled(together))
            more = self.answers(prefixes)
            if (first := next((i for i, answer in enumerate(more) if self.holds(answer)), None)) is not None:
                return prefixes[first]
            sets, worths = sets + prefixes, [self.worth(answer) for answer in answers + more]
            if not worths or max(worths) <= best_worth:
                return None
            best_worth = max(worths)
            base = sets[worths.index(best_worth)]
        return None

    def squares_beside(self, base: Kept) -> list[Kept]:
        found = []
        for row in range(0, base.shape[0], SQUARE):
            for column in range(0, base.shape[1], SQUARE):
                square = np.zeros_like(base)
                square[row : row + SQUARE, column : column + SQUARE] = True
                if (square & ~base).any():
                    found.append(square & ~base)
        return found


def survey_lengths(n: int) -> list[int]:
    """Numbers of squares from two up to all of them, each about a third more than the one before."""
    lengths, length = [], 2
    while length < n:
        lengths.append(length)
        length += math.ceil(length / 3)
    return [*lengths, n] if n > 1 else lengths
