"""What a phase of an explanation is."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.masking.batch import Asked, Verdicts
from dccausal.engine.progress import PhaseName
from dccausal.engine.whole_images import WholeImageInquiry, WholeImages


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

    def settle(self) -> None:
        """Write what is known into the findings. Also when cut short."""
        ...

    def following(self) -> Phase | None:
        """Return the next phase; None at the end."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Return what it counted, as plain values."""
        ...


class CorePhase:
    """What phases have in common for which an inquiry of the core asks."""

    progress: float | None = None

    def __init__(self, inquiry: _core.Extraction | _core.Nested | _core.Halves | _core.Minimal) -> None:
        """Take what asks."""
        self._inquiry = inquiry

    @property
    def is_done(self) -> bool:
        """Whether it knows all it wanted to, or the budget is used up."""
        return self._inquiry.is_done

    def propose(self, capacity: int) -> _core.Batch | None:
        """Return the next questions."""
        return self._inquiry.propose(capacity)

    def take(self, asked: _core.Batch, answer: Verdicts) -> None:
        """Take verdicts."""
        self._inquiry.submit(asked.id, *answer)

    def statistics(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


class WholeImagePhase:
    """What phases have in common that ask about whole images."""

    progress: float | None = None

    def __init__(self, images: NDArray[np.uint8]) -> None:
        """Take the images, uint8 (n, H, W, 3)."""
        self._inquiry = WholeImageInquiry(images)

    @property
    def is_done(self) -> bool:
        """Whether all of them were answered."""
        return self._inquiry.is_done

    def propose(self, capacity: int) -> WholeImages | None:
        """Return the next images."""
        return self._inquiry.propose(capacity)

    def take(self, asked: WholeImages, answer: Any) -> None:
        """Take the classifier's checked answer."""
        self._inquiry.submit(asked, answer)

    def statistics(self) -> dict[str, Any]:
        """Return nothing."""
        return {}
