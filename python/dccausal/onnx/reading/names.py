"""Class names, from a file, a sequence or what exporters write into a model's metadata."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dccausal._shared.files import read_text
from dccausal.errors import OptionError

Labels = str | os.PathLike[str] | Sequence[str] | Mapping[Any, Any]

BACKGROUND = "background"
_NEEDED = "one name a line, a JSON list, or a JSON object from index to name"
_METADATA_KEYS = ("names", "id2label", "labels", "class_names", "classes")
_IMAGENET = 1000


def read_labels(labels: Labels) -> tuple[str, ...]:
    """
    Return class names in the order of their indices.

    Parameters
    ----------
    labels
        The path of a text file (one name a line) or a JSON file; a sequence of names; or a mapping from index
        to name. In JSON: a list of names, an object {"0": name, ...}, the same under the key "id2label" (as
        in Hugging Face's config.json), or an object whose values are lists that end in the name (Keras'
        imagenet_class_index.json).

    Raises
    ------
    OptionError
        If the file cannot be read, or does not hold names for 0, 1, 2, ... without gaps.

    """
    if isinstance(labels, str | os.PathLike):
        path = Path(labels)
        return _from_file(path)
    return _names(labels, "labels")


def names_in_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the class names in metadata, as JSON or as a Python literal (Ultralytics); None without any."""
    for key in _METADATA_KEYS:
        text = metadata.get(key)
        if not text:
            continue
        try:
            return _names(_literal(text), f"metadata {key!r}")
        except (OptionError, ValueError, SyntaxError, MemoryError, RecursionError):
            continue  # other programs may mean something else by the key
    return None


def settle_names(
    given: tuple[str, ...] | None,
    found: tuple[str, ...] | None,
    n_classes: int,
    *,
    is_binary: bool,
    source: str = "the model's metadata",
) -> tuple[tuple[str, ...] | None, str | None]:
    """
    Return a name for each class, and a sentence if those found in ``source`` had to be left out.

    1000 names for 1001 classes (TensorFlow's ImageNet models) get "background" in front; a single name for a
    binary model gets its negation.

    Raises
    ------
    OptionError
        If the user gave another number of names than there are classes.

    """
    names = given or found
    if names is None or len(names) == n_classes:
        return names, None
    if len(names) == _IMAGENET and n_classes == _IMAGENET + 1:
        return (BACKGROUND, *names), None
    if is_binary and len(names) == 1:
        return (f"not {names[0]}", names[0]), None
    if given:
        raise OptionError(
            f"{len(given)} class names were given; the model has {n_classes} classes, as many are needed"
        )
    return (
        None,
        f"{source} names {len(names)} classes, but the model has {n_classes}: the names are not used",
    )


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise OptionError(f"labels: {path} is not UTF-8 text; {_NEEDED} is needed") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"labels: {path} cannot be read ({reason}); {_NEEDED} is needed") from error
    if path.suffix.lower() == ".json":
        try:
            return _names(json.loads(text), f"labels: {path}")
        except (json.JSONDecodeError, RecursionError) as error:
            raise OptionError(f"labels: {path} is not JSON ({error}); {_NEEDED} is needed") from error
    return _names(text.rstrip().splitlines(), f"labels: {path}")


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return ast.literal_eval(text)


def _names(given: Any, what: str) -> tuple[str, ...]:
    if isinstance(given, Mapping) and isinstance(given.get("id2label"), Mapping):
        given = given["id2label"]
    if isinstance(given, Mapping):
        given = _in_order(given, what)
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise OptionError(f"{what} holds no class names; {_NEEDED} is needed")
    return tuple(_name(entry, f"{what}: entry {i}") for i, entry in enumerate(given))


def _in_order(given: Mapping[Any, Any], what: str) -> list[Any]:
    try:
        by_index = {int(key): value for key, value in given.items()}
    except (TypeError, ValueError) as error:
        raise OptionError(f"{what} has a key that is no index ({error}); {_NEEDED} is needed") from error
    if sorted(by_index) != list(range(len(given))):
        raise OptionError(
            f"{what} does not name the classes 0 to {len(given) - 1} without gaps; {_NEEDED} is needed"
        )
    return [by_index[i] for i in range(len(given))]


def _name(entry: Any, what: str) -> str:
    if isinstance(entry, list | tuple) and entry:
        entry = entry[-1]
    name = entry.strip() if isinstance(entry, str) else ""
    if not name:
        raise OptionError(f"{what} is {entry!r}; a class name is needed")
    return name
