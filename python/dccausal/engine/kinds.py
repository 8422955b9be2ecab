"""The phases of kinds: after the explanation, the sets that answer another question about the same image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dccausal import _core
from dccausal.engine.findings import Findings
from dccausal.engine.lattice import Cells
from dccausal.engine.phase import CorePhase, Phase
from dccausal.engine.progress import PhaseName
from dccausal.engine.verify import Verify
from dccausal.errors import DccausalError
from dccausal.explanation.kinds import KindSet
from dccausal.targets import Target


@dataclass
class Demand:
    """What ``_core.Minimal`` is to look for, and on which evidence."""

    evidence: _core.Evidence
    target: Target
    options: dict[str, Any] = field(default_factory=dict)


def after(found: Findings, cells: Cells) -> Phase:
    """Return the phase after the explanation: the next set of the kind, or the last check."""
    kind = found.options.kind
    if kind == "sufficient" or not found.kept.any():
        return Verify(found)
    if kind == "several" and not found.kind_sets:
        found.kind_sets = (KindSet(pixels=found.kept, outcome=_state(found.outcome == "minimal")),)
    is_over = found.has_given_up or len(found.kind_sets) >= found.n_sets
    return Verify(found) if is_over else SeekSet(found, cells)


class SeekSet(CorePhase):
    """
    Looks for a set of the kind that was asked for.

    Parameters
    ----------
    findings
        What is known; its heatmap ranks the blocks.
    cells
        The lattice.

    """

    name: PhaseName = "kind"

    def __init__(self, findings: Findings, cells: Cells) -> None:
        """Begin with what the explanation has asked."""
        self._findings, self._cells = findings, cells
        self._is_for_loss = findings.options.kind == "why-not" and findings.lost is None
        demand = _demand(findings)
        self.target, self._evidence = demand.target, demand.evidence
        self._minimal = _core.Minimal(demand.evidence, findings.heatmap, cells=cells, **demand.options)
        super().__init__(self._minimal)

    def settle(self) -> None:
        """Take the set as it is, and say so where there is none."""
        found = self._findings
        if found.evidence is not None and self._evidence is not found.evidence:
            found.evidence.spend(self._minimal.n_calls)
        found.n_kind_questions += self._minimal.n_calls
        kept, is_minimal = self._minimal.kept(), self._minimal.stage == "minimal"
        if self._is_for_loss:
            found.lost = np.zeros_like(found.kept) if kept is None else kept
            return
        if kept is not None:
            found.kind_sets = (*found.kind_sets, KindSet(pixels=kept, outcome=_state(is_minimal)))
        if not self.is_done or is_minimal:
            return
        if found.budget is not None and _calls_left(found) <= 0:
            what = "a set was found" if kept is None else "the set was minimal"
            found.notes.append(f"The budget of model calls ran out before {what}.")
        elif kept is None:
            found.has_given_up = True
            found.notes.append(_none_found(found, self._minimal))

    def following(self) -> Phase:
        """Return the search for the next set, or the last check."""
        found = self._findings
        is_stopped = self._minimal.stage == "stopped" and not self._is_for_loss
        return Verify(found) if is_stopped else after(found, self._cells)


def _state(is_minimal: bool) -> Any:  # noqa: FBT001  a fact in one place
    return "minimal" if is_minimal else "unfinished"


def _demand(found: Findings) -> Demand:
    """Return what is to be looked for."""
    if found.evidence is None:
        raise DccausalError("a kind was begun before the label was known")
    demand = Demand(found.evidence, found.target)
    name, floor = found.options.kind, (found.floor, math.inf)
    if name == "several":
        taken = [one.pixels for one in found.kind_sets]
        demand.options = {"shown": floor, "taken": taken, "overlap": found.options.overlap or 0.0}
    elif name == "contrastive":
        demand.options = {"shown": floor, "hidden": "lost", "base": found.kept}
    elif name == "necessary" or (name == "why-not" and found.lost is None):
        demand.options = {"hidden": "lost"}
    elif name == "complete":
        score, within = found.target.score, found.within
        base = found.levels[0].kept if found.levels else found.kept
        demand.options = {"shown": (max(0.0, score - within), score + within), "base": base}
    elif found.other is not None:
        height, width = found.kept.shape
        intact, blank = found.other_verdicts
        left = None if found.budget is None else max(0, _calls_left(found))
        n_baselines = len(found.view.baselines)
        evidence = _core.Evidence(
            height, width, intact=intact, blank=blank, max_calls=left, baselines=n_baselines
        )
        options = {"hidden": "given", "is_surveyed": True, "base": found.lost}
        demand = Demand(evidence, found.other, options)
    return demand


def _calls_left(found: Findings) -> int:
    return 0 if found.budget is None or found.evidence is None else found.budget - found.evidence.n_calls


def _none_found(found: Findings, minimal: _core.Minimal) -> str:
    """Return that there is no (further) set, and what was tried."""
    rows, columns = minimal.grid
    n_tried = found.n_kind_questions if found.options.kind == "why-not" else minimal.n_calls
    what = {
        "several": f"set number {len(found.kind_sets) + 1}, apart from the ones before, that suffices",
        "contrastive": "set that gives the label alone and takes it away when it is masked",
        "necessary": "set that takes the label away when it is masked",
        "complete": f"set that has the photograph's score to within {found.within:.3g}",
        "why-not": f"set that gives label {found.other.label if found.other else '?'} when it is masked",
    }[found.options.kind]
    tried = (
        "a set without which the label is lost, growing sets of the hottest blocks, then squares beside the best"
        if found.options.kind == "why-not"
        else "growing sets of the hottest blocks, up to all that may be used"
    )
    return (
        f"There seems to be no {what}: {n_tried} further masked images were tried, {tried}, "
        f"on the {rows} x {columns} grid."
    )
