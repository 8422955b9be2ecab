"""A batch in the making: whose questions fill which rows, and what answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.whole_images import WholeImages
from dccausal.errors import ClassifierError
from dccausal.targets import Target
from dccausal.targets.answers import rows_of

Asked = _core.Batch | WholeImages
Verdicts = tuple[NDArray[np.bool_], NDArray[np.float32]]
# The answer itself on whole images (scores, labels, boxes, ...), verdicts on masked ones.
Answer = Any


def wants_scores(asked: Asked) -> TypeGuard[WholeImages]:
    """Return whether questions are about whole images, which are answered by scores; masked ones by verdicts."""
    return isinstance(asked, WholeImages)


class EncodedPair(Protocol):
    """An image and what masked pixels are replaced by, one baseline or several, as the model's numbers."""

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
        The image and its baselines.
    asked
        The questions.
    start
        The first of the rows that they fill.
    target
        What they are about.

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


def shared(answer: Any, parts: list[tuple[Rows, slice]]) -> list[Answer]:
    """
    Return each part's share of an answer: as it is for whole images, judged by the part's target for masked ones.

    Raises
    ------
    ClassifierError
        If a target's score is not finite.

    """
    answers: list[Answer] = []
    for rows, own in parts:
        share = rows_of(answer, own)
        if wants_scores(rows.asked):
            answers.append(share)
            continue
        is_passing, scores = rows.target.judge(share)
        if not np.isfinite(scores).all():
            raise ClassifierError(
                f"the model returned NaN or infinite numbers for {int((~np.isfinite(scores)).sum())} of {len(scores)} "
                "images; finite ones are needed"
            )
        answers.append((is_passing, scores))
    return answers
