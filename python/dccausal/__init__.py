"""
Why did the classifier say that? Minimal causal explanations of image classifiers, without PyTorch.

Rooms, each of which imports only from those before it:

- ``targets``: what is explained, and when an answer still gives it.
- ``inputs``: from a file to what the model sees.
- ``assets``: the photograph and the model that come with the package.
- ``gradients``: gradients and relevances of a graph, as another graph.
- ``onnx``: a model in an ONNX file as a classifier.
- ``explanation``: the result; its words, pictures and files.
- ``remote``: a model on a server as a classifier.
- ``engine``: from a photograph and a classifier to an explanation.
- ``methods``: other methods of explanation.
- ``evaluation``: methods measured over photographs of which the truth is known.
- ``runs``: folders of photographs.
- ``report``: a run as one page of HTML.
- ``cli``: the command line.
"""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal._core import __version__
    from dccausal.classifier import Classifier
    from dccausal.engine.explain import explain
    from dccausal.engine.many import explain_many
    from dccausal.engine.profiles import PROFILES, Profile
    from dccausal.engine.progress import Progress
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
    from dccausal.explanation.explanation import Explanation
    from dccausal.inputs.photo import load_photo
    from dccausal.inputs.preprocess import Placement, Preprocess
    from dccausal.onnx.classifier import OnnxClassifier
    from dccausal.onnx.model import OnnxModel

# Where each name is.
_HOMES = {
    "PROFILES": "engine.profiles",
    "Classifier": "classifier",
    "ClassifierError": "errors",
    "DccausalError": "errors",
    "DeviceError": "errors",
    "Explanation": "explanation.explanation",
    "ImageError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "OnnxClassifier": "onnx.classifier",
    "OnnxModel": "onnx.model",
    "OptionError": "errors",
    "OutputError": "errors",
    "Placement": "inputs.preprocess",
    "Preprocess": "inputs.preprocess",
    "Profile": "engine.profiles",
    "Progress": "engine.progress",
    "RuntimeMissingError": "errors",
    "__version__": "_core",
    "explain": "engine.explain",
    "explain_many": "engine.many",
    "load_photo": "inputs.photo",
}
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
    "OnnxModel",
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

__getattr__, __dir__ = lazily(__name__, _HOMES)
