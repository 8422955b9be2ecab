"""What is answered: documents, pictures, and what the page draws from."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import png_bytes
from dccausal._shared.json import json_text
from dccausal.classifier import classify
from dccausal.errors import OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.explanation.result import result_document
from dccausal.inputs.placement import Placement
from dccausal.inputs.view import View
from dccausal.report.live import item_of, photo_of
from dccausal.report.pixels import tones

if TYPE_CHECKING:
    from dccausal.classifier import Classifier

PICTURES = ("overlay", "explanation", "cutout", "heatmap", "kept", "kind")
# Of the heat that is shown while the search goes on.
_HEAT_SIDE = 56
_HOTTEST = 65535
_N_BEST = 5


def json_answer(explanation: Explanation) -> bytes:
    """Return result.json, but for the files that are not there."""
    return json_text(result_document(explanation)).encode("ascii")


def picture(explanation: Explanation, name: str, most_side: int) -> bytes:
    """
    Return a picture as PNG: of the photograph's size up to a longer side, or of the model's.

    Raises
    ------
    OptionError
        If the picture is that of a kind, and no set of one was found.

    """
    from PIL import Image

    if name == "heatmap":
        return png_bytes(Image.fromarray(np.rint(explanation.heatmap * _HOTTEST).astype(np.uint16)))
    if name == "kept":
        return png_bytes(Image.fromarray(explanation.kept.astype(np.uint8) * np.uint8(255)))
    small = _shrunk(explanation, most_side)
    if name == "kind":
        found = small.kind_picture()
        if found is None:
            raise OptionError(
                "picture is kind, but there is no set to show; another kind, or another picture, is needed"
            )
        return png_bytes(found)
    draw = {"overlay": small.overlay, "explanation": small.picture, "cutout": small.cutout}[name]
    return png_bytes(draw())


def pictures(explanation: Explanation, most_side: int) -> bytes:
    """Return the pictures that the page offers, in base64."""
    small = _shrunk(explanation, most_side)
    drawn = {"overlay": small.overlay(), "explanation": small.picture(), "kind": small.kind_picture()}
    texts = {
        name: base64.b64encode(png_bytes(one)).decode("ascii")
        for name, one in drawn.items()
        if one is not None
    }
    return json_text(texts).encode("ascii")


def drawn(explanation: Explanation) -> bytes:
    """Return what the page unpacks and draws, as a report has it."""
    about, packed = item_of(explanation)
    return json_text({"about": about, "packed": packed}).encode("ascii")


def seen(view: View, classifier: Classifier) -> bytes:
    """Return what the page shows before anything is found: the photograph, what is seen of it, the best labels."""
    found = {**photo_of(view.photo, view.placement), "shape": list(view.image.shape[:2])}
    scores = classify(classifier, view.image[None])[0]
    names = getattr(classifier, "names", None) or ()
    best = np.argsort(-scores, kind="stable")[:_N_BEST].tolist() if np.ndim(scores) else [int(scores)]
    found["best"] = [
        {
            "label": label,
            "name": names[label] if label < len(names) else None,
            "score": float(scores[label]) if np.ndim(scores) else None,
        }
        for label in best
    ]
    return json_text(found).encode("ascii")


def heat(heatmap: NDArray[np.float32]) -> bytes:
    """Return a heatmap, float32 (H, W), small: a byte for each of at most 56 x 56 places, row after row, in base64."""
    small = _small(heatmap)
    found = {
        "shape": list(small.shape),
        "tones": base64.b64encode(tones(small, small).tobytes()).decode("ascii"),
    }
    return json_text(found).encode("ascii")


def _small(heatmap: NDArray[np.float32]) -> NDArray[np.float32]:
    n = [min(_HEAT_SIDE, side) for side in heatmap.shape]
    edges = [np.arange(parts) * side // parts for parts, side in zip(n, heatmap.shape, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(heatmap, edges[0], axis=0), edges[1], axis=1)
    sizes = [np.diff(starts, append=side) for starts, side in zip(edges, heatmap.shape, strict=True)]
    small: NDArray[np.float32] = (sums / np.outer(*sizes)).astype(np.float32)
    return small


def _shrunk(explanation: Explanation, most_side: int) -> Explanation:
    """Return the same with a photograph that is no larger than its picture is to be."""
    from PIL import Image

    photo, placement = explanation.photo, explanation.placement
    longer = max(photo.size)
    if longer <= most_side:
        return explanation
    width, height = (max(2, round(side * most_side / longer)) for side in photo.size)
    small = photo.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    scale = width / photo.width, height / photo.height
    left, top, right, bottom = placement.box
    box = left * scale[0], top * scale[1], right * scale[0], bottom * scale[1]
    return replace(explanation, photo=small, placement=Placement((width, height), box))
