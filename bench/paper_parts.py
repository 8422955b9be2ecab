"""What the paper's table is measured on: photographs and digits, and the methods on each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EARLIER = HERE / "record" / "quality-2026-11-28"
SQUASH = EARLIER / "squash.json"
THREE = "grey,black,white"
WHITE_BOX = "rap,lrp,integrated-gradients,guided-backprop"


@dataclass(frozen=True)
class Data:
    """Photographs, what is known of them, and the model that they are for; paths below the shared folder."""

    images: str
    truth: str
    model: str
    preprocess: dict[str, Any] | None = None
    baseline: str = "grey"


@dataclass(frozen=True)
class Part:
    """Some methods on so many photographs, with more options; on those of a record where ``among`` names one."""

    data: str
    methods: str
    n: int
    among: str = ""
    more: tuple[str, ...] = ()


_HALF = 128 / 255
_SCALED = {"geometry": "squash", "scale": 1 / 255}
_PLANTED = ("data/photobombing/images", "data/photobombing/occlusions.csv")
DATA = {
    "photographs": Data(*_PLANTED, "models/efficientnet-lite0.onnx", json.loads(SQUASH.read_text())),
    "mobilenet": Data(
        *_PLANTED, "models/mobilenet_v1_0.25_128_nhwc.onnx", _SCALED | {"mean": _HALF, "std": _HALF}
    ),
    "squeezenet": Data(
        *_PLANTED,
        "models/squeezenet1.1.onnx",
        _SCALED | {"mean": [122.679 / 255, 116.669 / 255, 104.006 / 255], "std": 1 / 255},
    ),
    "pandas": Data(
        "data/roaming-panda/images",
        "data/roaming-panda/boxes.csv",
        "models/efficientnet-lite0.onnx",
        json.loads(SQUASH.read_text()),
    ),
    "ordinary": Data("digits", "occlusions.csv", "ordinary.onnx", baseline="black"),
    "compositional": Data("digits", "occlusions.csv", "compositional.onnx", baseline="black"),
}
DIGITS = ("ordinary", "compositional")
_QUICK = f"dc-causal,dc-causal-fast,{WHITE_BOX}"
_SLOW = "dc-causal-paper,sbfl-ochiai,rise:masks=4000"
_SMALL_MASKS = "extremal:cell=3:sigma=9"
PARTS = {
    "defaults": Part("photographs", "dc-causal", 200),
    "fast": Part("photographs", "dc-causal-fast", 200),
    "seeds": Part("photographs", "dc-causal", 24, more=("--seeds", "3")),
    "neutral": Part("photographs", "dc-causal", 24, more=("--backgrounds", "neutral")),
    "neutral-three": Part(
        "photographs", "dc-causal", 40, more=("--backgrounds", "neutral", "--baseline", THREE)
    ),
    "defaults-among": Part("photographs", "dc-causal", 40, among="kernel-shap.csv"),
    "white-box": Part("photographs", WHITE_BOX, 200),
    "kernel-shap": Part("photographs", "kernel-shap", 100),
    "masks": Part("photographs", "hsic,partition-shap", 40),
    "paper": Part("photographs", "dc-causal-paper,sbfl-ochiai", 40),
    "sobol": Part("photographs", "sobol", 40),
    "rise": Part("photographs", "rise:masks=4000", 40),
    "extremal": Part("photographs", "extremal:areas=0.1", 50),
    "ordinary": Part("ordinary", _QUICK, 100),
    "compositional": Part("compositional", _QUICK, 100),
    "ordinary-many": Part("ordinary", _SLOW, 100),
    "compositional-many": Part("compositional", _SLOW, 100),
    "ordinary-fine": Part("ordinary", "dc-causal:grid=28", 100),
    "compositional-fine": Part("compositional", "dc-causal:grid=28", 100),
    "ordinary-extremal": Part("ordinary", _SMALL_MASKS, 50),
    "compositional-extremal": Part("compositional", _SMALL_MASKS, 50),
    "pandas": Part("pandas", "dc-causal,dc-causal-fast,occlusion", 100),
    "mobilenet": Part("mobilenet", "dc-causal,dc-causal-fast,occlusion", 40),
    "squeezenet": Part("squeezenet", "dc-causal,dc-causal-fast,occlusion", 40),
}
