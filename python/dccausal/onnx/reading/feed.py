"""What a session is given: the images, and constants for whatever else the model wants."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import read_array
from dccausal.errors import ModelError, OptionError
from dccausal.onnx.failures import UNREADABLE, brief
from dccausal.onnx.reading.image_input import ImageInput, describe, input_dtype

_WORDS = {"true": 1, "false": 0, "yes": 1, "no": 0, "on": 1, "off": 0}
_MAX_SHOWN = 16
_NEEDED = "NAME=VALUE, numbers with commas between, or NAME=FILE.npy"

Feed = Mapping[str, Any]


def read_feed(pairs: Sequence[str]) -> dict[str, str]:
    """
    Return the constants that the command line gives, as name and value.

    Raises
    ------
    OptionError
        If one has no name or no value.

    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not name.strip() or not value.strip():
            raise OptionError(f"feed is {pair!r}; {_NEEDED} is needed")
        found[name.strip()] = value.strip()
    return found


@dataclass(frozen=True)
class Inputs:
    """
    All that a session is given in a run.

    Attributes
    ----------
    image
        The input that takes the images.
    constants
        Values of the other inputs, by name.
    repeated
        Those of them with a row for each image, of which one is known.

    """

    image: ImageInput
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the tensor itself is given."""
        return not self.constants and self.image.dropped is None

    def of(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the values by name for a tensor (n, ...)."""
        n = len(tensor)
        constants = {
            name: value.repeat(n, axis=0) if name in self.repeated else value
            for name, value in self.constants.items()
        }
        return {self.image.name: self.image.presented(tensor), **constants}

    def repeating(self) -> Inputs:
        """Return the same with a row for each image wherever a constant has one row only."""
        single = {name for name, value in self.constants.items() if value.ndim and len(value) == 1}
        return replace(self, repeated=frozenset(single))

    def described(self) -> dict[str, Any]:
        """Return the constants as plain values, the long ones by their hash."""
        return {name: _described(value) for name, value in self.constants.items()}


def _described(value: NDArray[Any]) -> Any:
    if value.size <= _MAX_SHOWN:
        return value.tolist()
    digest = hashlib.sha256(repr(value.tolist()).encode() if value.dtype.kind == "O" else value.tobytes())
    return f"{value.dtype} {value.shape}, sha256 {digest.hexdigest()}"


def settle_inputs(session: Any, what: str, image: ImageInput, feed: Feed) -> Inputs:
    """
    Return what a session is given, from the constants that the user gives.

    Raises
    ------
    OptionError
        If a constant does not go with its input, or there is no such input.
    ModelError
        If an input gets nothing; the text says which.

    """
    nodes = {node.name: node for node in session.get_inputs()}
    optional = {node.name: node for node in session.get_overridable_initializers()}
    for name in feed:
        if name == image.name or name not in {**nodes, **optional}:
            listed = ", ".join(describe(node) for node in nodes.values() if node.name != image.name) or "none"
            raise OptionError(f"feed names {name!r}; inputs of the model beside the image are: {listed}")
    missing = [node for name, node in nodes.items() if name not in feed and name != image.name]
    if missing:
        raise ModelError(_nothing_for(what, image, list(nodes.values()), missing))
    own_batch = nodes[image.name].shape[0] if image.dropped is None and image.batch is None else None
    constants, repeated = {}, set()
    for name, given in feed.items():
        node = nodes.get(name) or optional[name]
        constants[name] = _fitted(node, _value(name, given, node))
        is_batch = bool(node.shape) and own_batch is not None and node.shape[0] == own_batch
        if is_batch and len(constants[name]) == 1:
            repeated.add(name)
    return Inputs(image, constants, frozenset(repeated))


def _nothing_for(what: str, image: ImageInput, every: Sequence[Any], missing: Sequence[Any]) -> str:
    text = (
        f"{what} has {len(every)} inputs ({', '.join(map(describe, every))}); images go into {image.name!r}, and a "
        "value for each of the others is needed: "
        f"feed={{{missing[0].name!r}: ...}}, or --feed '{missing[0].name}=VALUE' or =FILE.npy"
    )
    if any(node.name == "input_ids" for node in missing):
        text += "; input_ids are the tokens of what is asked for, as the model's tokenizer makes them"
    if any("normalization" in node.name.lower() for node in missing):
        text += (
            " (Keras 3's model.export(format='onnx') turns the constants of its layer Normalization into inputs, a "
            "fault of that export: the way by model.export('folder') and python -m tf2onnx.convert --saved-model "
            "folder keeps them in the graph; or feed the layer's mean, and the square root of its variance)"
        )
    return text


def _value(name: str, given: Any, node: Any) -> NDArray[Any]:
    """Return a constant as an array of its input's type."""
    dtype = input_dtype(node)
    if dtype is None:
        raise OptionError(f"feed {name!r} is for an input of type {node.type}; numbers are needed")
    if isinstance(given, os.PathLike) or (isinstance(given, str) and given.lower().endswith(".npy")):
        given = _from_file(name, Path(given))
    elif isinstance(given, str) and dtype.kind != "O":
        given = _from_text(name, given)
    try:
        return np.array(given).astype(dtype, order="C")
    except UNREADABLE as error:
        raise OptionError(
            f"feed {name!r} is {type(given).__name__} ({brief(error)}); {_NEEDED} is needed"
        ) from error


def _from_file(name: str, path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise OptionError(f"feed {name!r}: {path} is no file; {_NEEDED} is needed")
    try:
        return read_array(path)
    except (ValueError, OSError) as error:
        raise OptionError(
            f"feed {name!r}: {path} cannot be read ({brief(error)}); {_NEEDED} is needed"
        ) from error


def _from_text(name: str, text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return np.asarray(ast.literal_eval(text), dtype=np.float64)
    except UNREADABLE as error:
        raise OptionError(f"feed {name!r} is {text[:60]!r}; {_NEEDED} is needed") from error


def _fitted(node: Any, value: NDArray[Any]) -> NDArray[Any]:
    """Return a constant in the shape of its input; one number fills it, and a batch of one need not be written."""
    shape = list(node.shape or ())
    if value.ndim == len(shape) and all(
        not isinstance(side, int) or side <= 0 or side == given
        for side, given in zip(shape, value.shape, strict=True)
    ):
        return value
    sides = [side if isinstance(side, int) and side > 0 else 1 for side in shape]
    if value.size == 1:
        return np.full(sides, value.ravel()[0], dtype=value.dtype)
    if value.size == np.prod(sides):
        return value.reshape(sides)
    if value.ndim == len(shape) - 1:
        return _fitted(node, value[None])
    raise OptionError(f"feed {node.name!r} has the shape {value.shape}; {describe(node)} is needed")
