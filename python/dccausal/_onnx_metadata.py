"""How photographs are to be prepared for a model: told by its metadata, by files beside it, or guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dccausal._onnx_model import ImageInput
from dccausal._sidecar import Sidecar
from dccausal.errors import OptionError
from dccausal.preprocess import Preprocess


def guess_preprocess(
    metadata: Mapping[str, str], image: ImageInput, sidecar: Sidecar
) -> tuple[Preprocess, str]:
    """
    Return the settings that suit a model, and the reason in words.

    The metadata key "preprocess" (JSON of ``Preprocess.to_dict``) is followed; a classifier that Ultralytics
    exported is known by its metadata. Next come the files beside the model (``_sidecar``). What is left is a
    guess, and the reason says so.
    """
    text = metadata.get("preprocess")
    trouble = ""
    if text:
        try:
            return Preprocess.from_dict(json.loads(text)), "the model's metadata"
        except (OptionError, ValueError, AttributeError, TypeError) as error:
            trouble = f"; its metadata 'preprocess' cannot be read: {error}"
    if metadata.get("task") == "classify" and "names" in metadata:
        return Preprocess(geometry="crop", crop_ratio=1.0), "metadata of an Ultralytics classifier"
    told, where = sidecar.preprocess(image)
    if told is not None:
        if image.dtype != np.uint8:
            return told, f"{where}{trouble}"
        return replace(told, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3), (
            f"{where}{trouble}; the model takes uint8, so it gets the pixels as they are"
        )
    preprocess, reason = _by_input(image)
    return preprocess, f"guessed: {reason}{trouble}{where}"


def _by_input(image: ImageInput) -> tuple[Preprocess, str]:
    if image.dtype == np.uint8:
        return Preprocess.preset("raw"), "the model takes uint8, so the pixels as they are"
    if image.layout == "NHWC":
        return Preprocess.preset("tf"), "channels come last, as in TensorFlow's models, so -1..1"
    if image.channels == 1:
        return Preprocess.preset("unit"), "one channel first, so 0..1"
    return Preprocess.preset(
        "imagenet"
    ), "channels come first, as in PyTorch's models, so ImageNet's mean and std"
