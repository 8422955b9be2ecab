"""From a file to what the model sees: photograph, preprocessing, placement, baseline."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.inputs.photo import load_photo
    from dccausal.inputs.placement import Placement
    from dccausal.inputs.preprocess import Preprocess
    from dccausal.inputs.view import View

_HOMES = {
    "load_photo": "photo",
    "Preprocess": "preprocess",
    "Placement": "placement",
    "View": "view",
}

__all__ = [
    "Placement",
    "Preprocess",
    "View",
    "load_photo",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
