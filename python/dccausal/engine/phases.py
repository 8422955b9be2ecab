"""
The phases of an explanation, one after the other: check, find, extract, verify.

Each proposes questions and takes the answers until it is done, and says which phase follows. What it learns goes
into the findings, which are whole at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dccausal import _core
from dccausal.engine.causal import CausalSearch
from dccausal.engine.finder import HeatmapSearch, MakeSearch
from dccausal.engine.findings import Findings
from dccausal.engine.kinds import after
from dccausal.engine.maps import scaled
from dccausal.engine.masking.batch import Answer, Asked, Verdicts
from dccausal.engine.nesting import Nest
from dccausal.engine.phase import CorePhase, Phase, WholeImagePhase
from dccausal.engine.progress import PhaseName
from dccausal.engine.verify import Verify
from dccausal.errors import DccausalError, OptionError
from dccausal.targets import Request, Subject, choose_target
from dccausal.targets.answers import rows_of
from dccausal.targets.frame import Frame
from dccausal.targets.label import LabelTarget, choose_other

# Of a limited budget, what the search may use; the extraction has the rest.
_SEARCH_SHARE = 2 / 3


class Check(WholeImagePhase):
    """
    Asks about the intact image and the blank one, beside each baseline, and fixes the label to explain.

    Parameters
    ----------
    findings
        What is known.
    label
        The index of the label to explain; None for the top one.
    multi_label
        Whether the scores are independent of each other.
    threshold
        The score from which on a label counts as given; None for the usual rule.
    make_search
        Makes what finds the heatmap.
    subject
        What is to be explained, where that is no label.
    names
        A name for each label; None without.

    """

    name: PhaseName = "check"

    def __init__(
        self,
        findings: Findings,
        label: int | None,
        *,
        multi_label: bool,
        threshold: float | None,
        make_search: MakeSearch,
        subject: Subject | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Begin with these images."""
        self.other: int | None = None
        super().__init__(np.concatenate([findings.view.image[None], findings.view.baselines]))
        self._findings, self._make_search = findings, make_search
        self._label, self._multi_label, self._threshold = label, multi_label, threshold
        self._subject, self._names = subject, names

    def settle(self) -> None:
        """
        Fix the label, and end where masking changes nothing.

        Raises
        ------
        OptionError, ClassifierError
            If the answer does not go with the label to explain (see ``choose_target``).

        """
        found, options = self._findings, self._findings.options
        answer = self._inquiry.answer()
        is_of_labels = self._subject is None or self._subject.needs == "scores"
        if options.kind == "complete" and is_of_labels and answer.ndim == 1:
            raise OptionError("kind is complete, but the classifier returns labels only; it needs scores")
        needs_scores = (options.min_confidence or 0.0) > 0 or options.kind == "complete"
        if self._subject is not None:
            view = found.view
            frame = Frame(view.placement.photo_size, view.placement.box, view.image.shape[:2])
            request = Request(frame, self._names, needs_scores, rows_of(answer, slice(1, 2)))
            found.target = self._subject.choose(rows_of(answer, slice(0, 1)), request)
        else:
            found.target = choose_target(
                answer[:1],
                self._label,
                options.top_k,
                multi_label=self._multi_label,
                needs_scores=needs_scores,
                threshold=self._threshold,
            )
        found.remarks = (*filter(None, [found.target.note]), *found.remarks)
        if self.other is not None and isinstance(found.target, LabelTarget):
            found.other = choose_other(
                answer[:1], found.target, self.other, multi_label=self._multi_label, threshold=self._threshold
            )
            passes, other_scores = found.other.judge(answer)
            found.other_verdicts = (
                (bool(passes[0]), float(other_scores[0])),
                (bool(passes[1:].all()), float(other_scores[1:].min())),
            )
        is_passing, scores = found.target.judge(answer)
        blank = (bool(is_passing[1:].all()), float(scores[1:].min()))
        if blank[0] and not found.is_below_floor(blank[1], found.share):
            found.outcome = "trivial"
            found.kept = np.zeros_like(found.kept)
            found.notes.append(
                "The label stays with everything masked, so nothing in the image can be told to be its cause. "
                "Another baseline may tell more."
            )
            return
        height, width = found.kept.shape
        intact = (True, found.target.score)
        found.evidence = _core.Evidence(
            height,
            width,
            intact=intact,
            blank=blank,
            max_calls=found.budget,
            baselines=len(found.view.baselines),
        )

    def following(self) -> Phase:
        """Return the search, or the last check where there is nothing to search for."""
        found = self._findings
        return Verify(found) if found.outcome == "trivial" else Find(found, self._make_search)


