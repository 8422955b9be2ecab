"""
Boxes and a score of every label for each: DETR and its kin, and SSD's boxes before any are selected.

What makes scores of the numbers, and which column is "nothing", is told by their range, their sum and the number of
names: DETR and YOLOS have one column more than names, the last; SSD has one more, the first; RT-DETR and other newer
ones have as many as names, each a probability of its own, and RF-DETR, which calls its outputs dets and labels, has
those whatever the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.boxes import Candidates, Selection, from_centres
from dccausal.targets.decoders.facts import Facts, Outputs, called, sigmoid, softmax, with_batch

_THRESHOLD, _OVERLAP = 0.5, 0.45
_RANK, _BOX = 3, 4
_NORMALISED = 1.5
_SUM = 0.02
_BY_CENTRE = ("pred_boxes", "dets")
_DETR = ("detr", "yolos", "table-transformer", "maskformer")  # of these the last column is "nothing"
# Of these so many of the best pairs of box and label are looked at; of others, as many as there are boxes.
_PAIRED, _MOST_PAIRS = ("conditional_detr", "deformable_detr", "deta"), 100
# Of these the labels are prompts, or words of one, and the best one of each box counts.
_PROMPTED = ("grounding-dino", "mm-grounding-dino", "owlvit", "owlv2")

Activation = Literal["softmax", "sigmoid", "none"]
Nothing = Literal["first", "last", "none"]


@dataclass(frozen=True)
class Queries:
    """
    Reads boxes, and a score of every label for each.

    Attributes
    ----------
    boxes, scores
        Names of the outputs.
    activation
        What makes probabilities of the numbers.
    nothing
        Where the column of "no object" or of the background is.
    is_by_centre
        Whether boxes are centre, width and height; else corners.
    is_normalised
        Whether they are shares of the image.
    is_by_column
        Whether scores are (labels, boxes), as of PaddleDetection.
    selection, family
        As for the other decoders.

    """

    boxes: str
    scores: str
    activation: Activation
    nothing: Nothing
    is_by_centre: bool
    is_normalised: bool
    selection: Selection
    family: str
    gives: str = "boxes"
    first_label: int = 0
    is_by_column: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.boxes, self.scores)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> Candidates:  # noqa: ARG002
        """Return the candidates of ``n`` images."""
        numbers = with_batch(outputs[self.scores], _RANK)
        scores = _activated(numbers.swapaxes(1, 2) if self.is_by_column else numbers, self.activation)
        boxes = outputs[self.boxes].reshape(*scores.shape[:2], _BOX).astype(np.float32)
        if self.nothing == "last":
            scores = scores[..., :-1]
        elif self.nothing == "first":
            scores = scores.copy() if self.first_label == 0 else scores[..., 1:]
            if self.first_label == 0:
                scores[..., 0] = 0
        if self.is_by_centre:
            boxes = from_centres(boxes)
        if self.is_normalised:
            boxes = boxes * np.array([size[1], size[0]] * 2, dtype=np.float32)
        return Candidates(boxes, np.ascontiguousarray(scores), self.selection)


def queries(facts: Facts) -> Queries | None:
    """Return the decoder of boxes with a score of every label; None where there are none."""
    outputs = facts.outputs
    # Scores of four labels look like boxes, so what is called so comes first.
    for name in sorted(
        outputs, key=lambda name: "box" not in called(name) and called(name) not in _BY_CENTRE
    ):
        value = outputs[name]
        if value.ndim == _RANK + 1 and value.shape[2] == 1 and "box" in called(name):  # YOLOv4 of PyTorch
            value = value[:, :, 0]
        if value.dtype.kind != "f" or value.ndim not in (2, 3) or value.shape[-1] != _BOX:
            continue
        if "anchor" in called(name):  # what boxes are steps from
            continue
        if value.ndim == 2 and "box" not in called(name):  # noqa: PLR2004  as well the scores of four classes
            continue
        scores = _scores_of(name, value, facts)
        if scores is not None and _are_boxes(value):
            return _told(name, scores, value, facts)
    return None


def _scores_of(boxes: str, value: NDArray[Any], facts: Facts) -> str | None:
    """Return the output with a score of every label for each of some boxes; None where there is none."""
    fitting = [
        name
        for name, scores in facts.outputs.items()
        if name != boxes
        and scores.dtype.kind == "f"
        and scores.ndim == value.ndim
        and (scores.shape[:-1] == value.shape[:-1] or _is_by_column(scores, value, facts))
        and "aux" not in called(name)
    ]
    words = ("logit", "score", "label", "class", "conf")
    named = [name for name in fitting if any(word in called(name) for word in words)]
    return next(iter(named or fitting), None)


def _is_by_column(scores: NDArray[Any], boxes: NDArray[Any], facts: Facts) -> bool:
    """Return whether scores are (labels, boxes), and none are selected yet: indices beside them would say which."""
    n_boxes = boxes.shape[-2]
    has_indices = any(value.dtype.kind in "iu" for value in facts.outputs.values())
    return scores.ndim == _RANK and scores.shape[1] < n_boxes == scores.shape[2] and not has_indices


def _told(boxes: str, scores: str, corners: NDArray[Any], facts: Facts) -> Queries:
    numbers = facts.outputs[scores]
    is_by_column = numbers.shape[:-1] != corners.shape[:-1]
    numbers = numbers.swapaxes(1, 2) if is_by_column else numbers
    n_columns = numbers.shape[-1]
    kind = str(facts.config.get("model_type", "")).lower()
    activation, is_softmax = _activation(numbers, scores, facts)
    nothing: Nothing = "none"
    is_by_centre = called(boxes) in _BY_CENTRE or not _are_corners(corners)
    if is_softmax:
        nothing = "last" if is_by_centre else "first"
    elif activation == "sigmoid" and called(boxes) != "dets":  # logits, of which one column may be "nothing"
        is_detr = kind in _DETR or (not kind and facts.n_names is None and called(scores) == "pred_logits")
        if facts.n_names == n_columns - 1 or (is_detr and facts.n_names != n_columns):
            activation, nothing = "softmax", "last" if is_by_centre else "first"
    first = 1 if nothing == "first" and facts.n_names == n_columns - 1 else 0
    is_query = is_by_centre and (nothing == "last" or activation == "sigmoid")
    overlap = None if is_query else facts.iou(_OVERLAP)
    is_prompted = kind in _PROMPTED or "text_embeds" in facts.outputs
    is_per_pair = nothing == "none" and is_query and not is_prompted
    if is_query:
        family = "DETR or YOLOS" if nothing == "last" else "RT-DETR and its kin"
        family = "boxes with a score of every prompt (OWL-ViT)" if is_prompted else family
    else:
        family = "boxes with a score of every label (SSD, YOLO-NAS)"
    most_pairs = _MOST_PAIRS if kind in _PAIRED else None
    chosen = Selection(facts.least(_THRESHOLD), overlap, is_per_pair=is_per_pair, most_pairs=most_pairs)
    normal = bool(np.abs(corners).max(initial=0) <= _NORMALISED)
    return Queries(
        boxes,
        scores,
        activation,
        nothing,
        is_by_centre,
        normal,
        chosen,
        family,
        first_label=first,
        is_by_column=is_by_column,
    )


def _activation(numbers: NDArray[Any], name: str, facts: Facts) -> tuple[Activation, bool]:
    """Return what is still to be applied ("sigmoid" for all logits), and whether it is a softmax already."""
    operation = facts.activations.get(name, "")
    if operation.endswith("Softmax"):
        return "none", True
    if operation.endswith("Sigmoid"):
        return "none", False
    if numbers.size and numbers.min() >= 0 and numbers.max() <= 1 + _SUM:
        is_softmax = numbers.shape[-1] > 1 and bool(np.abs(numbers.sum(axis=-1) - 1).max() <= _SUM)
        return "none", is_softmax
    return "sigmoid", False


def _are_boxes(boxes: NDArray[Any]) -> bool:
    """Return whether these are boxes, not steps from anchors: by corners, or by sides that are not negative."""
    return _are_corners(boxes) or bool((boxes[..., 2:] >= -1e-3).mean() > 0.99)  # noqa: PLR2004


def _are_corners(boxes: NDArray[Any]) -> bool:
    """Return whether boxes are corners: then none ends before it begins."""
    return bool((boxes[..., 2:] >= boxes[..., :2] - 1e-3).mean() > 0.99)  # noqa: PLR2004


def _activated(numbers: NDArray[Any], activation: Activation) -> NDArray[np.float32]:
    if activation == "softmax":
        return softmax(numbers)
    return sigmoid(numbers) if activation == "sigmoid" else numbers.astype(np.float32)
