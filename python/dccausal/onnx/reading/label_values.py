"""Class names in values as JSON and Python have them: lists, objects by index or by name, documents that hold these."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dccausal._shared.text import shown
from dccausal.errors import OptionError
from dccausal.onnx.failures import brief

NEEDED = "one name a line, a JSON list, or a JSON object from index to name"
# Where names lie in a larger document, and what an object in a list calls its name and its index.
KEYS = (
    *("names", "id2label", "labels", "class_names", "classes", "categories", "class_labels", "label_names"),
    *("idx_to_class", "index_to_name", "class_to_idx", "class_indices", "label2id", "label_map", "vocab"),
    *("label_list", "class_list", "classnames", "idx2label", "label2idx"),
)
NAME_KEYS = ("name", "label", "class", "class_name", "display_name", "title", "text")
INDEX_KEYS = ("id", "index", "label_id", "class_id", "idx")
_MAX_LITERAL = 1 << 20
_MAX_DEPTH = 4  # of parts: features, label, names in the card of a data set


class OneBased(tuple[str, ...]):
    """Names whose indices begin at 1, as in TensorFlow's label maps: 0 is the background, where the model has it."""

    __slots__ = ()


def names_of(given: Any, what: str) -> tuple[str, ...]:
    """
    Return the names that a document holds.

    Raises
    ------
    OptionError
        If it holds none, or not for 0, 1, 2, ... without gaps.

    """
    if isinstance(given, Mapping):
        inner = _inner(given)
        given = in_order(given, what) if inner is None else _entries(inner, what)
    else:
        given = _entries(given, what)
    return tuple(_name(entry, f"{what}: entry {i}") for i, entry in enumerate(given))


def _inner(given: Mapping[Any, Any]) -> Any:
    """Return what lies under one of the keys for names, or under the only one of the parts that has it; else None."""
    parts = [given]
    for _ in range(_MAX_DEPTH):
        found = [part for part in map(_under_key, parts) if part is not None]
        if found:
            return found[0] if len(found) == 1 else None
        parts = [part for whole in parts for part in whole.values() if isinstance(part, Mapping)]
    return None


def _under_key(given: Mapping[Any, Any]) -> Any:
    return next((given[key] for key in KEYS if isinstance(given.get(key), Mapping | list | tuple)), None)


def _entries(given: Any, what: str) -> Sequence[Any]:
    if isinstance(given, Mapping):
        return in_order(given, what)
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise OptionError(f"{what} holds no class names; {NEEDED} is needed")
    if all(isinstance(entry, Mapping) for entry in given):
        return _of_objects(given, what)
    is_paired = all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in given)  # noqa: PLR2004
    if is_paired and len(given) > 1 and any(all(_is_number(entry[i]) for entry in given) for i in (0, 1)):
        return in_order([(entry[0], entry[1]) for entry in given], what)
    return given


def _of_objects(given: Sequence[Mapping[str, Any]], what: str) -> Sequence[Any]:
    """Return the names of a list of objects, in the order of their indices where they have any."""
    name = next((key for key in NAME_KEYS if all(key in entry for entry in given)), None)
    if name is None:
        raise OptionError(f"{what} has objects without a name; {NEEDED} is needed")
    index = next((key for key in INDEX_KEYS if all(is_index(entry.get(key)) for entry in given)), None)
    if index is None:
        return [entry[name] for entry in given]
    return in_order([(entry[index], entry[name]) for entry in given], what)


def in_order(given: Mapping[Any, Any] | Sequence[tuple[Any, Any]], what: str) -> Sequence[Any]:
    """Return the names of pairs of index and name, or of name and index."""
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    if pairs and all(isinstance(value, Mapping) and not is_index(key) for key, value in pairs):
        pairs = [(key, _index_of(value)) for key, value in pairs]
    is_backwards = all(is_index(value) and not is_index(key) for key, value in pairs)
    # Folders that are called 0, 1, 10, 2, ...: names in quotes, indices without.
    is_of_digits = all(_is_number(value) and isinstance(key, str) for key, value in pairs)
    if pairs and (is_backwards or is_of_digits):
        pairs = [(value, str(key)) for key, value in pairs]
    try:
        indices = [int(key) for key, _ in pairs]
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(
            f"{what} has a key that is no index ({brief(error)}); {NEEDED} is needed"
        ) from error
    if not indices or sorted(indices) != list(range(len(pairs))):
        counted = f"0 to {len(pairs) - 1}" if pairs else "at all"
        hint = " (it begins at 1)" if indices and sorted(indices) == list(range(1, len(pairs) + 1)) else ""
        raise OptionError(
            f"{what} does not name the classes {counted} without gaps{hint}; {NEEDED} is needed"
        )
    by_index = dict(zip(indices, (value for _, value in pairs), strict=True))
    return [by_index[i] for i in range(len(pairs))]


def is_index(value: Any) -> bool:
    """Return whether a value is an index, as a number or as a text of digits."""
    if isinstance(value, str):
        return value.strip().isdecimal()
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return is_index(value) and not isinstance(value, str)


def _index_of(entry: Mapping[str, Any]) -> Any:
    """Return the index that an object has; None without."""
    return next((entry[key] for key in INDEX_KEYS if is_index(entry.get(key))), None)


def _name(entry: Any, what: str) -> str:
    if isinstance(entry, Mapping):
        entry = next((entry[key] for key in NAME_KEYS if key in entry), None)
    if isinstance(entry, list | tuple) and entry:
        entry = entry[-1]
    name = entry.strip() if isinstance(entry, str) else ""
    if not name:
        raise OptionError(f"{what} is {shown(entry)}; a class name is needed")
    return name


def literal(text: str) -> Any:
    """Return a document in JSON, or as Python writes it; raises one of ``UNREADABLE``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        if len(text) > _MAX_LITERAL:  # Python's own parser takes hundreds of bytes for each
            raise
        return ast.literal_eval(text.strip())
