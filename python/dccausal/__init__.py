"""
Why did the classifier say that? Minimal causal explanations of image classifiers, without PyTorch.

Names are loaded when they are first used, so that ``import dccausal`` and ``dccausal --help`` cost next to nothing.
"""

import importlib as _importlib
import sys as _sys
import typing as _typing
from types import ModuleType as _ModuleType

if _typing.TYPE_CHECKING:
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
    from dccausal.explanation import Explanation
    from dccausal.image import load_photo
    from dccausal.many import explain_many
    from dccausal.onnx import OnnxClassifier
    from dccausal.preprocess import Placement, Preprocess
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

_HOMES = {
    "PROFILES": "profiles",
    "Classifier": "classifier",
    "Explanation": "explanation",
    "OnnxClassifier": "onnx",
    "Placement": "preprocess",
    "Preprocess": "preprocess",
    "Profile": "profiles",
    "Progress": "_job",
    "__version__": "_core",
    "explain": "explain",
    "explain_many": "many",
    "load_photo": "image",
}


def __getattr__(name: str) -> _typing.Any:
    """Load a public name, or a public module, that is used for the first time."""
    if name in __all__:
        value = getattr(_importlib.import_module(f"dccausal.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value
    if not name.startswith("_"):
        try:
            return _importlib.import_module(f"dccausal.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"dccausal.{name}":
                raise
    raise AttributeError(f"module 'dccausal' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


class _Package(_ModuleType):
    """A package in which ``explain`` is the function, also once the module of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, as importing a module sets it in its package; but not over the function."""
        if name != "explain" or not isinstance(value, _ModuleType):
            super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package
