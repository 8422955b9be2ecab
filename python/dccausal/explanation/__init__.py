"""The result: what it says in words, pictures and files."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation
    from dccausal.explanation.record import Outcome

_HOMES = {
    "Explanation": "explanation",
    "Outcome": "record",
}

__all__ = [
    "Explanation",
    "Outcome",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
