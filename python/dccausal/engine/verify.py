"""The last phase: the sets are asked about once more, made by other means than during the search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dccausal.engine.findings import Findings
from dccausal.engine.phase import WholeImagePhase
from dccausal.engine.progress import PhaseName
from dccausal.engine.sides import judge_sides, sides
from dccausal.targets.answers import rows_of

# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4


class Verify(WholeImagePhase):
    """
    Asks once more about the explanation itself, made by other means than during the search.

    Parameters
    ----------
    findings
        What is known.

    """

    name: PhaseName = "verification"

    def __init__(self, findings: Findings) -> None:
        """Put the explanation on each baseline."""
        self._findings = findings
        view, levels = findings.view, findings.levels
        sets = np.stack([level.kept for level in levels] or [findings.kept])
        self._n_shown = len(sets) * len(view.baselines)
        shown = np.where(sets[:, None, ..., None], view.image, view.baselines)
        images = shown.reshape(-1, *view.image.shape)
        super().__init__(np.concatenate([images, sides(findings)]) if findings.kind_sets else images)

    def settle(self) -> None:
        """Note the score, and whether the label is really given."""
        if not self.is_done:
            return
        found = self._findings
        answer = self._inquiry.answer()
        judge_sides(found, rows_of(answer, slice(self._n_shown, None)))
        verdicts = found.target.judge(rows_of(answer, slice(0, self._n_shown)))
        # A row a set, a column a baseline: it has to do beside each.
        passes, beside = (values.reshape(-1, len(found.view.baselines)) for values in verdicts)
        is_passing, scores = [bool(row.all()) for row in passes], beside.min(axis=1)
        shares = [level.confidence for level in found.levels] or [found.share]
        holds = [
            bool(passes) and not found.is_below_floor(score, share, _ROUNDING)
            for passes, score, share in zip(is_passing, scores, shares, strict=True)
        ]
        found.levels = tuple(
            replace(level, score=float(score), outcome=level.outcome if is_held else "insufficient")
            for level, score, is_held in zip(found.levels, scores, holds, strict=False)
        )
        chosen = shares.index(found.share)
        found.explanation_score = float(scores[chosen])
        found.baseline_scores = tuple(map(float, beside[chosen]))
        if not holds[chosen]:
            found.outcome = "insufficient"
        if not all(holds):
            found.notes.append(
                "The last check failed: with everything else masked the classifier does not give the label. "
                "Its answers differ from call to call."
            )

    def following(self) -> None:
        """Return nothing: this is the end."""
        return
