"""How a heatmap is found: the causal search, or another method's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.findings import Findings


class HeatmapSearch(Protocol):
    """
    Finds a heatmap by asking about masked or whole images: proposes questions, takes verdicts.

    What is proposed must not depend on ``capacity`` but for where it is cut, nor the heatmap on the order in
    which verdicts come, so that results are the same for any batch size.
    """

    n_own_calls: int
    """What it asked the model by itself before it was handed over, in calls: a gradient counts for three."""
    own_seconds: float
    """The time that took."""

    @property
    def is_done(self) -> bool:
        """Whether it asks no more and has all its answers."""
        ...

    @property
    def progress(self) -> float:
        """How much of it is done, 0 to 1."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on whatever should be known about the heatmap."""
        ...

    def propose(self, capacity: int) -> Any:
        """Return the next questions, at most ``capacity``; None while it waits for answers, or at the end."""
        ...

    def submit(self, asked: Any, is_passing: NDArray[np.bool_], scores: NDArray[np.float32], /) -> None:
        """Take the verdicts on questions that were proposed."""
        ...

    def heatmap(self) -> NDArray[Any]:
        """Return what follows from the answers so far, finite (H, W), higher meaning more important."""
        ...


# Makes a search, once the label is fixed, that asks at most so many questions (None: as many as it likes).
MakeSearch = Callable[[Findings, int | None], HeatmapSearch]
