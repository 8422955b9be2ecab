"""The model that is meant, opened so that it gives what is to be explained."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier, call
from dccausal.engine.backend import Backend, CallableBackend, OnnxBackend, open_classifier
from dccausal.engine.model_backend import ModelBackend
from dccausal.errors import OptionError
from dccausal.inputs.photo import read_photo
from dccausal.onnx.model import OnnxModel
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.targets import Box, Similarity, Subject
from dccausal.targets.target import Needs

_WORDS: dict[Needs, str] = {
    "boxes": "boxes of a detector",
    "maps": "maps of a segmenter",
    "embeddings": "embeddings",
    "anything": "outputs",
    "scores": "scores of a classifier",
}


def open_for(classifier: Any, target: Any) -> tuple[Classifier, int | str | None, Subject | None]:
    """
    Return the model that is meant, and what is to be explained: a label as it was given, or what else.

    Raises
    ------
    OptionError
        If the target is none, or the model is known not to give it.
    ModelError, RuntimeMissingError, DeviceError
        If the model cannot be loaded.

    """
    subject = subject_of(target)
    if subject is None:
        if not isinstance(classifier, OnnxModel):
            return open_classifier(classifier), target, None
        subject = _by_default(classifier, target)
    if isinstance(classifier, OnnxModel):
        is_raw = subject.needs == "anything"
        if is_raw != (classifier.gives == "anything") or (not is_raw and subject.needs != classifier.gives):
            raise OptionError(
                f"the target is for {_WORDS[subject.needs]}; the model gives {_WORDS[classifier.gives]} "
                f"({classifier.family}); OnnxModel(..., gives={subject.needs!r}) or another target is needed"
            )
        return classifier, None, _ready(subject, classifier)
    if isinstance(classifier, str | os.PathLike) and subject.needs != "scores":
        model = OnnxModel(classifier, gives=subject.needs)
        return model, None, _ready(subject, model)
    if isinstance(classifier, ModelClassifier) and subject.needs not in ("scores", "anything"):
        raise OptionError(
            f"the target is for {_WORDS[subject.needs]}; a classifier gives scores; an OnnxModel is needed"
        )
    opened = open_classifier(classifier)
    return opened, None, _ready(subject, opened)


def subject_of(target: Any) -> Subject | None:
    """
    Return what is to be explained where that is no label.

    Raises
    ------
    OptionError
        If it is neither a label nor one of ``targets``.

    """
    if target is None or isinstance(target, int | str | np.integer):
        return None
    if not all(hasattr(target, name) for name in ("needs", "choose", "read", "check")):
        raise OptionError(
            f"target is {type(target).__name__}; a label's index or name, or one of dccausal.targets is needed"
        )
    found: Subject = target
    return found


def _ready(subject: Subject, model: Any) -> Subject:
    """Return what is to be explained, with the vectors of images that it is compared with."""
    if not isinstance(subject, Similarity) or subject.vectors is not None:
        return subject

    def embed(image: Any) -> NDArray[np.float32]:
        photo = read_photo(image).image
        found = (
            model.look(photo)[0]
            if isinstance(model, OnnxModel)
            else call(model, np.asarray(photo, dtype=np.uint8)[None], "embeddings (N, length)")
        )
        vector: NDArray[np.float32] = np.asarray(found, dtype=np.float32)[0]
        return vector

    return subject.embedded(embed)


def backend_of(classifier: Classifier, subject: Subject | None = None) -> Backend:
    """Return the engine's way to a classifier, or to another model."""
    if isinstance(classifier, OnnxModel) and subject is not None:
        return ModelBackend(classifier, subject)
    if isinstance(classifier, ModelClassifier):
        return OnnxBackend(classifier, subject)
    return CallableBackend(classifier, subject)


def _by_default(model: OnnxModel, target: Any) -> Subject:
    """Return what is explained of a model where nobody says: the best box of a detector."""
    if model.gives == "boxes":
        if target is None:
            return Box()
        raise OptionError(f"target is {target!r}; the model is a detector, so a Box is needed")
    raise OptionError(
        f"target is {target!r}; the model gives {_WORDS[model.gives]}, so one of dccausal.targets is needed"
    )