class Find:
    """
    Finds the heatmap.

    Parameters
    ----------
    findings
        What is known.
    make_search
        Makes what finds it.

    """

    name: PhaseName = "search"

    def __init__(self, findings: Findings, make_search: MakeSearch) -> None:
        """Begin the search with its share of the budget."""
        self._findings, self._n_calls_before = findings, findings.n_calls
        budget = findings.budget
        share = None if budget is None else max(1, int(budget * _SEARCH_SHARE))
        self.search: HeatmapSearch = make_search(findings, share)

    @property
    def is_done(self) -> bool:
        """Whether the search is over."""
        return self.search.is_done

    @property
    def progress(self) -> float | None:
        """How much of the search is done."""
        return self.search.progress

    def propose(self, capacity: int) -> Asked | None:
        """Return the search's next questions."""
        asked: Asked | None = self.search.propose(capacity)
        return asked

    def take(self, asked: Asked, answer: Answer) -> None:
        """Hand the search its verdicts; scores of whole images are judged first."""
        verdicts = answer if isinstance(answer, tuple) else self._findings.target.judge(answer)
        self.search.submit(asked, *verdicts)

    def settle(self) -> None:
        """Bring the heatmap to the range from 0 to 1."""
        found, heat = self._findings, self.search.heatmap()
        peak = float(heat.max())
        found.heatmap_peak = peak
        if isinstance(self.search, CausalSearch):
            if found.evidence is not None:
                found.evidence.spend(self.search.n_own_calls)
            found.heatmap = scaled(self.search.ranking() if found.shares else heat)
            return
        # Other methods' values have no zero of their own, and the core did not ask their questions.
        if found.evidence is not None:
            found.evidence.spend(found.n_calls - self._n_calls_before)
        lowest = float(heat.min())
        if peak > lowest:
            found.heatmap = ((heat - lowest) / (peak - lowest)).astype(np.float32)
        found.notes.extend(self.search.notes)

    def following(self) -> Phase:
        """Return the extraction: of nested sets, or of one."""
        found = self._findings
        return Nest(found, self.search) if found.shares else Extract(found, self.search)

    def statistics(self) -> dict[str, Any]:
        """Return what the core counted; nothing where it did not ask."""
        return self.search.statistics() if isinstance(self.search, CausalSearch) else {}


class Extract(CorePhase):
    """
    Extracts a minimal sufficient set of pixels: growth, then shrinking.

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
        grid = findings.options.settings.grid
        self._extraction = _core.Extraction(
            findings.evidence, findings.heatmap, cells=grid, min_score=findings.floor
        )
        super().__init__(self._extraction)
        self.name: PhaseName = "growth"

    def take(self, asked: _core.Batch, answer: Verdicts) -> None:
        """Take verdicts, which may end growth."""
        super().take(asked, answer)
        if self._extraction.stage != "growth":
            self.name = "shrinking"

    def settle(self) -> None:
        """Take the smallest set that is known to be sufficient."""
        found = self._findings
        found.kept = self._extraction.kept()
        if isinstance(self._search, CausalSearch):
            found.heatmap = self._search.improved(found.heatmap, self._extraction, found.kept)
        if self._extraction.stage == "minimal":
            found.outcome = "minimal"
        elif self.is_done and found.budget is not None:
            found.notes.append("The budget of model calls ran out before the explanation was minimal.")

    def following(self) -> Phase:
        """Return the search for the sets of a kind, or the last check."""
        return after(self._findings, self._findings.options.settings.grid)

    def statistics(self) -> dict[str, Any]:
        """Return the lattice and the size of what shrinking began with."""
        grown = self._extraction.grown()
        size = None if grown is None else float(grown.mean())
        return {"grid": list(self._extraction.grid), "grown_size": size}
