"""An explanation that is not on a disk, as a report has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dccausal.explanation.explanation import Explanation
from dccausal.explanation.result import result_document
from dccausal.inputs.placement import Placement
from dccausal.report.item import Result, make_item
from dccausal.report.pixels import photo_text
from dccausal.report.read import Entry
from dccausal.report.trees import trees_of

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 1024


def item_of(explanation: Explanation, longest: int = LONGEST) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Return what a report's list says of an explanation, and what is unpacked of it.

    Parameters
    ----------
    explanation
        What is shown.
    longest
        Most pixels of a side of the photograph there.

    """
    from PIL import Image

    document = result_document(explanation) | {"files": {}}
    colour = document["baseline"]["colour"]
    result = Result(
        document=document,
        heatmap=explanation.heatmap,
        kept=explanation.kept,
        placement=explanation.placement,
        levels=[level.kept for level in explanation.levels],
        shown=explanation.photo,
        baseline=None if colour is not None else Image.fromarray(explanation.baseline),
        trees=trees_of(document),
    )
    entry = Entry(explanation.source or "", None)
    return make_item(entry, result, explanation.photo, is_photo=True, longest=longest)


def photo_of(photo: Image.Image, placement: Placement, longest: int = LONGEST) -> dict[str, Any]:
    """Return a photograph as a report has it, before there is an explanation: "jpeg", its size, and the "box" in it."""
    text, size = photo_text(photo, longest)
    scale = size[0] / photo.width, size[1] / photo.height
    box = [round(side * scale[i % 2], 3) for i, side in enumerate(placement.box)]
    return {"jpeg": text, "photo": list(size), "box": box}
