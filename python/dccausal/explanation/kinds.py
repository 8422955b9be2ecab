"""Kinds of explanation: the questions beside "what suffices for the label?", and the sets that answer them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import InputError
from dccausal.explanation.kind_names import KINDS, KindName

SetOutcome = Literal["minimal", "unfinished", "refuted"]


@dataclass(frozen=True, eq=False, kw_only=True)
class KindSet:
    """
    A set of pixels that answers the question of a kind.

    Attributes
    ----------
    pixels
        bool (H, W), read-only: the set.
    outcome
        "minimal": it is what the kind asks for, and no block of the lattice can go without losing that or leaving a
        hole. "unfinished": it is what the kind asks for, and the search was stopped before it was minimal.
        "refuted": the last check, on images made by other means, contradicts the search.
    score_alone, keeps
        The label's score with the set alone visible, and whether it is given then.
    score_without, loses
        The label's score with the set masked, and whether the label is lost then.
    label_without, name_without, top_score_without
        The best label with the set masked, its name and its score; None where there are no classes.
    other_score_without
        With the set masked, the score of the label that was asked for; NaN if none was.

    """

    pixels: NDArray[np.bool_]
    outcome: SetOutcome
    score_alone: float = float("nan")
    keeps: bool | None = None
    score_without: float = float("nan")
    loses: bool | None = None
    label_without: int | None = None
    name_without: str | None = None
    top_score_without: float = float("nan")
    other_score_without: float = float("nan")

    def __post_init__(self) -> None:
        """Keep an array of our own that nobody can write to."""
        own = np.array(self.pixels, dtype=np.bool_, order="C")
        own.flags.writeable = False
        object.__setattr__(self, "pixels", own)
        if self.outcome not in get_args(SetOutcome):
            raise InputError(
                f"outcome is {self.outcome!r}; one of {', '.join(get_args(SetOutcome))} is needed"
            )

    @property
    def size(self) -> float:
        """Share of the pixels, 0 to 1."""
        return float(np.count_nonzero(self.pixels) / self.pixels.size)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled or copied; the array stays read-only."""
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False, kw_only=True)
class Kind:
    """
    What was asked beside "what suffices for the label?", and the answer.

    Attributes
    ----------
    name
        "sufficient": nothing else, the nested sets are the answer. "several": sufficient sets that lie apart, the
        explanation first. "contrastive": sufficient, and the image without it does not give the label. "necessary":
        without it the image does not give the label. "why-not": without it the image gives another label.
        "complete": alone it has the image's score.
    exists
        Whether there is an answer: at least one set, two for "several". None where the question was not asked, or
        the search ended before it was answered.
    sets
        The answer, best first.
    other, other_name
        The label that was asked for by "why-not".
    n_questions
        What was asked of the classifier to find it, the last checks not counted.

    """

    name: KindName = "sufficient"
    exists: bool | None = None
    sets: tuple[KindSet, ...] = ()
    other: int | None = None
    other_name: str | None = None
    n_questions: int = 0

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name not in KINDS:
            raise InputError(f"kind is {self.name!r}; one of {', '.join(KINDS)} is needed")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """
        Do nothing if every set has this shape.

        Raises
        ------
        InputError
            If one has another.

        """
        for one in self.sets:
            if one.pixels.shape != shape:
                raise InputError(f"sets have pixels of {one.pixels.shape}; {shape} is needed")

    def named(self, names: Iterable[str] | None) -> Kind:
        """Return the same with the names of labels."""
        if names is None:
            return self
        listed = list(names)

        def name(label: int | None) -> str | None:
            return listed[label] if label is not None and label < len(listed) else None

        sets = tuple(replace(one, name_without=name(one.label_without)) for one in self.sets)
        return replace(self, sets=sets, other_name=name(self.other))
