"""What a service says of itself: the model, its labels, the options of a request, the limits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dccausal.onnx.card import facts
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.serving.answers import PICTURES
from dccausal.serving.limits import Limits
from dccausal.serving.options import offered, schema

if TYPE_CHECKING:
    from dccausal.classifier import Classifier

_TOLD = ("max_bytes", "max_pixels", "max_calls", "timeout", "queue", "workers", "picture_side")
# What is told otherwise: where the model lies on the disk is not.
_PRIVATE = ("model", "names")


def about_model(classifier: Classifier, limits: Limits, *, has_key: bool, title: str) -> dict[str, Any]:
    """
    Return what a service says of itself, as plain values.

    Parameters
    ----------
    classifier, limits, title
        As in ``create_app``.
    has_key
        Whether requests need a key.

    """
    from dccausal._core import __version__

    known: dict[str, Any] = {}
    if isinstance(classifier, ModelClassifier):
        known = {name: value for name, value in facts(classifier).items() if name not in _PRIVATE}
        known["name"] = None if classifier.path is None else classifier.path.name
    names = getattr(classifier, "names", None)
    return {
        "dccausal": __version__,
        "title": title,
        "needs_key": has_key,
        "model": known,
        "labels": None if names is None else list(names),
        "pictures": list(PICTURES),
        "limits": {name: value for name, value in asdict(limits).items() if name in _TOLD},
        "options": [
            {
                "name": name,
                "panel": meaning.panel,
                "metavar": meaning.metavar,
                **schema(name, default, meaning),
            }
            for name, default, meaning in offered()
        ],
    }
