"""The public names of the package, each loaded when it is first asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# Where each name is; a module is loaded when a name of it is asked for, so that the command line's help need not
# wait for NumPy.
_HOMES = {
    "__version__": "_core",
    "Progress": "_job",
    "Classifier": "classifier",
    "Explanation": "explanation.explanation",
    "load_photo": "inputs.photo",
    "explain_many": "many",
    "OnnxClassifier": "onnx.classifier",
    "Placement": "inputs.preprocess",
    "Preprocess": "inputs.preprocess",
    "PROFILES": "profiles",
    "Profile": "profiles",
}
_ELSE = "errors"


class _Package(ModuleType):
    """The package; ``explain`` is the function, also after the module of that name was loaded."""

    @property
    def explain(self) -> Any:
        return import_module("dccausal.explain").explain

    @explain.setter
    def explain(self, value: object) -> None:
        """Pass over what the import system puts here: the module."""

    def __getattr__(self, name: str) -> Any:
        if name not in vars(self).get("__all__", ()):
            raise AttributeError(f"module 'dccausal' has no attribute {name!r}")
        value = getattr(import_module(f"dccausal.{_HOMES.get(name, _ELSE)}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *vars(self)["__all__"]})


def install(name: str) -> None:
    """Let the package of this name load its public names when they are asked for."""
    sys.modules[name].__class__ = _Package
