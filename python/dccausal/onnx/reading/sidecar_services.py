"""
Files of services that train classifiers: Teachable Machine's ``metadata.json``, Roboflow's ``environment.json``.

Roboflow's file does not say what its server does to pixels, which depends on the network; it tells names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dccausal._shared.checks import whole_number
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides, make_cut

_TEACHABLE_SIDE = 224
TEACHABLE_PIXELS = Preprocess(
    scale=1 / 127.5, mean=(1.0, 1.0, 1.0), interpolation="lanczos", rounding="exact"
)


def is_teachable(document: Mapping[str, Any]) -> bool:
    """Return whether ``metadata.json`` is Teachable Machine's."""
    return "tmVersion" in document or str(document.get("packageName", "")).startswith("@teachablemachine")


def teachable_settings(document: Mapping[str, Any], model: Sides) -> Preprocess:
    """
    Return what Teachable Machine does: the square in the centre is cut out, resized, and becomes -1..1.

    Raises
    ------
    OptionError
        If the size is none.

    """
    side = whole_number("imageSize", document.get("imageSize", _TEACHABLE_SIDE), 1)
    made = make_cut(model, sides=(side, side), geometry="crop", whole=(side, side))
    return replace(TEACHABLE_PIXELS, **made)


def teachable_names(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the class names in ``metadata.json``; None without any."""
    names = document.get("labels") if is_teachable(document) else None
    return read_labels(names) if isinstance(names, list) and names else None


def roboflow_names(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the class names in ``environment.json``; None without any."""
    names = document.get("CLASS_MAP")
    return read_labels(names) if isinstance(names, Mapping) and names else None
