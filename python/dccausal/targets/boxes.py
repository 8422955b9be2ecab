"""Boxes: overlap, the best of those that overlap, and answers that hold many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.frame import Frame

Floats = NDArray[np.float32]

# Boxes of one image that are looked at for doubles; more, best first, are noise.
_MOST_LOOKED_AT = 30_000


@dataclass(frozen=True)
class Selection:
    """
    Which of a detector's candidates it calls detections.

    Attributes
    ----------
    threshold
        The least score.
    overlap
        Of two boxes of one label that overlap by more than this IoU, the better one stays; None where the model
        has seen to that, or knows no doubles.
    most
        At most so many of an image.
    is_per_pair
        Whether a box may be detected once for each label; else for its best one alone.
    is_clipped
        Whether the family cuts boxes off at the edges of the photograph.
    most_pairs
        Of pairs of box and label, how many of the best are looked at; None for as many as there are boxes.

    """

    threshold: float
    overlap: float | None = None
    most: int = 300
    is_per_pair: bool = False
    is_clipped: bool = False
    most_pairs: int | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """
    All boxes that a detector gives for some images, before any are selected.

    Attributes
    ----------
    boxes
        float32 (n, boxes, 4): x0, y0, x1, y1 in pixels of the model's image.
    scores
        float32 (n, boxes, labels); or (n, boxes) where ``labels`` says which label each box has. Boxes that only fill
        up have a score of 0.
    selection
        Which of them are detections.
    labels
        int64 (n, boxes), or None.
    extra
        What else there is for each image, such as parts of masks, by name: arrays (n, ...).

    """

    boxes: Floats
    scores: Floats
    selection: Selection
    labels: NDArray[np.int64] | None = None
    extra: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.boxes)

    def rows(self, own: slice) -> Self:
        """Return the answer on some of the images."""
        labels = None if self.labels is None else self.labels[own]
        extra = {name: values[own] for name, values in self.extra.items()}
        return replace(self, boxes=self.boxes[own], scores=self.scores[own], labels=labels, extra=extra)

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return the answers on several batches as one; images with fewer boxes are filled up."""
        first = parts[0]
        most = max(part.boxes.shape[1] for part in parts)
        return cls(
            np.concatenate([_filled(part.boxes, most) for part in parts]),
            np.concatenate([_filled(part.scores, most) for part in parts]),
            first.selection,
            None
            if first.labels is None
            else np.concatenate([_filled(part.labels, most) for part in parts if part.labels is not None]),
            {
                name: np.concatenate([_filled(part.extra[name], most) if name in _BY_BOX else part.extra[name]
                                      for part in parts])
                for name in first.extra
            },
        )  # fmt: skip

    def of_label(self, label: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the label's score for each box (n, boxes), and whether the box counts as one of that label."""
        if self.labels is not None:
            is_own = self.labels == label
            return np.where(is_own, self.scores, np.float32(0)), is_own
        own = self.scores[..., label]
        if self.selection.is_per_pair:
            return own, np.ones(own.shape, dtype=np.bool_)
        return own, self.scores.argmax(axis=2) == label

    def detections(self, image: int = 0) -> Floats:
        """
        Return what the detector says of one image.

        Returns
        -------
        NDArray
            float32 (k, 6), best first: x0, y0, x1, y1 in pixels of the model's image, score, label.

        """
        return self.selected(image)[0]

    def in_photo(self, frame: Frame, image: int = 0) -> NDArray[np.float64]:
        """Return the detections of one image (k, 6), the boxes in the photograph's pixels."""
        found = self.detections(image).astype(np.float64)
        boxes = frame.to_photo(found[:, :4])
        found[:, :4] = frame.clipped(boxes) if self.selection.is_clipped else boxes
        return found

    def selected(self, image: int = 0) -> tuple[Floats, NDArray[np.int64]]:
        """Return the detections of one image (k, 6), and which of its boxes they are (k,)."""
        rule, boxes, scores = self.selection, self.boxes[image], self.scores[image]
        if self.labels is not None:
            which, labels, best = np.arange(len(boxes)), self.labels[image], scores
        elif rule.is_per_pair:
            best = scores.ravel()
            which, labels = np.divmod(np.arange(best.size), scores.shape[1])
            few = np.argsort(-best, kind="stable")[: rule.most_pairs or len(boxes)]
            which, labels, best = which[few], labels[few], best[few]
        else:
            which, labels = np.arange(len(boxes)), scores.argmax(axis=1)
            best = scores[which, labels]
        found = np.flatnonzero(best > rule.threshold)
        found = found[np.argsort(-best[found], kind="stable")][:_MOST_LOOKED_AT]
        which, labels, best = which[found], labels[found], best[found]
        if rule.overlap is not None:
            stay = without_doubles(boxes[which], labels, rule.overlap, rule.most)
            which, labels, best = which[stay], labels[stay], best[stay]
        which, labels, best = which[: rule.most], labels[: rule.most], best[: rule.most]
        rows = np.column_stack([boxes[which], best, labels.astype(np.float32)])
        return rows.astype(np.float32), which.astype(np.int64)


# What of ``Candidates.extra`` has a row for each box.
_BY_BOX = ("coefficients", "objectness")


def _filled(array: NDArray[Any], most: int) -> NDArray[Any]:
    """Return an array (n, boxes, ...) with zeros up to so many boxes."""
    missing = most - array.shape[1]
    if missing == 0:
        return array
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)])


def overlaps(boxes: NDArray[np.floating], box: NDArray[np.floating]) -> Floats:
    """Return the IoU of boxes (..., 4) with one box (4,) or as many as there are, 0 to 1; 0 for empty ones."""
    low = np.maximum(boxes[..., :2], box[..., :2])
    high = np.minimum(boxes[..., 2:], box[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    both = areas(boxes) + areas(box) - common
    found: NDArray[np.floating] = np.divide(common, both, out=np.zeros_like(common), where=both > 0)
    shares: Floats = found.astype(np.float32, copy=False)
    return shares


def areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the areas of boxes (..., 4), 0 for those that are turned inside out."""
    sides: NDArray[np.floating] = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    return sides[..., 0] * sides[..., 1]


def without_doubles(boxes: Floats, labels: NDArray[np.int64], overlap: float, most: int) -> NDArray[np.int64]:
    """
    Return which boxes stay where the better of two of one label suppresses the other.

    Parameters
    ----------
    boxes
        (k, 4), best first.
    labels
        (k,).
    overlap
        IoU above which they are doubles.
    most
        At most so many stay.

    """
    left = np.arange(len(boxes))
    stay: list[int] = []
    while left.size and len(stay) < most:
        first, left = left[0], left[1:]
        stay.append(int(first))
        is_double = (labels[left] == labels[first]) & (overlaps(boxes[left], boxes[first]) > overlap)
        left = left[~is_double]
    return np.array(stay, dtype=np.int64)


def from_centres(boxes: NDArray[np.floating]) -> Floats:
    """Return x0, y0, x1, y1 of boxes (..., 4) given as centre x, centre y, width, height."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1).astype(np.float32, copy=False)
