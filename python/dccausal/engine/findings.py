"""What is known of one explanation in the making: its phases write it, in turn."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.options import Options
from dccausal.explanation.kinds import Kind, KindSet
from dccausal.explanation.record import Level, Outcome
from dccausal.inputs.view import View
from dccausal.targets import LabelTarget, Target

# The share of the score that an explanation keeps, where nobody says another.
HALF = 0.5
# Sufficient sets that are looked for, and how near to the image's score a complete one has to come, by default.
N_SEVERAL, WITHIN = 3, 0.05


@dataclass(eq=False)
class Findings:
    """
    What is known so far; whole at any time, so that a job may be cut short.

    Attributes
    ----------
    view, options
        The image, and how it is to be explained.
    target
        The label that is explained, once it is known.
    evidence
        What was asked and answered; None until the label is known.
    remarks
        Sentences on what is explained, where the notes are on how that went.
    outcome, notes, heatmap, kept, levels, explanation_score
        As in ``Explanation``.
    heatmap_peak
        The heatmap's highest value before it was scaled to 1.
    baseline_scores
        The explanation's score beside each baseline; empty before the last check.
    n_calls
        Model calls up to now.
    kind_sets, n_kind_questions, has_given_up
        The sets of the kind that was asked for, what was asked to find them, and whether there seems to be no more.
    lost
        For "why-not": bool (H, W), a minimal set without which the label is lost; empty where there is none.
    other, other_verdicts
        The label that "why-not" asks for, and the verdicts on it of the intact image and of the blank ones.

    """

    view: View
    options: Options
    target: Target = field(default_factory=lambda: LabelTarget(0, 1, float("nan")))
    evidence: _core.Evidence | None = None
    outcome: Outcome = "sufficient"
    notes: list[str] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    heatmap: NDArray[np.float32] = field(init=False)
    kept: NDArray[np.bool_] = field(init=False)
    heatmap_peak: float = 0.0
    levels: tuple[Level, ...] = ()
    explanation_score: float = float("nan")
    baseline_scores: tuple[float, ...] = ()
    n_calls: int = 0
    kind_sets: tuple[KindSet, ...] = ()
    n_kind_questions: int = 0
    has_given_up: bool = False
    lost: NDArray[np.bool_] | None = None
    other: Target | None = None
    other_verdicts: tuple[tuple[bool, float], tuple[bool, float]] = ((False, 0.0), (False, 0.0))

    def __post_init__(self) -> None:
        """Begin with a heatmap of nothing, and the whole image kept."""
        shape = self.view.image.shape[:2]
        self.heatmap = np.zeros(shape, dtype=np.float32)
        self.kept = np.ones(shape, dtype=np.bool_)

    @property
    def budget(self) -> int | None:
        """Model calls for search and extraction together; None for as many as they like."""
        most = self.options.max_calls
        return None if most is None else max(1, most - self._n_checks - self._n_sides * self.n_sets)

    @property
    def _n_checks(self) -> int:
        """Calls outside of the budget: the intact image, and beside each baseline the blank one and each level."""
        return 1 + len(self.view.baselines) * (1 + max(1, len(self.shares)))

    @property
    def _n_sides(self) -> int:
        """Calls of the last check of a set of a kind: from two sides, beside each baseline."""
        return 2 * len(self.view.baselines)

    @property
    def n_sets(self) -> int:
        """Sets of a kind to be found at most; each is checked within the budget."""
        options, most = self.options, self.options.max_calls
        if options.kind == "sufficient":
            return 0
        wanted = (options.n or N_SEVERAL) if options.kind == "several" else 1
        return wanted if most is None else max(0, min(wanted, (most - self._n_checks - 1) // self._n_sides))

    @property
    def within(self) -> float:
        """How far from the image's score that of a complete explanation may be."""
        share = self.options.within
        return (WITHIN if share is None else share) * abs(self.target.score)

    @property
    def kind(self) -> Kind:
        """The kind that was asked for, and its answer."""
        name, n_found = self.options.kind, len(self.kind_sets)
        exists: bool | None = None
        if n_found >= (2 if name == "several" else 1):
            exists = True
        elif self.has_given_up:
            exists = False
        other = None if self.other is None else self.other.label
        return Kind(
            name=name, exists=exists, sets=self.kind_sets, other=other, n_questions=self.n_kind_questions
        )

    @property
    def floor(self) -> float:
        """The least score of an explanation; 0 asks for the label alone."""
        return self.floor_at(self.share)

    def floor_at(self, share: float) -> float:
        """Return a share of the image's score; 0, which asks for the label alone, for a share of 0."""
        return share * self.target.score if share > 0 else 0.0

    def is_below_floor(self, score: float, share: float, rounding: float = 0.0) -> bool:
        """Return whether a score is less than a share of the image's; nothing is less than a share of 0."""
        return share > 0 and bool(score < share * self.target.score * (1 - rounding))

    @property
    def share(self) -> float:
        """The share of the image's score that the explanation has to keep."""
        given = self.options.min_confidence
        if given is not None:
            return given
        return HALF if self.options.settings.levels and self.target.score > 0 else 0.0

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of the nested sets, falling, the explanation's among them; empty where there is one set alone."""
        levels = self.options.settings.levels
        if not levels:
            return ()
        if not self.target.score > 0:  # labels alone, or scores of which no share can be taken
            return (0.0,)
        return tuple(sorted({*levels, self.share}, reverse=True))
