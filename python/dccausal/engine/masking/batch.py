"""A batch in the making: whose questions fill which rows, and what answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.whole_images import Pictures
from dccausal.targets import Target

Asked = _core.Batch | Pictures


Verdicts = tuple[NDArray[np.bool_], NDArray[np.float32]]


# Scores or labels on whole images, verdicts on masked ones.
Answer = NDArray[Any] | Verdicts


class Subject(Protocol):
    """An image and what masked pixels are replaced by, ready to be drawn."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image in a batch: only subjects of one shape go into the same batch."""
        ...

    @property
    def n_bytes(self) -> int:
        """Of one image in a batch."""
        ...


class Share(NamedTuple):
    """What one image has of a batch: questions, the rows that they fill, and the label that they are about."""

    subject: Any
    asked: Asked
    start: int
    target: Target

    @property
    def stop(self) -> int:
        """The first row behind."""
        return self.start + len(self.asked)


class Easel(Protocol):
    """Room for one batch in the making, and the way from there to the classifier."""

    def draw(self, shares: Sequence[Share], capacity: int) -> None:
        """Draw a batch, whose shares lie one behind the other from row 0, of at most ``capacity`` rows."""
        ...

    def answer(self, shares: Sequence[Share]) -> list[Answer]:
        """Have the classifier answer some neighbouring shares of the batch that was drawn last."""
        ...
