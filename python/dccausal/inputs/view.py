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
    image, baseline
        uint8 (H, W, 3): what it sees, and what masked pixels are replaced by.
    photo, placement
        The photograph, and where the image lies in it.
    source
        The path of the photograph, if it has one.
    index
        Its place among others.

    """

    image: NDArray[np.uint8]
    baseline: NDArray[np.uint8]
    photo: Image.Image
    placement: Placement
    source: str | None = None
    index: int = 0
