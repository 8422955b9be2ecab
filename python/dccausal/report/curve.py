"""The score of a label against the share of the best-ranked pixels shown, asked of the model for a report."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import InputError
from dccausal.metrics import insertion_curve

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.onnx.model_classifier import ModelClassifier
    from dccausal.report.item import Result

N_POINTS = 51


def check_model(classifier: ModelClassifier, result: Result) -> None:
    """
    Check that a result was made with this model.

    Raises
    ------
    InputError
        If it was not.

    """
    recorded = (result.document.get("provenance") or {}).get("classifier") or {}
    known = recorded.get("model_sha256")
    if known is not None and known != classifier.sha256:
        raise InputError(
            f"--curves with the model {classifier.path} ({str(classifier.sha256)[:12]}...): the results were made with "
            f"{recorded.get('model')} ({known[:12]}...); the same model is needed"
        )


def curve_of(classifier: ModelClassifier, photo: Image.Image, result: Result) -> dict[str, Any] | None:
    """
    Return the curve, its points dense where few pixels are shown; None where the model would see another image.

    Parameters
    ----------
    classifier
        The model with which the result was made.
    photo, result
        The photograph and its result.

    Returns
    -------
    dict
        "shares" and "scores", lists of 51 numbers; None too where the model gives labels only.

    """
    document = result.document
    image, _ = classifier.prepare(photo)
    if image.shape[:2] != result.heatmap.shape or _sha256(image) != document["image"]["sha256"]:
        return None
    baseline = np.empty_like(image)
    if result.baseline is None:
        baseline[:] = document["baseline"]["colour"]
    else:
        baseline[:] = np.asarray(result.baseline)
    ranking = np.argsort(-result.heatmap.ravel(), kind="stable").astype(np.int64)
    shares = np.linspace(0, 1, N_POINTS) ** 2
    curve = insertion_curve(classifier, image, baseline, ranking, document["label"], shares=shares.tolist())
    if not np.isfinite(curve.scores).all():
        return None
    return {
        "shares": [round(float(share), 6) for share in shares],
        "scores": [float(f"{score:.5g}") for score in curve.scores],
    }


def _sha256(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
