"""Questions about whole images: the intact one, the blank one, and the explanation itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.answers import joined


@dataclass(frozen=True)
class WholeImages:
    """
    Whole images to be asked about, as opposed to masked ones that are still to be drawn.

    Attributes
    ----------
    images
        uint8 (n, H, W, 3).
    first
        Place of the first one among all that were given.

    """

    images: NDArray[np.uint8]
    first: int

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


class WholeImageInquiry:
    """Asks about a few whole images: an inquiry like those of the core, but answered by scores."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        """Take the images, uint8 (n, H, W, 3)."""
        self._images = images
        self._n_proposed = 0
        self._answers: dict[int, Any] = {}
        self._n_left = len(images)

    @property
    def is_done(self) -> bool:
        """Whether all of them were answered."""
        return self._n_left == 0

    def propose(self, capacity: int) -> WholeImages | None:
        """Return the next images, at most ``capacity``; None when there are no more."""
        first = self._n_proposed
        images = self._images[first : first + capacity]
        self._n_proposed += len(images)
        return WholeImages(images, first) if len(images) else None

    def submit(self, pictures: WholeImages, answer: Any) -> None:
        """Take the checked answer on some of them, in any order."""
        self._answers[pictures.first] = answer
        self._n_left -= len(pictures)

    def answer(self) -> Any:
        """
        Return the answer on all images, in their order.

        Raises
        ------
        ClassifierError
            If it has other classes for some than for others.

        """
        return joined([self._answers[first] for first in sorted(self._answers)])
