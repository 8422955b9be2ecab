"""What the classifier sees of a photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.preprocess import Placement

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False)
class View:
    """
    What the classifier sees of a photograph.

    Attributes
    ----------
    image
        uint8 (H, W, 3): what it sees.
    baselines
        uint8 (n, H, W, 3): what masked pixels are replaced by, beside each of which the label has to stay.
    photo, placement
        The photograph, and where the image lies in it.
    source
        The path of the photograph, if it has one.
    index
        Its place among others.

    """

    image: NDArray[np.uint8]
    baselines: NDArray[np.uint8]
    photo: Image.Image
    placement: Placement
    source: str | None = None
    index: int = 0

    @property
    def baseline(self) -> NDArray[np.uint8]:
        """The first of the baselines, uint8 (H, W, 3)."""
        first: NDArray[np.uint8] = self.baselines[0]
        return first
