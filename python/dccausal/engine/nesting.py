"""The phases that nested sets take: their extraction, and what counts outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.causal import CausalSearch
from dccausal.engine.finder import HeatmapSearch
from dccausal.engine.findings import Findings
from dccausal.engine.kinds import after
from dccausal.engine.lattice import Cells, cells_of
from dccausal.engine.maps import contour_map
from dccausal.engine.masking.batch import Verdicts
from dccausal.engine.phase import CorePhase, Phase
from dccausal.engine.progress import PhaseName
from dccausal.errors import DccausalError
from dccausal.explanation.record import Level, Outcome


class Nest(CorePhase):
    """
    Extracts nested sufficient sets: growth to the first share of the score, then shrinking from share to share.

    Parameters
    ----------
    findings
        What is known; its heatmap ranks the blocks.
    search
        What found the heatmap.

    """

    def __init__(self, findings: Findings, search: HeatmapSearch) -> None:
        """Begin with what the search has asked."""
        if findings.evidence is None:
            raise DccausalError("an extraction was begun before the label was known")
        self._findings, self._search = findings, search
        self.shares = findings.shares
        floors = [findings.floor_at(share) for share in self.shares]
        height, width = findings.kept.shape
        options = findings.options
        self._cells = cells_of(
            findings.target, (height, width), options.settings.grid, is_given=options.is_grid_given
        )
        self._nested = _core.Nested(findings.evidence, findings.heatmap, cells=self._cells, floors=floors)
        super().__init__(self._nested)
        self.name: PhaseName = "growth"

    @property
    def remains(self) -> bool:
        """Whether there is to be a look at what counts outside of the outermost set."""
        found = self._findings
        is_wanted = isinstance(self._search, CausalSearch) and found.options.settings.halves > 0
        return is_wanted and self.is_done and bool(found.levels[0].kept.any())

    def take(self, asked: _core.Batch, answer: Verdicts) -> None:
        """Take verdicts, which may end growth."""
        super().take(asked, answer)
        if self._nested.stage != "growth":
            self.name = "shrinking"

    def settle(self) -> None:
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

    def sketch(self) -> NDArray[np.float32]:
        """Return the heat between the contours of the sets as they are, (H, W) in [0, 1]; for the eye."""
        search = self._search
        if self.name == "growth" or not isinstance(search, CausalSearch):
            return self._findings.heatmap
        sets = [kept for kept, _ in self._nested.levels()]
        return contour_map(sets, search.ranking(), search.partitions(), None)

    def following(self) -> Phase:
        """Return the halves of what remains, or what follows on the sets."""
        found, search = self._findings, self._search
        return Remain(found, search, self._cells) if self.remains else after(found, self._cells)

    def statistics(self) -> dict[str, Any]:
        """Return the lattice and the size of what shrinking began with."""
        grown = self._nested.grown()
        size = None if grown is None else float(grown.mean())
        lines = None if isinstance(self._cells, int) else [list(one) for one in self._cells]
        return {"grid": list(self._nested.grid), "grid_lines": lines, "grown_size": size}


class Remain(CorePhase):
    """
    Finds what counts outside of the sets: halves of the rest are shown beside the outermost set, and without it.

    Parameters
    ----------
    findings
        What is known.
    search
        What found the heatmap.
    cells
        The lattice of the sets.

    """

    name: PhaseName = "remainder"

    def __init__(self, findings: Findings, search: HeatmapSearch, cells: Cells) -> None:
        """Begin with the outermost set."""
        if findings.evidence is None:
            raise DccausalError("a survey was begun before the label was known")
        self._findings, self._search, self._cells = findings, search, cells
        settings = findings.options.settings
        outermost, is_both = findings.levels[0].kept, settings.beside == "both"
        self._halves = _core.Halves(findings.evidence, outermost, side=settings.halves, is_both=is_both)
        super().__init__(self._halves)

    def settle(self) -> None:
        """Add what was found to the map outside of the sets."""
        draw(self._findings, self._search, self._halves.heatmap() if self.is_done else None)

    def following(self) -> Phase:
        """Return the search for the sets of a kind, or the last check."""
        return after(self._findings, self._cells)


def draw(found: Findings, search: HeatmapSearch, halves: NDArray[np.float32] | None) -> None:
    """Draw the heat between the contours of the sets; other methods' maps stay theirs."""
    if isinstance(search, CausalSearch):
        levels = [level.kept for level in found.levels]
        found.heatmap = contour_map(levels, search.ranking(), search.partitions(), halves)
