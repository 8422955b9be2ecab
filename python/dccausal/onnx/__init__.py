"""A model in an ONNX file as a classifier."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.onnx.classifier import OnnxClassifier

_HOMES = {
    "OnnxClassifier": "classifier",
}

__all__ = [
    "OnnxClassifier",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
