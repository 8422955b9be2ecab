"""Explanations as a service: an endpoint, and a page on which to drop a photograph."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.serving.app import create_app
    from dccausal.serving.limits import Limits
    from dccausal.serving.server import serve

_HOMES = {
    "create_app": "app",
    "Limits": "limits",
    "serve": "server",
}

__all__ = [
    "Limits",
    "create_app",
    "serve",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
