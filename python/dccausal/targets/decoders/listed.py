"""
Outputs that list detections: the model has selected them itself, or gives a few of the best.

A list is one output with a row for each detection, or three outputs: boxes, scores and labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.boxes import Candidates, Selection, from_centres
from dccausal.targets.decoders.facts import RTDETR, Facts, Outputs, called, with_batch

_THRESHOLD, _THRESHOLD_ULTRALYTICS = 0.5, 0.25
_OVERLAP, _MOST_SELECTED = 0.45, 1000
_RANK, _BOX = 3, 4
_WHOLE = 1e-3
_NORMALISED = 1.5  # boxes that end within this are shares of the image
# What the columns of a row are, as exporters order them.
_ROWS: Sequence[tuple[int, tuple[int, int, int, int], int, int, int | None]] = (
    # columns, box, score, label, image
    (6, (0, 1, 2, 3), 4, 5, None),  # Ultralytics, YOLOv10
    (6, (2, 3, 4, 5), 1, 0, None),  # PaddleDetection
    (7, (1, 2, 3, 4), 6, 5, 0),  # YOLOv7 with NMS
    (7, (1, 2, 3, 4), 5, 6, 0),  # YOLO-NAS, flat
    (7, (3, 4, 5, 6), 2, 1, 0),  # Caffe's and OpenVINO's DetectionOutput
)
_EFFICIENTDET = (
    7,
    (2, 1, 4, 3),
    5,
    6,
    None,
)  # of TensorFlow: image, y0, x0, y1, x1, score, label, for each image
_SCORES = ("score", "conf", "prob")


@dataclass(frozen=True)
class Rows:
    """
    Reads one output with a row for each detection.

    Attributes
    ----------
    output
        Its name.
    box, score, label, image
        The columns; ``image`` says which of the batch it is, where there is such a column.
    n_columns
        Number of columns that are read; further ones are coefficients of masks.
    is_normalised
        Whether boxes are shares of the image; None where there were none to tell by, and each answer's own do.
    selection
        Which rows are detections: the model has seen to doubles itself.
    family
        Which exports are read so.
    prototypes
        The output with prototypes of masks, if there is one.
    first_label
        The number of the first label, which is taken off.
    is_by_centre
        Whether boxes are centre, width and height; else corners.

    """

    output: str
    box: tuple[int, int, int, int]
    score: int
    label: int
    image: int | None
    n_columns: int
    is_normalised: bool | None
    selection: Selection
    family: str
    prototypes: str | None = None
    gives: str = "boxes"
    first_label: int = 0
    is_by_centre: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.output,) if self.prototypes is None else (self.output, self.prototypes)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> Candidates:
        """Return the candidates of ``n`` images."""
        rows = outputs[self.output]
        if self.image is not None:
            rows = _by_image(rows.reshape(-1, rows.shape[-1]), self.image, n)
        rows = with_batch(rows, _RANK).astype(np.float32)
        boxes = rows[..., list(self.box)]
        if self.is_by_centre:
            boxes = from_centres(boxes)
        if _are_shares(boxes) if self.is_normalised is None else self.is_normalised:
            boxes = boxes * np.array([size[1], size[0]] * 2, dtype=np.float32)
        extra = {}
        if self.prototypes is not None:
            extra["prototypes"] = with_batch(outputs[self.prototypes], _RANK + 1)
            extra["coefficients"] = rows[..., self.n_columns :]
        labels = np.rint(rows[..., self.label]).astype(np.int64)
        return Candidates(boxes, rows[..., self.score], self.selection, labels - self.first_label, extra)


@dataclass(frozen=True)
class Triple:
    """
    Reads boxes, scores and labels as three outputs.

    Attributes
    ----------
    boxes, scores, labels
        Their names; the scores may be the fifth column of the boxes (MMDetection).
    is_normalised
        Whether boxes are shares of the image; None as for ``Rows``.
    is_y_first
        Whether they are y0, x0, y1, x1 (TensorFlow).
    first_label
        The number of the first label that is no background, which is taken off.
    selection, family
        As for ``Rows``.
    number
        The output that says how many there are, if there is one.

    """

    boxes: str
    scores: str
    labels: str
    is_normalised: bool | None
    is_y_first: bool
    selection: Selection
    family: str
    number: str | None = None
    first_label: int = 0
    gives: str = "boxes"

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        read = tuple(dict.fromkeys((self.boxes, self.scores, self.labels)))
        return read if self.number is None else (*read, self.number)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> Candidates:
        """Return the candidates of ``n`` images."""
        boxes = with_batch(outputs[self.boxes], _RANK).astype(np.float32)
        if self.scores == self.boxes:
            boxes, scores = boxes[..., :_BOX], np.ascontiguousarray(boxes[..., _BOX])
        else:
            scores = with_batch(outputs[self.scores], _RANK - 1).astype(np.float32)
        labels = np.rint(with_batch(outputs[self.labels], _RANK - 1)).astype(np.int64)
        if self.is_y_first:
            boxes = boxes[..., [1, 0, 3, 2]]
        if _are_shares(boxes) if self.is_normalised is None else self.is_normalised:
            boxes = boxes * np.array([size[1], size[0]] * 2, dtype=np.float32)
        if self.number is not None:
            n_there = np.broadcast_to(outputs[self.number].reshape(-1, 1), (n, 1))
            scores = np.where(np.arange(scores.shape[1])[None] < n_there, scores, np.float32(0))
        return Candidates(boxes, scores, self.selection, labels - self.first_label)


def rows(facts: Facts) -> Rows | None:
    """Return the decoder of one output with a row for each detection; None where there is none."""
    found = [
        (name, value)
        for name, value in facts.outputs.items()
        if value.dtype.kind == "f" and value.ndim >= 2 and value.shape[-1] >= 6  # noqa: PLR2004
    ]
    prototypes = [name for name, value in facts.outputs.items() if value.ndim == 4 and value.shape[-1] > 7]  # noqa: PLR2004
    for name, value in found:
        table = value.reshape(-1, value.shape[-1])
        masks = prototypes[0] if len(prototypes) == 1 and name != prototypes[0] else None
        if facts.metadata.get("end2end", "").lower() == "true" or _has_nms(facts):
            if value.ndim == _RANK and value.shape[1] > 0:
                return _ultralytics(name, facts, masks)
            continue
        if _are_queries(name, value, facts):
            chosen = Selection(facts.least(_THRESHOLD_ULTRALYTICS), is_clipped=True)
            return Rows(name, (0, 1, 2, 3), 4, 5, None, 6, True, chosen, RTDETR, is_by_centre=True)
        # Of no detections at all nothing can be told, but YOLO-NAS calls its rows so.
        ways = [way for way in _ROWS if way[2:4] == (5, 6)] if "flat" in called(name) else _ROWS
        if value.ndim == _RANK and value.shape[0] == 1 and called(name).startswith("detections"):
            ways = [_EFFICIENTDET, *ways]
        for n_columns, box, score, label, image in ways:
            is_long = masks is not None and value.shape[-1] > n_columns and box[0] == 0
            if value.shape[-1] != n_columns and not is_long:
                continue
            if value.ndim > _RANK and image is None:
                continue
            if value.ndim < _RANK and len(table) == 1:  # as well the scores of six or seven classes
                continue
            if _are_detections(table, box, score, label, image):
                boxes = table[:, list(box)]
                normal = _are_shares(boxes) if np.any(boxes) else None
                own = _THRESHOLD_ULTRALYTICS if box[0] == 0 else _THRESHOLD
                chosen = Selection(facts.least(own))
                is_tensorflow = box[0] > box[1]
                family = "rows of box, score and label, selected by the model"
                if is_tensorflow:
                    family = "EfficientDet of TensorFlow, rows of box, score and label"
                first = 1 if is_tensorflow else 0
                return Rows(
                    name,
                    box,
                    score,
                    label,
                    image,
                    n_columns,
                    normal,
                    chosen,
                    family,
                    masks,
                    first_label=first,
                )
    return None


def triple(facts: Facts) -> Triple | None:
    """Return the decoder of boxes, scores and labels as three outputs; None where there are none."""
    outputs = facts.outputs
    boxes = [name for name, value in outputs.items() if _is_boxes(value) and "raw" not in called(name)]
    for name in boxes:
        count = outputs[name].shape[-2]
        if outputs[name].ndim == 2 and count == 1 and "box" not in called(name):  # noqa: PLR2004
            continue  # as well the scores of four classes
        lists = [
            other
            for other, value in outputs.items()
            if value.ndim >= 1 and value.shape[-1] == count and value.ndim == outputs[name].ndim - 1
        ]
        labels = next((other for other in lists if _is_labels(called(other), outputs[other])), None)
        floats = [other for other in lists if other != labels and outputs[other].dtype.kind == "f"]
        floats.sort(key=lambda other: not any(word in called(other) for word in _SCORES))
        scores = next(iter(floats), None)
        if labels is None or scores is None:
            continue
        is_tensorflow = called(name).startswith("detection_boxes")
        number = next((other for other in outputs if called(other).startswith("num")), None)
        values = outputs[name]
        first = 0
        if facts.n_names and int(np.max(outputs[labels], initial=0)) >= facts.n_names:
            first = 1  # counted from 1, by names that have no background
        # A model that selects lists few; where there are more, doubles are still among them.
        overlap = facts.iou(_OVERLAP) if count > _MOST_SELECTED else None
        normal = is_tensorflow or (_are_shares(values) if np.any(values) else None)
        return Triple(
            name, scores, labels, normal, is_tensorflow, Selection(facts.least(_THRESHOLD), overlap),
            "TensorFlow's detection outputs" if is_tensorflow else "boxes, scores and labels, selected by the model",
            number, 1 if is_tensorflow else first,
        )  # fmt: skip
    return _scored(facts)


def _scored(facts: Facts) -> Triple | None:
    """Return the decoder of boxes whose fifth column is the score, and labels; None where there are none."""
    for name, value in facts.outputs.items():
        if value.dtype.kind != "f" or value.ndim not in (2, 3) or value.shape[-1] != _BOX + 1:
            continue
        labels = next(
            (
                other
                for other, numbers in facts.outputs.items()
                if numbers.shape == value.shape[:-1] and numbers.dtype.kind in "iu"
            ),
            None,
        )
        scores = value[..., _BOX]
        if labels is not None and scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1 + _WHOLE:
            normal = _are_shares(value[..., :_BOX]) if np.any(value) else None
            family = "boxes with their scores, and labels (MMDetection)"
            return Triple(name, name, labels, normal, False, Selection(facts.least(_THRESHOLD)), family)
    return None


def _ultralytics(name: str, facts: Facts, masks: str | None) -> Rows:
    is_end_to_end = facts.metadata.get("end2end", "").lower() == "true"
    family = "Ultralytics, end to end" if is_end_to_end else "Ultralytics, NMS in the model"
    chosen = Selection(facts.least(_THRESHOLD_ULTRALYTICS), is_clipped=True)
    return Rows(name, (0, 1, 2, 3), 4, 5, None, 6, False, chosen, family, masks)


def _has_nms(facts: Facts) -> bool:
    """Return whether an Ultralytics export says that it selects itself."""
    return "stride" in facts.metadata and "'nms': True" in facts.metadata.get("args", "")


def _are_queries(name: str, value: NDArray[Any], facts: Facts) -> bool:
    """Return whether rows are what Ultralytics' RT-DETR selects: centres as shares of the image, score and label."""
    if value.ndim != _RANK or value.shape[-1] != _BOX + 2 or "logit" in called(name):
        return False
    if "head" in facts.metadata:
        return facts.metadata["head"] == "RTDETRDecoder"
    table = value.reshape(-1, _BOX + 2)
    is_corner = (table[:, 2:4] >= table[:, :2] - _WHOLE).mean() > 0.95  # noqa: PLR2004
    if is_corner or not (table[:, :_BOX].min() >= 0 and table[:, :_BOX].max() <= 1 + _WHOLE):
        return False
    is_whole = bool((np.abs(table[:, 5] - np.rint(table[:, 5])) < _WHOLE).all())
    return is_whole and bool(table[:, 4].min() >= 0 and table[:, 4].max() <= 1 + _WHOLE)


