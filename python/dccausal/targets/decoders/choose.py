"""Which decoder reads a model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dccausal.targets.decoders.embeddings import embedding
from dccausal.targets.decoders.facts import Decoder, Facts, called
from dccausal.targets.decoders.listed import rows, triple
from dccausal.targets.decoders.queries import queries
from dccausal.targets.decoders.segmenters import segmenter
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
_SCORES = ("logit", "prob", "score", "softmax")


def _has_scores(facts: Facts) -> bool:
    """Return whether there are scores of the whole image: then maps and vectors beside them are none of the answer."""
    return any(
        value.ndim == 2 and len(value) == 1 and any(word in called(name) for word in _SCORES)  # noqa: PLR2004
        for name, value in facts.outputs.items()
    )


def refused(facts: Facts) -> str | None:
    """Return why outputs that are recognised are not read; None where they are, or are not recognised."""
    if facts.task == "obb":
        return "its boxes are turned (Ultralytics obb), and only upright ones are explained; a detect export is needed"
    if facts.task == "classify":
        return "it classifies (Ultralytics classify); a label is explained of it, by --target"
    wide = [value for value in facts.outputs.values() if value.dtype.kind == "f" and value.ndim in (4, 5)]
    anchored = [value for value in wide if value.ndim == 5 and value.shape[1] == 3 and value.shape[-1] > 5]  # noqa: PLR2004
    if len(anchored) in (2, 3, 4):
        return (
            "it gives the heads of YOLOv5 or YOLOv7 before their anchors are applied, and no file says which; "
            "an export that applies them (--grid) is needed"
        )
    return None


def find_decoder(facts: Facts, gives: str | None = None) -> Decoder | None:
    """Return the decoder of a model's outputs that gives what is wanted; None where they are nothing that is known."""
    if gives == "embeddings":
        return embedding(facts, is_wanted=True)
    if refused(facts) is not None:
        return None
    if gives == "maps" and any(find(facts) is not None for find in _BOXES):
        return None
    finders = [find for find in _FINDERS if gives is not None or find in _BOXES or not _has_scores(facts)]
    found = (find(facts) for find in finders)
    return next((one for one in found if one is not None and gives in (None, one.gives)), None)
