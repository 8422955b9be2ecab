"""What a target is: what is explained, and when an answer still gives it; and how a user names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dccausal.targets.frame import Frame

# What a model has to give so that a subject can be chosen.
Needs = Literal["scores", "boxes", "maps", "embeddings", "anything"]


class Target(Protocol):
    """
    What is explained of one image, fixed by the answer on it, and the rule by which other answers give it.

    Nothing else of the engine or of the core knows what an answer is: they see passing and score.
    """

    @property
    def label(self) -> int:
        """Index of the label; 0 where there are no labels."""
        ...

    @property
    def top_k(self) -> int | None:
        """The label passes if it is among this many best ones; None where another rule decides."""
        ...

    @property
    def score(self) -> float:
        """Its score on the intact image; NaN where there are none."""
        ...

    @property
    def note(self) -> str | None:
        """A sentence on when it counts as given, where that is not what one would think."""
        ...

    def judge(self, answer: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each image of a checked answer, whether it passes, and the score (n,)."""
        ...

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return the same where only a label's rank and score are known, each (n,)."""
        ...

    def to_dict(self) -> dict[str, Any] | None:
        """Return what is explained as plain values; None for a label, which results have anyway."""
        ...


@dataclass(frozen=True)
class Request:
    """
    What fixing a target depends on beside the answer.

    Attributes
    ----------
    frame
        The image, and where in the photograph it lies.
    names
        A name for each label; None without.
    needs_scores
        Whether labels alone will not do.
    blank
        The answer on the image with everything masked.

    """

    frame: Frame
    names: Sequence[str] | None = None
    needs_scores: bool = False
    blank: Any = None


class Subject(Protocol):
    """
    What is to be explained, as a user names it: ``Label``, ``Box``, ``Region``, ``Similarity`` or ``Custom``.

    On the intact image it becomes a ``Target``.
    """

    needs: ClassVar[Needs]

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:
        """Do nothing if there may be such a target; raises OptionError."""
        ...

    def read(self, answer: Any, n: int) -> Any:
        """Return what a callable gave for ``n`` images as ``choose`` and ``Target.judge`` take it."""
        ...

    def choose(self, answer: Any, request: Request) -> Target:
        """Return the target, from the answer on the intact image (one row); raises OptionError."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        ...