def _are_shares(boxes: NDArray[Any]) -> bool:
    """Return whether boxes are shares of the image, not pixels."""
    return bool(np.abs(boxes).max(initial=0) <= _NORMALISED)


def _is_boxes(value: NDArray[Any]) -> bool:
    return value.dtype.kind == "f" and value.ndim in (2, 3) and value.shape[-1] == 4  # noqa: PLR2004


def _is_labels(name: str, value: NDArray[Any]) -> bool:
    is_whole = value.dtype.kind in "iu" or bool((np.abs(value - np.rint(value)) < _WHOLE).all())
    return is_whole and ("label" in name or "class" in name or value.dtype.kind in "iu")


def _are_detections(
    table: NDArray[Any], box: tuple[int, int, int, int], score: int, label: int, image: int | None
) -> bool:
    """Return whether rows may be read so: whole labels, scores of 0 to 1, and corners in their order."""
    if len(table) == 0:
        return image is not None or label != 0
    whole = [table[:, label], *([] if image is None else [table[:, image]])]
    if not all((np.abs(column - np.rint(column)) < _WHOLE).all() for column in whole):
        return False
    corners = table[:, list(box)]
    is_ordered = (corners[:, 2:] >= corners[:, :2] - _WHOLE).mean() > 0.95  # noqa: PLR2004
    return bool(table[:, score].min() >= 0 and table[:, score].max() <= 1 + _WHOLE and is_ordered)


def _by_image(table: NDArray[Any], image: int, n: int) -> NDArray[Any]:
    """Return rows of several images as (n, rows, columns), filled up with zeros."""
    own = [table[np.rint(table[:, image]) == i] for i in range(n)]
    most = max([len(part) for part in own], default=0)
    result = np.zeros((n, most, table.shape[1]), dtype=table.dtype)
    for i, part in enumerate(own):
        result[i, : len(part)] = part
    return result
