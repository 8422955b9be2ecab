"""A batch in the making: whose questions fill which rows, and what answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.whole_images import WholeImages
from dccausal.targets import Target

Asked = _core.Batch | WholeImages
Verdicts = tuple[NDArray[np.bool_], NDArray[np.float32]]
# Scores or labels on whole images, verdicts on masked ones.
Answer = NDArray[Any] | Verdicts


def wants_scores(asked: Asked) -> TypeGuard[WholeImages]:
    """Return whether questions are about whole images, which are answered by scores; masked ones by verdicts."""
    return isinstance(asked, WholeImages)


class EncodedPair(Protocol):
    """An image and what masked pixels are replaced by, as the model's numbers, ready to be masked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image in a batch: only pairs of one shape go into the same batch."""
        ...

    @property
    def n_bytes(self) -> int:
        """Bytes of one image in a batch."""
        ...


class Rows(NamedTuple):
    """
    What one image has of a batch.

    Attributes
    ----------
    pair
        The image and its baseline.
    asked
        The questions.
    start
        The first of the rows that they fill.
    target
        The label that they are about.

    """

    pair: Any
    asked: Asked
    start: int
    target: Target

    @property
    def stop(self) -> int:
        """One past its last row."""
        return self.start + len(self.asked)


class MaskedBatch(Protocol):
    """Room for one batch in the making, and the way from there to the classifier."""

    def mask(self, parts: Sequence[Rows], capacity: int) -> None:
        """Make the masked images of a batch of at most ``capacity`` rows; its parts follow each other from row 0."""
        ...

    def answer(self, parts: Sequence[Rows]) -> list[Answer]:
        """Have the classifier answer some neighbouring parts of the batch that was made last."""
        ...
