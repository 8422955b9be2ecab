"""From a file to what the model sees: photograph, preprocessing, placement, baseline."""

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
