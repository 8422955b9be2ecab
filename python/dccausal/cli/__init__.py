"""The command line."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dccausal.cli.app import main

_HOMES = {
    "main": "app",
}

__all__ = [
    "main",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
