"""A box of a detector as the target: a box of the same label is still there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, whole_number
from dccausal._shared.text import shown
from dccausal.classifier import resolve_label
from dccausal.errors import ClassifierError, OptionError
from dccausal.targets.boxes import Candidates, Selection, overlaps
from dccausal.targets.target import Needs, Request

# Two boxes are of the same thing from this IoU on.
_OVERLAP = 0.5
# The least score of a box that a callable gives, where nobody says another.
_THRESHOLD = 0.25
_COLUMNS = 6
_MAX_LISTED = 5


@dataclass(frozen=True, eq=False)
class BoxTarget:
    """
    A box of a detector.

    An answer passes if it has a box of the label whose IoU with this one is at least ``overlap`` and whose score is
    above ``least``. The score is the highest product of IoU and score over all boxes of the label, as in D-RISE [1]_,
    without its factor for the other labels.

    Attributes
    ----------
    label, name
        The box's label, and what it is called.
    box
        (x0, y0, x1, y1) in pixels of the model's image.
    photo_box
        The same in pixels of the photograph, as the detector gives it.
    number
        Its place among the detections, the best being 0.
    own_score
        The detector's score of the box.
    score
        The target's score on the intact image.

    References
    ----------
    .. [1] V. Petsiuk et al., "Black-box Explanation of Object Detectors via Saliency Maps", CVPR 2021.

    """

    label: int
    name: str | None
    box: NDArray[np.float32]
    photo_box: tuple[float, float, float, float]
    number: int
    own_score: float
    score: float
    least: float
    overlap: float = _OVERLAP
    note: str | None = None
    top_k: int | None = None

    def judge(self, answer: Candidates) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each image, whether the box is there, and its score (n,)."""
        n, n_boxes = answer.boxes.shape[:2]
        if n_boxes == 0:
            return np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.float32)
        own, is_own = answer.of_label(self.label)
        iou = overlaps(answer.boxes, self.box)
        is_there = is_own & (own > self.least) & (iou >= self.overlap)
        is_passing: NDArray[np.bool_] = np.asarray(is_there.any(axis=1))
        return is_passing, np.ascontiguousarray((iou * own).max(axis=1), dtype=np.float32)

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Refuse: a box has no rank."""
        raise ClassifierError(f"{len(ranks)} ranks and {len(scores)} scores were given; boxes are needed")

    def to_dict(self) -> dict[str, Any]:
        """Return the box as plain values, in the photograph's pixels."""
        name = f"label {self.label}" if self.name is None else f"{self.name} ({self.label})"
        x0, y0, x1, y1 = self.photo_box
        return {
            "kind": "box",
            "title": f"{name}, box {self.number}",
            "words": f"from {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}, detected with {self.own_score:.3f}; it counts as "
            f"given while a box of the label with a score above {self.least:g} overlaps it by {self.overlap:g}",
            "box": {"left": x0, "top": y0, "right": x1, "bottom": y1},
            "number": self.number,
            "detection_score": self.own_score,
            "least_score": self.least,
            "least_iou": self.overlap,
        }


