"""A label as a subject, with a rule of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dccausal._shared.checks import finite_number, whole_number
from dccausal.classifier import check_answer, resolve_label
from dccausal.errors import OptionError
from dccausal.targets.label import LabelTarget, choose_target
from dccausal.targets.target import Needs, Request


@dataclass(frozen=True)
class Label:
    """
    A label of a classifier; ``target="panda"`` is the same without a rule of its own.

    Parameters
    ----------
    which
        Its name or index; by default the top label.
    threshold
        The label passes where its score reaches this, above 0 and below 1, whatever the others have. By default its
        rank decides, see ``explain``.
    top_k
        It passes if it is among this many best.

    Raises
    ------
    OptionError
        If a value is out of its range, or both rules are given.

    """

    which: int | str | None = None
    threshold: float | None = None
    top_k: int | None = None

    needs: ClassVar[Needs] = "scores"

    def __post_init__(self) -> None:
        """Check what was given."""
        if self.threshold is not None and not 0 < finite_number("threshold", self.threshold) < 1:
            raise OptionError(f"threshold is {self.threshold}; a score between 0 and 1 is needed")
        if self.top_k is not None:
            whole_number("top_k", self.top_k, 1)
        if self.threshold is not None and self.top_k is not None:
            raise OptionError(
                f"threshold {self.threshold} and top_k {self.top_k} were both given; one is needed"
            )

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:
        """Do nothing if there is such a label."""
        resolve_label(self.which, names, n_classes)

    def read(self, answer: Any, n: int) -> Any:
        """Return a classifier's answer, checked."""
        return check_answer(answer, n)

    def choose(self, answer: Any, request: Request) -> LabelTarget:
        """Return the target, from the answer on the intact image; raises what ``choose_target`` raises."""
        label = resolve_label(self.which, request.names, answer.shape[1] if answer.ndim > 1 else None)
        least = self.threshold
        if least is not None and answer.ndim > 1:
            label = int(answer[0].argmax()) if label is None else label
            score = float(answer[0, label])
            if score < least:
                raise OptionError(
                    f"label {label} has a score of {score:.3g}; at most that is needed as threshold, not {least:g}"
                )
            return LabelTarget(label, None, score, least)
        return choose_target(answer, label, self.top_k, multi_label=False, needs_scores=request.needs_scores)

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        return {"kind": "label", "which": self.which, "threshold": self.threshold, "top_k": self.top_k}
