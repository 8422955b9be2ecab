"""Where to look first: a map of the model's own gradients in place of lattices. What passes is still asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal.engine.causal import CausalSearch, Guidance
from dccausal.engine.finder import MakeSearch
from dccausal.engine.findings import Findings
from dccausal.errors import OptionError
from dccausal.gradients.cam import class_activation_map, grad_cam
from dccausal.targets import Label, Subject

if TYPE_CHECKING:
    from dccausal.gradients.whitebox import WhiteBox

# A gradient costs about as much as this many calls of the model.
GRADIENT_COST = 3


def white_box_of(classifier: Any, given: str) -> WhiteBox:
    """
    Return the classifier's model, to be asked for gradients; ``given`` is the option that asks for it.

    Raises
    ------
    OptionError
        If the classifier cannot be looked into.
    ModelError
        If an operation of the model has no derivative.

    """
    if not hasattr(classifier, "white_box"):
        raise OptionError(
            f"{given}, which looks into the model, but the classifier is a {type(classifier).__name__}; an "
            "OnnxClassifier or the path of an ONNX model is needed"
        )
    found: WhiteBox = classifier.white_box
    return found


def guided(classifier: Any, subject: Subject | None) -> MakeSearch:
    """
    Return what makes a causal search whose sets grow from Grad-CAM [1]_ of the model's last grid over the image.

    Raises
    ------
    OptionError
        If the classifier cannot be looked into, or what is explained is no label.
    ModelError
        If an operation of the model has no derivative.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
       ICCV 2017.

    """
    box = white_box_of(classifier, "guide is gradient")
    if subject is not None and not isinstance(subject, Label):
        raise OptionError(
            f"guide is gradient, which is for labels, but the target is a {type(subject).__name__}; a label is needed"
        )
    layer = box.layer(None)

    def search(found: Findings, budget: int | None) -> CausalSearch:
        start = time.perf_counter()
        image = found.view.image
        tensor = classifier.encode(image[None]).astype(np.float32)
        size = (image.shape[0], image.shape[1])
        heat = class_activation_map(box, tensor, found.target.label, layer, size=size, weigh=grad_cam)
        if not (heat.any() and np.isfinite(heat).all()):
            heat = np.zeros_like(heat)
            found.notes.append(
                "The model's gradients speak for no place in the image, so they guide nothing."
            )
        left = None if budget is None else max(1, budget - GRADIENT_COST)
        guidance = Guidance(heat.astype(np.float32), GRADIENT_COST, time.perf_counter() - start)
        return CausalSearch(found, left, guidance)

    return search
