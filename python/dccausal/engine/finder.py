"""What a search has to offer to a job that is to begin with another heatmap than the causal one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.whole_images import Pictures

if TYPE_CHECKING:
    from dccausal.inputs.view import View
    from dccausal.targets import Target


class Finder(Protocol):
    """
    Finds a heatmap by asking about whole images: proposes questions, takes verdicts.

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

    def propose(self, capacity: int) -> Pictures | None:
        """Return the next images, at most ``capacity``; None while it waits for answers, or at the end."""
        ...

    def submit(self, pictures: Pictures, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None:
        """Take the verdicts on images that were proposed."""
        ...

    def heatmap(self) -> NDArray[np.float64]:
        """Return what follows from the answers so far, finite (H, W), higher meaning more important."""
        ...


# Makes a finder, once the label is fixed, that asks at most so many questions (None: as many as it likes).
MakeFinder = Callable[["View", "Target", int | None], Finder]
