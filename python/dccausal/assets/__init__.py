"""What comes with the package: a photograph, the names of ImageNet's classes, the recipe of a model."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.assets.default_model import class_names
    from dccausal.assets.photo import demo_occluded, demo_photo

_HOMES = {
    "class_names": "default_model",
    "demo_photo": "photo",
    "demo_occluded": "photo",
}

__all__ = [
    "class_names",
    "demo_occluded",
    "demo_photo",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
