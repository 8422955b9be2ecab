"""Where to look first: a map of the model's own gradients in place of lattices. What passes is still asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.causal import CausalSearch, Guidance
from dccausal.engine.finder import MakeSearch
from dccausal.engine.findings import Findings
from dccausal.engine.maps import scaled
from dccausal.errors import OptionError
from dccausal.gradients.cam import enlarge, grad_cam
from dccausal.targets import Label, Subject

if TYPE_CHECKING:
    from dccausal.gradients.whitebox import WhiteBox

# A gradient costs about as much as this many calls of the model.
_GRADIENT_COST = 3


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
    if not hasattr(classifier, "white_box"):
        raise OptionError(
            f"guide is gradient, which looks into the model, but the classifier is a {type(classifier).__name__}; an "
            "OnnxClassifier or the path of an ONNX model is needed"
        )
    if subject is not None and not isinstance(subject, Label):
        raise OptionError(
            f"guide is gradient, which is for labels, but the target is a {type(subject).__name__}; a label is needed"
        )
    box: WhiteBox = classifier.white_box
    encode: Callable[[NDArray[np.uint8]], NDArray[Any]] = classifier.encode
    layer = box.layer(None)

    def search(found: Findings, budget: int | None) -> CausalSearch:
        start = time.perf_counter()
        image = found.view.image
        answer = box.at_layer(encode(image[None]).astype(np.float32), found.target.label, layer)
        activation = np.zeros_like(answer.values) if answer.activation is None else answer.activation
        heat = enlarge(grad_cam(activation, answer.values), image.shape[:2])[0].astype(np.float32)
        if not (np.isfinite(heat).all() and heat.max() > 0):
            found.notes.append(
                "The model's gradients speak for no place in the image, so they do not guide the search."
            )
            heat = np.zeros_like(heat)
        left = None if budget is None else max(1, budget - _GRADIENT_COST)
        guidance = Guidance(scaled(heat), _GRADIENT_COST, time.perf_counter() - start)
        return CausalSearch(found, left, guidance)

    return search
