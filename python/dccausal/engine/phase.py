"""What a phase of an explanation is."""

from __future__ import annotations

from typing import Any, Protocol

from dccausal.engine.masking.batch import Asked
from dccausal.engine.progress import PhaseName


class Phase(Protocol):
    """A part of an explanation's work."""

    @property
    def name(self) -> PhaseName:
        """What it is called where progress is told."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether it asks no more and has all its answers."""
        ...

    @property
    def progress(self) -> float | None:
        """How much of it is done, 0 to 1; None where that cannot be told."""
        ...

    def propose(self, capacity: int) -> Asked | None:
        """Return the next questions, at most ``capacity``; None while it waits for answers, or at the end."""
        ...

    def take(self, asked: Any, answer: Any) -> None:
        """Take the answers to questions that were proposed."""
        ...

    def settle(self, n_calls: int) -> None:
        """Write what is known into the findings; ``n_calls`` is what the phase asked. Also when cut short."""
        ...

    def following(self) -> Phase | None:
        """Return the next phase; None at the end."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Return what it counted, as plain values."""
        ...
