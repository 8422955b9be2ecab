"""Why did the classifier say that? Minimal causal explanations of image classifiers, without PyTorch."""

from typing import TYPE_CHECKING

from dccausal import _lazy

if TYPE_CHECKING:
    from dccausal._core import __version__
    from dccausal._job import Progress
    from dccausal.classifier import Classifier
    from dccausal.errors import (
        ClassifierError,
        DccausalError,
        DeviceError,
        ImageError,
        InputError,
        ModelError,
        OptionError,
        OutputError,
        RuntimeMissingError,
    )
    from dccausal.explain import explain
    from dccausal.explanation.explanation import Explanation
    from dccausal.inputs.photo import load_photo
    from dccausal.inputs.preprocess import Placement, Preprocess
    from dccausal.many import explain_many
    from dccausal.onnx.classifier import OnnxClassifier
    from dccausal.profiles import PROFILES, Profile

__all__ = [
    "PROFILES",
    "Classifier",
    "ClassifierError",
    "DccausalError",
    "DeviceError",
    "Explanation",
    "ImageError",
    "InputError",
    "ModelError",
    "OnnxClassifier",
    "OptionError",
    "OutputError",
    "Placement",
    "Preprocess",
    "Profile",
    "Progress",
    "RuntimeMissingError",
    "__version__",
    "explain",
    "explain_many",
    "load_photo",
]

_lazy.install(__name__)
