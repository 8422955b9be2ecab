"""A random ranking: what any method has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.whole_images import WholeImages
from dccausal.inputs.view import View
from dccausal.methods.base import generator
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class RandomOptions:
    """A random order of all pixels, found without asking; growth and shrinking then go by it."""


class RandomSearch:
    """A ``HeatmapSearch`` that asks nothing."""

    is_done = True
    progress = 1.0
    notes: tuple[str, ...] = ()

    n_own_calls, own_seconds = 0, 0.0

    def __init__(
        self,
        view: View,
        target: Target,  # noqa: ARG002  nothing is asked about it
        budget: int | None,  # noqa: ARG002  nothing is asked
        *,
        seed: int,
        options: RandomOptions,  # noqa: ARG002  it has none
    ) -> None:
        """Take the seed."""
        self._shape, self._seed = view.image.shape[:2], seed

    def propose(self, capacity: int) -> None:
        """Return nothing to ask."""

    def submit(
        self, pictures: WholeImages, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]
    ) -> None:
        """Take no verdicts: none are asked for."""

    def heatmap(self) -> NDArray[np.float64]:
        """Return the places 0, 1, 2, ... of the pixels in a random order."""
        height, width = self._shape
        places = generator(self._seed, 0).permutation(height * width)
        return places.reshape(height, width).astype(np.float64)
