"""The last check of a kind's sets: each alone on the baseline, and the image without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.findings import Findings
from dccausal.explanation.kinds import KindSet
from dccausal.targets.answers import rows_of
from dccausal.targets.label import LabelTarget

# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4


def sides(found: Findings) -> NDArray[np.uint8]:
    """Return each set alone on the baseline, then the image without each, uint8 (2 n, H, W, 3)."""
    view = found.view
    sets = np.array([one.pixels for one in found.kind_sets], dtype=bool).reshape(-1, *found.kept.shape, 1)
    alone, without = np.where(sets, view.image, view.baseline), np.where(sets, view.baseline, view.image)
    return np.concatenate([alone, without])


def judge_sides(found: Findings, answer: Any) -> None:
    """Note what the classifier said of the sides, and whether each set is what it is said to be."""
    n = len(found.kind_sets)
    if n == 0:
        return
    without = rows_of(answer, slice(n, None))
    keeps, scores = found.target.judge(rows_of(answer, slice(0, n)))
    gives, scores_without = found.target.judge(without)
    others = None if found.other is None else found.other.judge(without)
    has_labels = isinstance(found.target, LabelTarget)
    judged = []
    for i, one in enumerate(found.kind_sets):
        seen = replace(
            one,
            score_alone=float(scores[i]),
            keeps=bool(keeps[i]),
            score_without=float(scores_without[i]),
            loses=not gives[i],
            other_score_without=float("nan") if others is None else float(others[1][i]),
            **(_top(without[i]) if has_labels else {}),
        )
        holds = _holds(found, seen, is_other=others is not None and bool(others[0][i]))
        judged.append(seen if holds else replace(seen, outcome="refuted"))
    found.kind_sets = tuple(judged)
    if any(one.outcome == "refuted" for one in judged):
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
