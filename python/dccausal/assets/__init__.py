"""What comes with the package: a photograph, the names of ImageNet's classes, the recipe of a model."""

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
