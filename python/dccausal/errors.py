"""What can go wrong, as a tree of exceptions.

::

    DccausalError
    +-- InputError (ValueError)            what the caller gave cannot be used; nothing was computed
    |   +-- ImageError                     a photograph: missing, damaged, too large, wrong shape
    |   +-- ModelError                     a model file: missing, not ONNX, no image-like input
    |   +-- OptionError                    an option out of its range, an unknown label or colour
    +-- RuntimeMissingError (ImportError)  ONNX Runtime or another optional package is not there
    +-- DeviceError (RuntimeError)         a device was asked for and is not really there
    +-- ClassifierError (RuntimeError)     the classifier raised, or its answer cannot be read
    +-- OutputError (OSError)              a result cannot be written

Every message says what was given, then what is needed.
"""

from __future__ import annotations


class DccausalError(Exception):
    """Base of every error that dccausal raises on purpose."""


class InputError(DccausalError, ValueError):
    """What the caller gave cannot be used; raised before any work is done."""


class ImageError(InputError):
    """A photograph cannot be read or has a shape that cannot be explained."""


class ModelError(InputError):
    """A model file cannot be used as an image classifier."""


class OptionError(InputError):
    """An option lies outside its range or names something unknown."""


class RuntimeMissingError(DccausalError, ImportError):
    """An optional package that this call needs is missing or installed twice."""


class DeviceError(DccausalError, RuntimeError):
    """The device asked for cannot run the model."""


class ClassifierError(DccausalError, RuntimeError):
    """The classifier raised, or what it returned is not an answer."""


class OutputError(DccausalError, OSError):
    """A result could not be written; no partial file is left behind."""


# A better name for it: the package that is missing may be any.
MissingPackageError = RuntimeMissingError

# Failures that are not one photograph's: a run over many stops, and is to be continued once they are mended.
STOPPING = (OutputError, DeviceError, RuntimeMissingError, BrokenPipeError, MemoryError)