@dataclass(frozen=True)
class Box:
    """
    A box of a detector, of which is asked why it is there.

    Parameters
    ----------
    which
        Its number among the detections of the image, the best being 0, as ``dccausal inspect MODEL IMAGE`` lists them;
        or (x0, y0, x1, y1) in the photograph's pixels: the detection that overlaps these most, by at least half.
    label
        With coordinates: the label that it has to have, by name or index. By default any.
    threshold
        The least score of a box that counts. By default the detector's own; 0.25 for a callable.
    overlap
        The IoU from which on a box counts as the same, above 0 and at most 1.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """

    which: int | tuple[float, float, float, float] = 0
    label: int | str | None = None
    threshold: float | None = None
    overlap: float = _OVERLAP

    needs: ClassVar[Needs] = "boxes"

    def __post_init__(self) -> None:
        """Check what was given."""
        if isinstance(self.which, int) and not isinstance(self.which, bool):
            whole_number("box", self.which, 0)
        else:
            object.__setattr__(self, "which", _four(self.which))
        if self.threshold is not None and not 0 <= finite_number("threshold", self.threshold) < 1:
            raise OptionError(f"threshold is {self.threshold}; a score from 0 to below 1 is needed")
        if not 0 < finite_number("overlap", self.overlap) <= 1:
            raise OptionError(f"overlap is {self.overlap}; an IoU above 0 and at most 1 is needed")

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:
        """Do nothing if there is such a label."""
        resolve_label(self.label, names, n_classes)

    def read(self, answer: Any, n: int) -> Candidates:
        """
        Return the boxes that a callable gave: for each image an array (k, 6) of x0, y0, x1, y1, score, label.

        Raises
        ------
        ClassifierError
            If it gave something else.

        """
        if isinstance(answer, Candidates):
            return answer
        return listed(answer, n, _THRESHOLD if self.threshold is None else self.threshold)

    def choose(self, answer: Candidates, request: Request) -> BoxTarget:
        """
        Return the target, from the answer on the intact image.

        Raises
        ------
        OptionError
            If there is no such box, or it lies outside of the photograph.

        """
        found = answer.detections()
        frame = request.frame
        in_photo = answer.in_photo(frame)[:, :4]
        if isinstance(self.which, int):
            number = self._by_number(self.which, found, in_photo, request)
        else:
            number = self._by_place(self.which, found, in_photo, request)
        box, label = found[number, :4], int(found[number, 5])
        inside = frame.clipped(in_photo[number])
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            raise OptionError(
                f"box {number} covers nothing of the photograph: it is empty, or lies in what pads it; "
                f"{_listed(found, in_photo, request)}"
            )
        least = answer.selection.threshold if self.threshold is None else self.threshold
        if found[number, 4] <= least:
            raise OptionError(
                f"box {number} has a score of {found[number, 4]:.3f}; with threshold {least:g} a higher one is needed"
            )
        x0, y0, x1, y1 = (float(side) for side in in_photo[number])
        target = BoxTarget(
            label=label,
            name=_name(label, request),
            box=box,
            photo_box=(x0, y0, x1, y1),
            number=number,
            own_score=float(found[number, 4]),
            score=0.0,
            least=least,
            overlap=self.overlap,
        )
        _, scores = target.judge(answer)
        object.__setattr__(target, "score", float(scores[0]))
        return target

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        which = self.which if isinstance(self.which, int) else list(self.which)
        return {
            "kind": "box",
            "which": which,
            "label": self.label,
            "threshold": self.threshold,
            "overlap": self.overlap,
        }

    def _by_number(self, number: int, found: NDArray[Any], in_photo: NDArray[Any], request: Request) -> int:
        if number >= len(found):
            raise OptionError(f"box is {number}; {_listed(found, in_photo, request)}")
        return number

    def _by_place(
        self, place: tuple[float, ...], found: NDArray[Any], in_photo: NDArray[Any], request: Request
    ) -> int:
        width, height = request.frame.photo_size
        x0, y0, x1, y1 = place
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise OptionError(
                f"box {_words(place)} lies outside of the photograph of {width} x {height} pixels; one inside is "
                "needed"
            )
        label = resolve_label(self.label, request.names, None)
        iou = overlaps(in_photo, np.array(place))
        if label is not None:
            iou = np.where(found[:, 5] == label, iou, 0)
        if not len(iou) or iou.max() < _OVERLAP:
            wanted = "" if label is None else f" of {_name(label, request) or f'label {label}'}"
            raise OptionError(
                f"box {_words(place)} is no detection{wanted}: none overlaps it by {_OVERLAP:g}; "
                f"{_listed(found, in_photo, request)}"
            )
        return int(iou.argmax())


def listed(answer: Any, n: int, threshold: float) -> Candidates:
    """
    Return the boxes that a callable gave for ``n`` images.

    Raises
    ------
    ClassifierError
        If it gave something else than an array (k, 6) for each.

    """
    needed = f"a list of {n} arrays (k, 6) of x0, y0, x1, y1, score, label is needed"
    try:
        rows = [np.asarray(one, dtype=np.float32).reshape(-1, _COLUMNS) for one in answer]
    except (TypeError, ValueError) as error:
        raise ClassifierError(f"the detector returned {type(answer).__name__} ({error}); {needed}") from error
    if len(rows) != n:
        raise ClassifierError(f"the detector returned boxes of {len(rows)} images for {n}; {needed}")
    table = np.zeros((n, max((len(own) for own in rows), default=0), _COLUMNS), dtype=np.float32)
    for i, own in enumerate(rows):
        table[i, : len(own)] = own
    if not np.isfinite(table).all():
        raise ClassifierError(f"the detector returned NaN or infinite numbers; {needed}")
    labels = np.rint(table[..., 5]).astype(np.int64)
    return Candidates(table[..., :4], table[..., 4], Selection(threshold), labels)


def _four(given: Any) -> tuple[float, float, float, float]:
    try:
        sides = [finite_number("box", side) for side in given]
    except TypeError:
        sides = []
    if len(sides) != 4 or sides[2] <= sides[0] or sides[3] <= sides[1]:  # noqa: PLR2004
        raise OptionError(
            f"box is {shown(given)}; a number from 0, or x0, y0, x1, y1 with x0 < x1 and y0 < y1 is needed"
        )
    return sides[0], sides[1], sides[2], sides[3]


def _words(box: Sequence[float]) -> str:
    return ",".join(f"{side:.0f}" for side in box)


def _name(label: int, request: Request) -> str | None:
    names = request.names
    return names[label] if names is not None and 0 <= label < len(names) else None


def _listed(found: NDArray[Any], in_photo: NDArray[Any], request: Request) -> str:
    """Return which boxes there are, in words."""
    if not len(found):
        return "the detector sees nothing in this photograph"
    some = [
        f"{i} ({_name(int(row[5]), request) or int(row[5])} at {_words(box)})"
        for i, (row, box) in enumerate(zip(found[:_MAX_LISTED], in_photo, strict=False))
    ]
    more = ", ..." if len(found) > _MAX_LISTED else ""
    return f"there are {len(found)}: {', '.join(some)}{more}"
