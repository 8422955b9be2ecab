"""A label as the target: the classifier still gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError, OptionError

_THRESHOLD = 0.5
# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class LabelTarget:
    """
    The label to explain, and the rule by which an answer is read as passing.

    Attributes
    ----------
    label
        Index of the label.
    top_k
        The label passes if it is among this many best ones. None: it passes if its score reaches ``least``.
    score
        Its score on the intact image; NaN where the classifier gives labels only.
    least
        What counts where ``top_k`` is None: 0.5, the rule of several labels at once, unless something else was
        asked for.
    note
        A sentence on when the label counts as given, where that is not what one would think.

    """

    label: int
    top_k: int | None
    score: float
    least: float = _THRESHOLD
    note: str | None = None

    def judge(self, answer: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each row of a checked answer, whether it passes, and the label's score (n,)."""
        if answer.ndim == 1:
            return answer == self.label, np.full(len(answer), np.nan, dtype=np.float32)
        if self.label >= answer.shape[1]:
            raise ClassifierError(
                f"the classifier returned {answer.shape[1]} classes now; label {self.label} is being explained"
            )
        return self.judge_ranks(rank_of(answer, self.label), answer[:, self.label])

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return the same where only the label's rank, 1 for the best, and its score are known, each (n,)."""
        is_passing = scores >= self.least if self.top_k is None else ranks <= self.top_k
        return is_passing, np.ascontiguousarray(scores, dtype=np.float32)

    def to_dict(self) -> None:
        """Return nothing: results have the label anyway."""
        return


def choose_target(
    answer: NDArray[Any],
    target: int | None,
    top_k: int | None,
    *,
    multi_label: bool,
    needs_scores: bool,
    threshold: float | None = None,
) -> LabelTarget:
    """
    Fix the label to explain from the answer on the intact image (one row).

    A label that is not the top one passes as long as its rank is no worse than on the intact image, unless
    ``top_k`` says otherwise; the last one, as long as its score is no less.

    Parameters
    ----------
    answer
        Checked scores (1, classes), or a label (1,).
    target, top_k
        As in ``explain``.
    multi_label
        Whether the scores are independent of each other.
    needs_scores
        Whether labels alone will not do.
    threshold
        The score from which on a label counts as given, of several labels at once or of the yes of two columns
        [1 - p, p]; None for 0.5.

    Raises
    ------
    OptionError
        If the label is out of range, is not among the ``top_k`` asked for, or if scores are needed and the
        classifier gives none.

    """
    if answer.ndim == 1:
        return _choose_by_label(int(answer[0]), target, top_k, needs_scores=needs_scores)
    n_classes = answer.shape[1]
    if target is not None and target >= n_classes:
        raise OptionError(f"target is {target}; a label from 0 to {n_classes - 1} is needed")
    if top_k is not None and top_k >= n_classes:
        raise OptionError(
            f"top_k is {top_k}; with {n_classes} classes every answer would pass, so less is needed"
        )
    if threshold is not None and not multi_label:
        return _choose_yes_or_no(answer[0], target, threshold)
    label = int(answer[0].argmax()) if target is None else target
    score = float(answer[0, label])
    least = _THRESHOLD if threshold is None else threshold
    if multi_label and top_k is None and score >= least:
        return LabelTarget(label, None, score, least)
    rank = int(rank_of(answer[:1], label)[0])
    if top_k is not None and rank > top_k:
        raise OptionError(
            f"target {label} is number {rank} on this image, not among the top_k = {top_k}; "
            f"top_k={rank} or another target is needed"
        )
    if top_k is not None:
        return LabelTarget(label, top_k, score)
    if rank >= n_classes:
        return _by_own_score(label, score, f"the last of {n_classes}")
    note = None
    if rank > 1:
        note = (
            f"Label {label} is number {rank} of {n_classes} on this image; it counts as given while it is among the "
            f"{rank} best."
        )
    elif multi_label:
        note = f"No label reaches {least:g} on this image; the best counts as given while it stays the best."
    return LabelTarget(label, rank, score, note=note)


def _choose_yes_or_no(scores: NDArray[Any], target: int | None, threshold: float) -> LabelTarget:
    """Return the target of two columns [1 - p, p], of which the second counts from the threshold on."""
    label = int(scores[1] >= threshold) if target is None else target
    score, least = float(scores[label]), threshold if label else 1 - threshold
    if score >= least:
        return LabelTarget(label, None, score, least)
    return _by_own_score(label, score, f"not given, by the threshold of {threshold:g},")


def _by_own_score(label: int, score: float, why: str) -> LabelTarget:
    note = (
        f"Label {label} is {why} on this image, with a score of {score:.3g}; it counts as given while its score is "
        "no less."
    )
    return LabelTarget(label, None, score, score - _ROUNDING * max(abs(score), _ROUNDING), note)


def _choose_by_label(label: int, target: int | None, top_k: int | None, *, needs_scores: bool) -> LabelTarget:
    if needs_scores or (top_k is not None and top_k > 1):
        option = "min_confidence" if needs_scores else "top_k"
        raise OptionError(f"{option} was given, but the classifier returns labels only; it needs scores")
    if target is not None and target != label:
        raise OptionError(
            f"target is {target}, but the classifier says {label} and gives no scores; "
            "to explain another label than the top one, scores are needed"
        )
    return LabelTarget(label, 1, float("nan"))


def choose_other(
    answer: NDArray[Any],
    target: LabelTarget,
    other: int,
    *,
    multi_label: bool,
    threshold: float | None = None,
) -> LabelTarget:
    """
    Fix the label that is to come in another's place: it passes while it is the best, or, of several at once, given.

    Parameters
    ----------
    answer
        As for ``choose_target``.
    target
        The label that is explained.
    other
        The label that is to come.
    multi_label, threshold
        As for ``choose_target``.

    Raises
    ------
    OptionError
        If the label is out of range, is the one that is explained, or is given on the intact image.

    """
    if answer.ndim == 2 and other >= answer.shape[1]:  # noqa: PLR2004
        raise OptionError(f"other is {other}; a label from 0 to {answer.shape[1] - 1} is needed")
    if other == target.label:
        raise OptionError(f"other is {other}, which is the label that is explained; another one is needed")
    if answer.ndim == 1:
        chosen = LabelTarget(other, 1, float("nan"))
    elif multi_label or threshold is not None:
        least = _THRESHOLD if threshold is None else threshold
        is_no = not multi_label and other == 0  # of two columns [1 - p, p]
        chosen = LabelTarget(other, None, float(answer[0, other]), 1 - least if is_no else least)
    else:
        chosen = LabelTarget(other, 1, float(answer[0, other]))
    if bool(chosen.judge(answer)[0][0]):
        raise OptionError(f"other is {other}, which is given on this image already; another one is needed")
    return chosen


def rank_of(answer: NDArray[Any], label: int) -> NDArray[np.int64]:
    """Return the rank (n,) of a label in each row, 1 for the best; among equal scores the first comes first."""
    own = answer[:, label, None]
    ahead = (answer > own).sum(axis=1) + (answer[:, :label] == own).sum(axis=1)
    rank: NDArray[np.int64] = ahead + 1
    return rank
