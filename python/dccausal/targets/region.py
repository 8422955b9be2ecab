"""A region of a segmenter as the target: the label is still what most of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number
from dccausal._shared.text import shown
from dccausal.classifier import resolve_label
from dccausal.errors import ClassifierError, OptionError
from dccausal.targets.maps import LabelMaps, connected
from dccausal.targets.target import Needs, Request

_OVERLAP = 0.5
_MAX_LISTED = 6
_RANK = 4
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class RegionTarget:
    """
    A region of a segmenter.

    An answer passes if the label is the best one on at least ``overlap`` of the region: inside it, that is the IoU of
    the label's mask with that of the intact image. The score is the label's mean probability in the region.

    Attributes
    ----------
    label, name
        The label of the region, and what it is called.
    region
        bool (h, w): its places, in the segmenter's map.
    point
        (x, y) in the photograph's pixels by which it was asked for; None where all of the label was.
    score
        The score on the intact image.

    """

    label: int
    name: str | None
    region: NDArray[np.bool_]
    point: tuple[float, float] | None
    score: float
    overlap: float = _OVERLAP
    note: str | None = None
    top_k: int | None = None

    def judge(self, answer: LabelMaps) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each image, whether the region is still the label's, and its mean probability (n,)."""
        is_best, probability = answer.at(self.region, self.label)
        is_passing: NDArray[np.bool_] = is_best.mean(axis=1) >= self.overlap
        return is_passing, np.ascontiguousarray(probability.mean(axis=1), dtype=np.float32)

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Refuse: a region has no rank."""
        raise ClassifierError(f"{len(ranks)} ranks and {len(scores)} scores were given; maps are needed")

    def to_dict(self) -> dict[str, Any]:
        """Return the region as plain values, its places as a mask of the map's size."""
        name = f"label {self.label}" if self.name is None else f"{self.name} ({self.label})"
        where = "" if self.point is None else f" around {self.point[0]:.0f},{self.point[1]:.0f}"
        share = float(self.region.mean())
        return {
            "kind": "region",
            "title": f"{name}, {'all of it' if self.point is None else f'the region{where}'}",
            "words": f"{share:.1%} of the segmenter's map{where}; it counts as given while the label is the best "
            f"one on {self.overlap:g} of it",
            "share": share,
            "point": None if self.point is None else list(self.point),
            "least_iou": self.overlap,
            "mask": self.region,
        }


@dataclass(frozen=True)
class Region:
    """
    A region of a segmenter, of which is asked why it has its label.

    Parameters
    ----------
    which
        A label by name or index: all places that have it. Or (x, y) in the photograph's pixels: what hangs together
        there.
    overlap
        The share of the region on which the label has to stay the best, above 0 and at most 1.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """

    which: int | str | tuple[float, float]
    overlap: float = _OVERLAP

    needs: ClassVar[Needs] = "maps"

    def __post_init__(self) -> None:
        """Check what was given."""
        if not isinstance(self.which, int | str | np.integer):
            object.__setattr__(self, "which", _point(self.which))
        if not 0 < finite_number("overlap", self.overlap) <= 1:
            raise OptionError(f"overlap is {self.overlap}; a share above 0 and at most 1 is needed")

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:
        """Do nothing if there is such a label."""
        if isinstance(self.which, int | str):
            _label(self.which, names, n_classes)

    def read(self, answer: Any, n: int) -> LabelMaps:
        """
        Return the maps that a callable gave: (n, labels, h, w), probabilities where they sum to 1, else logits.

        Raises
        ------
        ClassifierError
            If it gave something else.

        """
        if isinstance(answer, LabelMaps):
            return answer
        raw = np.asarray(answer)
        if raw.ndim != _RANK or len(raw) != n or raw.dtype.kind != "f" or raw.shape[1] < 2:  # noqa: PLR2004
            raise ClassifierError(
                f"the segmenter returned {raw.shape} {raw.dtype} for {n} images; floats ({n}, labels, height, width) "
                "are needed"
            )
        is_probability = bool(raw.min() >= 0 and np.abs(raw.sum(axis=1) - 1).max() < _ROUNDING)
        return LabelMaps(raw, "none" if is_probability else "softmax")

    def choose(self, answer: LabelMaps, request: Request) -> RegionTarget:
        """
        Return the target, from the answer on the intact image.

        Raises
        ------
        OptionError
            If the label is nowhere, or the point lies outside of the photograph.

        """
        labels, names = answer.labels(), request.names
        inside = request.frame.shows((labels.shape[0], labels.shape[1]))
        point = None
        if isinstance(self.which, tuple):
            point = self.which
            row, column = self._place(point, labels.shape, request)
            label, inside[row, column] = int(labels[row, column]), True
            region = connected((labels == label) & inside, (row, column))
        else:
            label = _label(self.which, names, answer.n_labels)
            region = (labels == label) & inside
        if not region.any():
            there = np.bincount(labels[inside], minlength=answer.n_labels)
            best = [int(one) for one in np.argsort(-there, kind="stable")[:_MAX_LISTED] if there[one]]
            listed = ", ".join(f"{_name(one, names) or one} ({there[one] / there.sum():.0%})" for one in best)
            raise OptionError(f"region {shown(self.which)} is nowhere in this photograph; there are {listed}")
        target = RegionTarget(label, _name(label, names), region, point, 0.0, self.overlap)
        _, scores = target.judge(answer)
        object.__setattr__(target, "score", float(scores[0]))
        return target

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        which = list(self.which) if isinstance(self.which, tuple) else self.which
        return {"kind": "region", "which": which, "overlap": self.overlap}

    def _place(self, point: tuple[float, float], shape: tuple[int, ...], request: Request) -> tuple[int, int]:
        """Return the row and column of the map at a point of the photograph."""
        width, height = request.frame.photo_size
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise OptionError(
                f"region {point[0]:g},{point[1]:g} lies outside of the photograph of {width} x {height} pixels; a "
                "point inside is needed"
            )
        x, y = request.frame.to_image(np.array(point, dtype=np.float64))
        row = int(np.floor(y / request.frame.size[0] * shape[0]))
        column = int(np.floor(x / request.frame.size[1] * shape[1]))
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise OptionError(
                f"region {point[0]:g},{point[1]:g} lies in what the model does not see of the photograph; a point "
                "that it sees is needed (--geometry squash shows it all)"
            )
        return row, column


def _point(given: Any) -> tuple[float, float]:
    try:
        sides = [finite_number("region", side) for side in given]
    except TypeError:
        sides = []
    if len(sides) != 2:  # noqa: PLR2004
        raise OptionError(f"region is {shown(given)}; a label's name or index, or a point (x, y), is needed")
    return sides[0], sides[1]


def _label(which: int | str, names: Sequence[str] | None, n_labels: int | None) -> int:
    """Return the index of a label; errors speak of the region."""
    try:
        found = resolve_label(which, names, n_labels)
    except OptionError as error:
        raise OptionError(str(error).replace("target", "region", 1)) from error
    return 0 if found is None else found


def _name(label: int, names: Sequence[str] | None) -> str | None:
    return names[label] if names is not None and 0 <= label < len(names) else None
