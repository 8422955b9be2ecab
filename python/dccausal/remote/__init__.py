"""Models that a server answers for: the Open Inference Protocol v2 of Triton, KServe, MLServer and others."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.remote.classifier import RemoteClassifier

_HOMES = {
    "RemoteClassifier": "classifier",
}

__all__ = [
    "RemoteClassifier",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
