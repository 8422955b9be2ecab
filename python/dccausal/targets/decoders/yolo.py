"""
The raw heads of the YOLO family: a row, or a column, for each place where a box may be.

Two layouts are in use. Ultralytics (YOLOv8 and later) gives columns (4 + labels, places), each score of its own; YOLOv5
and YOLOv7 give rows (places, 5 + labels), with a score for there being anything at all. Segmenters of instances add
coefficients of masks to each place, and prototypes of masks as another output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.boxes import Candidates, Selection, from_centres
from dccausal.targets.decoders.facts import Facts, Outputs, called, with_batch
from dccausal.targets.resize import resized

# As Ultralytics and YOLOv5 select where nothing else is asked for.
_THRESHOLD, _OVERLAP, _OVERLAP_V5 = 0.25, 0.7, 0.45
_BOX = 4
_FEWEST_PLACES = 16
_TASKS = ("detect", "segment", "pose")
_RANK = 3
_ROUNDING = 1e-2
_NO_HEADS = ("hidden", "embed", "feature", "token", "logit")


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

    """

    output: str
    n_labels: int
    selection: Selection
    has_objectness: bool
    is_by_column: bool
    prototypes: str | None
    family: str
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
        return Candidates(from_centres(head[..., :_BOX]), scores, self.selection, extra=extra)


def yolo_head(facts: Facts) -> YoloHead | None:
    """Return the decoder of a raw head; None where the outputs are none."""
    heads = {name: value for name, value in facts.outputs.items() if _is_head(value)}
    if len(heads) != 1 or (facts.task and facts.task not in _TASKS):
        return None
    name, value = next(iter(heads.items()))
    if any(word in called(name) for word in _NO_HEADS):
        return None
    prototypes, n_prototypes = _prototypes(facts.outputs)
    rows, columns = value.shape[-2:]
    if rows < columns or facts.task:
        n_labels = rows - _BOX - n_prototypes
        if facts.task in _TASKS and facts.n_names and facts.n_names <= n_labels:
            n_labels = facts.n_names  # a pose has points too
        if n_labels < 1 or not _are_scores(value[0, _BOX : _BOX + n_labels]):
            return None
        chosen = Selection(facts.least(_THRESHOLD), facts.iou(_OVERLAP), is_clipped=True)
        family = "Ultralytics segment, raw head" if prototypes else "Ultralytics detect, raw head"
        if facts.task == "pose":
            family = "Ultralytics pose, raw head (boxes alone)"
        return YoloHead(name, n_labels, chosen, False, True, prototypes, family)
    n_labels = columns - _BOX - 1 - n_prototypes
    if n_labels < 1 or not _are_scores(value[0, :, _BOX : _BOX + 1 + n_labels]):
        return None
    chosen = Selection(facts.least(_THRESHOLD), facts.iou(_OVERLAP_V5), is_clipped=True)
    return YoloHead(name, n_labels, chosen, True, False, prototypes, "YOLOv5 or YOLOv7, raw head")


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
