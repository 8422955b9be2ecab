"""
The raw heads of the YOLO family: a row, or a column, for each place where a box may be.

Two layouts are in use. Ultralytics (YOLOv8 and later) gives columns (4 + labels, places), each score of its own.
YOLOv5, YOLOv6, YOLOv7 and YOLOX give rows (places, 5 + labels), with a score for there being anything at all.
Segmenters of instances add coefficients of masks to each place, and prototypes of masks as another output.

YOLOX leaves the last step to whoever reads it: its boxes are offsets within the cells of grids, and logarithms of
sides. Ultralytics' RT-DETR has rows (queries, 4 + labels) of shares of the image, and no doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.boxes import Candidates, Selection, from_centres
from dccausal.targets.decoders.facts import RTDETR, Facts, Outputs, called, with_batch
from dccausal.targets.resize import resized

# As Ultralytics and YOLOv5 select where nothing else is asked for.
_THRESHOLD, _OVERLAP, _OVERLAP_V5 = 0.25, 0.7, 0.45
_BOX = 4
_FEWEST_PLACES = 16
_TASKS = ("detect", "segment", "pose")
_RANK = 3
_ROUNDING = 1e-2
# Of the grids of YOLOX, the largest first; the fourth is that of its models for large images.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_SHARE = 1.5  # boxes that end within this are shares of the image
_MOST_QUERIES = 1000
_NO_HEADS = ("hidden", "embed", "feature", "token", "logit", "depth", "disparity", "conf", "class", "score")


@dataclass(frozen=True)
class YoloHead:
    """
    Reads a raw head.

    Attributes
    ----------
    output
        Its name.
    n_labels
        Number of labels.
    selection
        Which boxes are detections.
    has_objectness
        Whether a score for there being anything comes before the labels (YOLOv5, YOLOv7).
    is_by_column
        Whether the places are columns (Ultralytics).
    prototypes
        The output with prototypes of masks, if there is one.
    family
        Which exports are read so.
    strides
        Pixels a cell of each grid, where boxes are still offsets in it (YOLOX); else empty.
    is_normalised
        Whether boxes are shares of the image.

    """

    output: str
    n_labels: int
    selection: Selection
    has_objectness: bool
    is_by_column: bool
    prototypes: str | None
    family: str
    strides: tuple[int, ...] = ()
    is_normalised: bool = False
    gives: str = "boxes"
    first_label: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.output,) if self.prototypes is None else (self.output, self.prototypes)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> Candidates:  # noqa: ARG002
        """Return the candidates of ``n`` images."""
        head = with_batch(outputs[self.output], _RANK)
        if self.is_by_column:
            head = head.swapaxes(1, 2)
        first = _BOX + self.has_objectness
        scores = np.ascontiguousarray(head[..., first : first + self.n_labels], dtype=np.float32)
        if self.has_objectness:
            scores = scores * head[..., _BOX : _BOX + 1].astype(np.float32)
        extra = {}
        if self.prototypes is not None:
            extra["prototypes"] = with_batch(outputs[self.prototypes], _RANK + 1)
            extra["coefficients"] = head[..., first + self.n_labels :]
        boxes = head[..., :_BOX]
        if self.strides:
            boxes = _on_grids(boxes.astype(np.float32), size, self.strides)
        if self.is_normalised:
            boxes = boxes * np.array([size[1], size[0]] * 2, dtype=np.float32)
        return Candidates(from_centres(boxes), scores, self.selection, extra=extra)


def yolo_head(facts: Facts) -> YoloHead | None:
    """Return the decoder of a raw head; None where the outputs are none."""
    heads = {name: value for name, value in facts.outputs.items() if _is_head(value)}
    if len(heads) != 1 or (facts.task and facts.task not in _TASKS):
        return None
    name, value = next(iter(heads.items()))
    if any(word in called(name) for word in _NO_HEADS):
        return None
    rows, columns = value.shape[-2:]
    if _are_queries(value, facts):
        chosen = Selection(facts.least(_THRESHOLD), is_clipped=True)
        return YoloHead(name, columns - _BOX, chosen, False, False, None, RTDETR, is_normalised=True)
    return _by_column(name, value, facts) if rows < columns or facts.task else _by_row(name, value, facts)


def _by_column(name: str, value: NDArray[Any], facts: Facts) -> YoloHead | None:
    prototypes, n_prototypes = _prototypes(facts.outputs)
    n_labels = value.shape[-2] - _BOX - n_prototypes
    if facts.task in _TASKS and facts.n_names and facts.n_names <= n_labels:
        n_labels = facts.n_names  # a pose has points too
    if n_labels < 1 or not _are_scores(value[0, _BOX : _BOX + n_labels]):
        return None
    if not facts.task and _are_scores(value[0, :_BOX]):
        return None  # boxes of pixels reach beyond 1
    chosen = Selection(facts.least(_THRESHOLD), facts.iou(_OVERLAP), is_clipped=True)
    family = "Ultralytics segment, raw head" if prototypes else "Ultralytics detect, raw head"
    if facts.task == "pose":
        family = "Ultralytics pose, raw head (boxes alone)"
    return YoloHead(name, n_labels, chosen, False, True, prototypes, family)


def _by_row(name: str, value: NDArray[Any], facts: Facts) -> YoloHead | None:
    prototypes, n_prototypes = _prototypes(facts.outputs)
    n_labels = value.shape[-1] - _BOX - 1 - n_prototypes
    if n_labels < 1 or not _are_scores(value[0, :, _BOX : _BOX + 1 + n_labels]):
        return None
    chosen = Selection(facts.least(_THRESHOLD), facts.iou(_OVERLAP_V5), is_clipped=True)
    strides = _grids_of(value, facts.size)
    if not strides and not facts.task and _are_scores(value[0, :, :_BOX]):
        return None
    family = "YOLOX, raw head, its grids applied here" if strides else "YOLOv5, YOLOv6 or YOLOv7, raw head"
    return YoloHead(name, n_labels, chosen, True, False, prototypes, family, strides)


def masks_of(answer: Candidates, which: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """
    Return the masks of some boxes of the first image, bool (k, height, width); None where there are none.

    A mask is the coefficients times the prototypes, above 0 at the image's size, inside the box.
    """
    if "prototypes" not in answer.extra:
        return None
    prototypes = answer.extra["prototypes"][0].astype(np.float32)
    coefficients = answer.extra["coefficients"][0][which].astype(np.float32)
    small = np.einsum("kp,phw->khw", coefficients, prototypes)
    masks = resized(small, size) > 0
    ys, xs = np.arange(size[0])[None, :, None], np.arange(size[1])[None, None, :]
    x0, y0, x1, y1 = (side[:, None, None] for side in answer.boxes[0][which].T)
    inside: NDArray[np.bool_] = masks & (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
    return inside


def _are_queries(value: NDArray[Any], facts: Facts) -> bool:
    """Return whether rows are boxes as shares of the image, with scores of labels and nothing else (RT-DETR)."""
    rows, columns = value.shape[-2:]
    is_unnamed = facts.n_names is None and not facts.task and columns < rows <= _MOST_QUERIES
    if columns <= _BOX or not (is_unnamed or facts.n_names == columns - _BOX):
        return False
    boxes = value[..., :_BOX]
    is_share = bool(boxes.min(initial=0) >= 0 and boxes.max(initial=0) <= _SHARE)
    return is_share and _are_scores(value[..., _BOX:])


def _grids_of(value: NDArray[Any], size: tuple[int, int]) -> tuple[int, ...]:
    """
    Return the strides of the grids that boxes are still offsets in; none where they are boxes already.

    Boxes reach over the whole image, offsets hardly beyond their cell.
    """
    if np.abs(value[..., :2]).max(initial=0) > max(size) / 4:
        return ()
    for strides in _STRIDES:
        if sum((size[0] // stride) * (size[1] // stride) for stride in strides) == value.shape[-2]:
            return strides
    return ()


def _on_grids(
    boxes: NDArray[np.float32], size: tuple[int, int], strides: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the boxes of offsets within the cells of grids, row by row, and logarithms of sides (YOLOX)."""
    cells, scale = [], []
    for stride in strides:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        scale.append(np.full((rows * columns, 1), stride))
    corner, step = np.concatenate(cells).astype(np.float32), np.concatenate(scale).astype(np.float32)
    sides = np.exp(np.minimum(boxes[..., 2:], 20.0))
    return np.concatenate([(boxes[..., :2] + corner) * step, sides * step], axis=-1).astype(np.float32)


def _is_head(value: NDArray[Any]) -> bool:
    if value.dtype.kind != "f" or value.ndim != _RANK or value.shape[0] != 1:
        return False
    few, many = sorted(value.shape[1:])
    return bool(few > _BOX and many >= _FEWEST_PLACES)


def _are_scores(values: NDArray[Any]) -> bool:
    """Return whether values are probabilities, as all heads of the family give them."""
    return bool(values.min(initial=0) >= 0 and values.max(initial=0) <= 1 + _ROUNDING)


def _prototypes(outputs: Outputs) -> tuple[str | None, int]:
    """Return the output with prototypes of masks, and their number."""
    found = [name for name, value in outputs.items() if value.ndim == _RANK + 1 and value.dtype.kind == "f"]
    if len(found) != 1:
        return None, 0
    return found[0], outputs[found[0]].shape[1]
