"""How far an explanation has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    sketch
        Returns the heat as far as it is known, float32 (H, W) in [0, 1]. To be called while ``progress`` is, if at all:
        it costs some milliseconds.

    """

    phase: PhaseName
    n_calls: int
    n_expected: int | None
    seconds: float
    index: int = 0
    sketch: Callable[[], NDArray[np.float32]] | None = field(default=None, repr=False, compare=False)


class StopEarly(KeyboardInterrupt):
    """Raised by ``progress``: leave off and return the best explanation so far, as after Ctrl-C."""
