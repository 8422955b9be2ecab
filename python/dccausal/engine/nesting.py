"""The phases that nested sets take: their extraction, and what remains of the score without them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.causal import CausalSearch
from dccausal.engine.finder import HeatmapSearch
from dccausal.engine.findings import Findings
from dccausal.engine.maps import contour_map
from dccausal.engine.phase import Phase
from dccausal.engine.progress import PhaseName
from dccausal.engine.verify import Verify
from dccausal.errors import DccausalError
from dccausal.explanation.record import Level, Outcome

Verdicts = tuple[NDArray[np.bool_], NDArray[np.float32]]


class Nest:
    """
    Extracts nested sufficient sets: growth to the first share of the score, then shrinking from share to share.

    Parameters
    ----------
    findings
        What is known; its heatmap ranks the blocks.
    search
        What found the heatmap.

    """

    progress: float | None = None

    def __init__(self, findings: Findings, search: HeatmapSearch) -> None:
        """Begin with what the search has asked."""
        if findings.evidence is None:
            raise DccausalError("an extraction was begun before the label was known")
        self._findings, self._search = findings, search
        self.shares = findings.shares
        floors = [share * findings.target.score if share > 0 else 0.0 for share in self.shares]
        grid = findings.options.settings.grid
        self._nested = _core.Nested(findings.evidence, findings.heatmap, cells=grid, floors=floors)
        self.name: PhaseName = "growth"

    @property
    def is_done(self) -> bool:
        """Whether every set is minimal, or the budget used up."""
        return self._nested.is_done

    @property
    def remains(self) -> bool:
        """Whether there is to be a survey of what remains without the outermost set."""
        found = self._findings
        is_wanted = isinstance(self._search, CausalSearch) and found.options.settings.remainder > 0
        return is_wanted and self.is_done and bool(found.levels[0].kept.any())

    def propose(self, capacity: int) -> _core.Batch | None:
        """Return the next questions."""
        return self._nested.propose(capacity)

    def take(self, asked: _core.Batch, answer: Verdicts) -> None:
        """Take verdicts."""
        self._nested.submit(asked.id, *answer)
        if self._nested.stage != "growth":
            self.name = "shrinking"

    def settle(self, n_calls: int) -> None:  # noqa: ARG002  every phase is told
        """Take the sets as they are, and draw the heat between their contours."""
        found = self._findings
        levels = []
        for share, (kept, is_minimal) in zip(self.shares, self._nested.levels(), strict=True):
            outcome: Outcome = "minimal" if is_minimal else "sufficient"
            levels.append(Level(confidence=share, kept=kept, score=float("nan"), outcome=outcome))
        found.levels = tuple(levels)
        chosen = next(level for level in levels if level.confidence == found.share)
        found.kept, found.outcome = chosen.kept, chosen.outcome
        if self.is_done and found.budget is not None and not all(one.outcome == "minimal" for one in levels):
            found.notes.append("The budget of model calls ran out before the explanation was minimal.")
        draw(found, self._search, None)

    def following(self) -> Phase:
        """Return the survey of what remains, or the last check."""
        return Remain(self._findings, self._search) if self.remains else Verify(self._findings)

    def statistics(self) -> dict[str, Any]:
        """Return the lattice and the size of what shrinking began with."""
        grown = self._nested.grown()
        size = None if grown is None else float(grown.mean())
        return {"grid": list(self._nested.grid), "grown_size": size}


class Remain:
    """
    Surveys what remains of the score with the outermost set masked: where evidence is that the sets do not need.

    Parameters
    ----------
    findings
        What is known.
    search
        What found the heatmap.

    """

    name: PhaseName = "remainder"
    progress: float | None = None

    def __init__(self, findings: Findings, search: HeatmapSearch) -> None:
        """Begin with the outermost set."""
        if findings.evidence is None:
            raise DccausalError("a survey was begun before the label was known")
        self._findings, self._search = findings, search
        side = findings.options.settings.remainder
        self._remainder = _core.Remainder(findings.evidence, findings.levels[0].kept, side=side)

    @property
    def is_done(self) -> bool:
        """Whether every part was asked about, or the budget used up."""
        return self._remainder.is_done

    def propose(self, capacity: int) -> _core.Batch | None:
        """Return the next questions."""
        return self._remainder.propose(capacity)

    def take(self, asked: _core.Batch, answer: Verdicts) -> None:
        """Take verdicts."""
        self._remainder.submit(asked.id, *answer)

    def settle(self, n_calls: int) -> None:  # noqa: ARG002  every phase is told
        """Add what was found to the map outside of the sets."""
        draw(self._findings, self._search, self._remainder.heatmap() if self.is_done else None)

    def following(self) -> Phase:
        """Return the last check."""
        return Verify(self._findings)

    def statistics(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


def draw(found: Findings, search: HeatmapSearch, remainder: NDArray[np.float32] | None) -> None:
    """Draw the heat between the contours of the sets; other methods' maps stay theirs."""
    if isinstance(search, CausalSearch):
        outside = [(_REMAINDER, remainder)] if remainder is not None else []
        outside.append((_PARTITIONS, search.partitions()))
        found.heatmap = contour_map([level.kept for level in found.levels], search.ranking(), outside)


# What counts outside of the sets, beside the survey.
_REMAINDER, _PARTITIONS = 1.0, 0.25
