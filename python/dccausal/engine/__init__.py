"""From a photograph and a classifier to an explanation: options, phases, batches, masked images."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.engine.many import explain_many
    from dccausal.engine.profiles import PROFILES, Profile
    from dccausal.engine.progress import Progress, StopEarly
    from dccausal.engine.together import explain_together

_HOMES = {
    "explain_many": "many",
    "Profile": "profiles",
    "PROFILES": "profiles",
    "Progress": "progress",
    "explain_together": "together",
    "StopEarly": "progress",
}

__all__ = [
    "PROFILES",
    "Profile",
    "Progress",
    "StopEarly",
    "explain_many",
    "explain_together",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
