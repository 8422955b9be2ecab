"""From a photograph and a classifier to an explanation: options, phases, batches, masked images."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dccausal.engine.many import explain_many
    from dccausal.engine.profiles import PROFILES, Profile
    from dccausal.engine.progress import Progress

_HOMES = {
    "explain_many": "many",
    "Profile": "profiles",
    "PROFILES": "profiles",
    "Progress": "progress",
}

__all__ = [
    "PROFILES",
    "Profile",
    "Progress",
    "explain_many",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
