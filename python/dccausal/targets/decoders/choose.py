"""Which decoder reads a model's outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dccausal.targets.decoders.embeddings import embedding
from dccausal.targets.decoders.facts import Decoder, Facts, called
from dccausal.targets.decoders.listed import rows, triple
from dccausal.targets.decoders.queries import queries
from dccausal.targets.decoders.segmenters import MaskQueries, segmenter
from dccausal.targets.decoders.yolo import yolo_head

# The first that recognises the outputs reads them; what says most about itself comes first.
_FINDERS: Sequence[Callable[[Facts], Decoder | None]] = (
    triple,
    queries,
    rows,
    yolo_head,
    segmenter,
    embedding,
)

_BOXES = (triple, queries, rows, yolo_head)
_PROMPTED = {"iou_predictions", "iou_scores", "low_res_masks"}
PROMPTED = (
    "its masks follow points and boxes that somebody gives (SAM), and have no labels; a segmenter is needed"
)
_RAW = (
    "it gives a detector's maps at several scales, or of centres and sides, before boxes are made of them; an export "
    "that ends with boxes is needed"
)
_TASKS = {
    "obb": "its boxes are turned (Ultralytics obb), and only upright ones are explained; a detect export is needed",
    "classify": "it classifies (Ultralytics classify); a label is explained of it, by --target",
}
_DEPTH = re.compile(r"depth|disparity")
_SCORES = ("logit", "prob", "score", "softmax")


def _has_scores(facts: Facts) -> bool:
    """Return whether there are scores of the whole image: then maps and vectors beside them are none of the answer."""
    return any(
        value.ndim == 2 and len(value) == 1 and any(word in called(name) for word in _SCORES)  # noqa: PLR2004
        for name, value in facts.outputs.items()
    )


def refused(facts: Facts) -> str | None:
    """Return why outputs that are recognised are not read; None where they are, or are not recognised."""
    if facts.task in _TASKS:
        return _TASKS[facts.task]
    named = {called(name) for name in facts.outputs}
    if named & _PROMPTED:
        return PROMPTED
    if named and all(_DEPTH.search(name) for name in named):
        return "it gives depths, which are no labels; a segmenter, or a function of its outputs, is needed"
    if _has_anchors_to_come(facts):
        return (
            "it gives the heads of YOLOv5 or YOLOv7 before their anchors are applied, and no file says which; "
            "an export that applies them (--grid) is needed"
        )
    return _RAW if _is_raw(facts) else None


def _has_anchors_to_come(facts: Facts) -> bool:
    """Return whether there are only heads with a row for each of three anchors: (1, 3, h, w, 5 + labels), or so."""
    shapes = [value.shape for value in facts.outputs.values()]
    heads = [shape for shape in shapes if len(shape) == 5 and 3 in (shape[1], shape[3]) and shape[4] > 5]  # noqa: PLR2004
    return len(heads) == len(shapes) > 1


def _is_raw(facts: Facts) -> bool:
    """Return whether all outputs are maps of a detector's raw heads: CenterNet's, or the same at several scales."""
    maps = {called(name): value.shape for name, value in facts.outputs.items() if value.ndim == 4}  # noqa: PLR2004
    if len(maps) < len(facts.outputs):
        return False
    if "wh" in maps and ("hm" in maps or "heatmap" in maps):
        return True
    depths: dict[tuple[int, ...], list[int]] = {}
    for shape in maps.values():
        depths.setdefault(shape[2:], []).append(shape[1])
    several = [sorted(found) for found in depths.values()]
    is_pyramid = len(several) > 1 and all(found == several[0] for found in several)
    return is_pyramid and several[0] not in ([1], [facts.n_names])


def find_decoder(facts: Facts, gives: str | None = None) -> Decoder | None:
    """Return the decoder of a model's outputs that gives what is wanted; None where they are nothing that is known."""
    if gives == "embeddings":
        return embedding(facts, is_wanted=True)
    if refused(facts) is not None:
        return None
    has_boxes = gives == "maps" and any(find(facts) is not None for find in _BOXES)
    if has_boxes and not isinstance(segmenter(facts), MaskQueries):
        return None
    finders = [find for find in _FINDERS if gives is not None or find in _BOXES or not _has_scores(facts)]
    found = (find(facts) for find in finders)
    return next((one for one in found if one is not None and gives in (None, one.gives)), None)
