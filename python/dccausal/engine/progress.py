"""How far an explanation has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PhaseName = Literal["check", "search", "growth", "shrinking", "remainder", "kind", "verification"]


PHASES: tuple[PhaseName, ...] = get_args(PhaseName)


@dataclass(frozen=True)
class Progress:
    """
    How far an explanation has come.

    Attributes
    ----------
    phase
        "check", "search", "growth", "shrinking", "remainder", "kind" (further sets that were asked for) or
        "verification".
    n_calls
        Model calls so far.
    n_expected
        Model calls to expect at the end of the search; None while that is not known, and after it.
    seconds
        Time since the start.
    index
        Number of the image among those of ``explain_many``; 0 for ``explain``.

    """

    phase: PhaseName
    n_calls: int
    n_expected: int | None
    seconds: float
    index: int = 0
