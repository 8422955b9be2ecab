"""The last check of a kind's sets: each alone on each baseline, and the image without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.findings import Findings
from dccausal.explanation.kinds import KindSet
from dccausal.targets import Target
from dccausal.targets.answers import rows_of
from dccausal.targets.label import LabelTarget

# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4


def sides(found: Findings) -> NDArray[np.uint8]:
    """Return each set alone beside each baseline, then the image without each, uint8 (2 n baselines, H, W, 3)."""
    view = found.view
    sets = np.array([one.pixels for one in found.kind_sets], dtype=bool)[:, None, ..., None]
    alone, without = np.where(sets, view.image, view.baselines), np.where(sets, view.baselines, view.image)
    return np.concatenate([alone, without]).reshape(-1, *view.image.shape)


def judge_sides(found: Findings, answer: Any) -> None:
    """
    Note what the classifier said of the sides, and whether each set is what it is said to be.

    As everywhere, the label is given where it is beside each baseline, and its score is the least of them.
    """
    n, n_baselines = len(found.kind_sets), len(found.view.baselines)
    if n == 0:
        return

    def judged(target: Target, rows: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        gives, scores = target.judge(rows)
        return gives.reshape(n, n_baselines), scores.reshape(n, n_baselines).min(axis=1)

    without = rows_of(answer, slice(n * n_baselines, None))
    keeps, scores = judged(found.target, rows_of(answer, slice(0, n * n_baselines)))
    gives, scores_without = judged(found.target, without)
    others = None if found.other is None else judged(found.other, without)
    has_labels = isinstance(found.target, LabelTarget)
    seen_sets = []
    for i, one in enumerate(found.kind_sets):
        # What the label becomes is told beside the first baseline that takes it away.
        row = i * n_baselines + int(gives[i].argmin())
        seen = replace(
            one,
            score_alone=float(scores[i]),
            keeps=bool(keeps[i].all()),
            score_without=float(scores_without[i]),
            loses=not gives[i].all(),
            other_score_without=float("nan") if others is None else float(others[1][i]),
            **(_top(without[row]) if has_labels else {}),
        )
        holds = _holds(found, seen, is_other=others is not None and bool(others[0][i].all()))
        seen_sets.append(seen if holds else replace(seen, outcome="refuted"))
    found.kind_sets = tuple(seen_sets)
    if any(one.outcome == "refuted" for one in seen_sets):
        found.notes.append(
            "The last check of the sets failed: their images, made by other means, are not answered as before. "
            "The classifier's answers differ from call to call."
        )


def _top(answer: Any) -> dict[str, Any]:
    """Return the best label of an answer, and its score."""
    if np.ndim(answer) == 0:
        return {"label_without": int(answer)}
    label = int(np.argmax(answer))
    return {"label_without": label, "top_score_without": float(answer[label])}


def _holds(found: Findings, seen: KindSet, *, is_other: bool) -> bool:
    """Return whether a set is what its kind asks for."""
    kind = found.options.kind
    suffices = bool(seen.keeps) and not found.is_below_floor(seen.score_alone, found.share, _ROUNDING)
    if kind == "complete":
        off = abs(seen.score_alone - found.target.score)
        return bool(seen.keeps) and off <= found.within + _ROUNDING * abs(found.target.score)
    return {
        "several": suffices,
        "contrastive": suffices and bool(seen.loses),
        "necessary": bool(seen.loses),
        "why-not": is_other,
    }[kind]
