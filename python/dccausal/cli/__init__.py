"""The command line."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.cli.app import main

_HOMES = {
    "main": "app",
}

__all__ = [
    "main",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
