"""
Class names in the forms that files have them in.

Text: a name a line, an index before or after it, a WordNet id before it, one line with commas, a list, tuple or dict as
Python, NumPy and fastai print it, an object in JSON a line. CSV with a heading or without. JSON: a list, objects with a
name, an object from index to name or from name to index (Keras' class_indices, label2id), either of them under a key,
or one key deeper. YAML of the same, TensorFlow's label map (pbtxt), and an array of texts that NumPy saved (npy).
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dccausal._shared.files import read_bytes
from dccausal._shared.text import shown
from dccausal._shared.yaml import read_yaml
from dccausal.errors import OptionError
from dccausal.onnx.failures import UNREADABLE, brief

NEEDED = "one name a line, a JSON list, or a JSON object from index to name"
# Where names lie in a larger document, and what an object in a list calls its name and its index.
KEYS = (
    *("names", "id2label", "labels", "class_names", "classes", "categories", "class_labels", "label_names"),
    *("idx_to_class", "index_to_name", "class_to_idx", "class_indices", "label2id", "label_map", "vocab"),
)
_NAME_KEYS = ("name", "label", "class", "class_name", "display_name", "title", "text")
_INDEX_KEYS = ("id", "index", "label_id", "class_id", "idx")
_MARKS = ("\t", ";", ",")
_MAX_BYTES = 64 * 1024 * 1024
_MAX_LITERAL = 1 << 20

_INDEX_FIRST = re.compile(r"\[?(\d{1,9})\]?\s*(->|[:=,;\t]|[.)](?=\s)|\s)\s*(.*\S)")
_INDEX_LAST = re.compile(r"(.*[^\s:=])\s*(?:->|[:=])\s*(\d{1,9})")
# What stands before a list in a program's source, and in fastai's print; and NumPy's print, which has no commas.
_BEFORE = re.compile(r"\A\s*(?:[A-Za-z_]\w*\s*=\s*|\(#\d+\)\s*)(?=[\[({])")
_WITHOUT_COMMAS = re.compile(r"\[\s*(?:'[^']*'|\"[^\"]*\")(?:\s+(?:'[^']*'|\"[^\"]*\"))+\s*\]")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_POINTER = "version https://git-lfs"
_WORDNET = re.compile(r"n\d{8}[ \t,]+(.*\S)")
_WORDNET_ID = re.compile(r"n\d{8}")
_ITEM = re.compile(r"item\s*\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*)\}")
_FIELD = re.compile(r"\b(\w+)\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"']+)")


class OneBased(tuple[str, ...]):
    """Names whose indices begin at 1, as in TensorFlow's label maps: 0 is the background, where the model has it."""

    __slots__ = ()


def read_file(path: Path) -> tuple[str, ...]:
    """
    Return the class names in a file.

    Raises
    ------
    OptionError
        If it cannot be read, or does not hold names for 0, 1, 2, ... without gaps.

    """
    what = f"labels: {path}"
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _saved_array(path, what)
    text = _text(path)
    if suffix == ".json":
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"{what} is not JSON ({brief(error)}); {NEEDED} is needed") from error
        return names_of(document, what)
    if suffix in (".yaml", ".yml"):
        try:
            document = read_yaml(text, are_texts=True)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"{what} is not YAML ({brief(error)}); {NEEDED} is needed") from error
        return names_of(document, what)
    if suffix in (".pbtxt", ".prototxt") or _ITEM.match(text.lstrip()):
        return _label_map(text, what)
    return names_in_text(text, what, is_table=suffix in (".csv", ".tsv"))


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"labels: {path} cannot be read ({reason}); {NEEDED} is needed") from error


def _saved_array(path: Path, what: str) -> tuple[str, ...]:
    """Return the names in an array that NumPy saved; one of objects would have to be unpickled, which runs programs."""
    try:
        array = np.load(io.BytesIO(_bytes(path)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise OptionError(f"{what} is no array of texts ({brief(error)}); {NEEDED} is needed") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "U" or array.ndim != 1:
        raise OptionError(f"{what} is no list of texts; {NEEDED} is needed")
    return names_of(array.tolist(), what)


def _text(path: Path) -> str:
    data = _bytes(path)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise OptionError(f"labels: {path} is not UTF-8 text; {NEEDED} is needed") from error


# Values, as JSON and Python have them


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
        given = _in_order(given, what) if inner is None else _entries(inner, what)
    else:
        given = _entries(given, what)
    return tuple(_name(entry, f"{what}: entry {i}") for i, entry in enumerate(given))


def _inner(given: Mapping[Any, Any]) -> Any:
    """Return what lies under one of the keys for names, or one key deeper where only one part has them; else None."""
    found = [_under_key(given)] if _under_key(given) is not None else []
    if not found:
        deeper = (_under_key(part) for part in given.values() if isinstance(part, Mapping))
        found = [part for part in deeper if part is not None]
    return found[0] if len(found) == 1 else None


def _under_key(given: Mapping[Any, Any]) -> Any:
    return next((given[key] for key in KEYS if isinstance(given.get(key), Mapping | list | tuple)), None)


def _entries(given: Any, what: str) -> Sequence[Any]:
    if isinstance(given, Mapping):
        return _in_order(given, what)
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise OptionError(f"{what} holds no class names; {NEEDED} is needed")
    if all(isinstance(entry, Mapping) for entry in given):
        return _of_objects(given, what)
    return given


def _of_objects(given: Sequence[Mapping[str, Any]], what: str) -> Sequence[Any]:
    """Return the names of a list of objects, in the order of their indices where they have any."""
    name = next((key for key in _NAME_KEYS if all(key in entry for entry in given)), None)
    if name is None:
        raise OptionError(f"{what} has objects without a name; {NEEDED} is needed")
    index = next((key for key in _INDEX_KEYS if all(_is_index(entry.get(key)) for entry in given)), None)
    if index is None:
        return [entry[name] for entry in given]
    return _in_order([(entry[index], entry[name]) for entry in given], what)


def _in_order(given: Mapping[Any, Any] | Sequence[tuple[Any, Any]], what: str) -> Sequence[Any]:
    """Return the names of pairs of index and name, or of name and index."""
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    if pairs and all(_is_index(value) and not _is_index(key) for key, value in pairs):
        pairs = [(value, key) for key, value in pairs]
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


def _is_index(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().isdecimal()
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _name(entry: Any, what: str) -> str:
    if isinstance(entry, list | tuple) and entry:
        entry = entry[-1]
    name = entry.strip() if isinstance(entry, str) else ""
    if not name:
        raise OptionError(f"{what} is {shown(entry)}; a class name is needed")
    return name


# Text


def names_in_text(text: str, what: str, *, is_table: bool = False) -> tuple[str, ...]:
    """
    Return the names in a text, a name a line or in one of the other forms.

    Raises
    ------
    OptionError
        If a line holds no name, or the indices have gaps.

    """
    if text.startswith(_POINTER):
        raise OptionError(
            f"{what} is a pointer of Git LFS; the file that it stands for is needed (git lfs pull)"
        )
    text = _BEFORE.sub("", text, count=1).strip()
    if text[:1] in ("{", "[", "("):
        names = _names_in_brackets(text, what)
        if names is not None:
            return names
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    if len(lines) > 1 and (is_table or _has_columns(lines)):
        table = _table(lines, what)
        if table is not None:
            return table
    if len(lines) == 1 and len(lines[0].split(",")) > 2:  # noqa: PLR2004  two might be one name and its synonym
        lines = lines[0].split(",")
    bare = _without_wordnet(_without_indices(_without_wordnet(lines), what))
    return names_of([_unquoted(line) for line in bare], what)


def _names_in_brackets(text: str, what: str) -> tuple[str, ...] | None:
    """Return the names in a list, a tuple or a dict, or in an object a line; None for lines that begin so by chance."""
    if _WITHOUT_COMMAS.fullmatch(text):
        return names_of([one or other for one, other in _QUOTED.findall(text)], what)
    try:
        return names_of(literal(text), what)
    except OptionError:
        if text[0] == "{":
            raise
    except UNREADABLE:
        pass
    lines = text.splitlines()
    if text[0] != "{" or len(lines) < 2:  # noqa: PLR2004
        return None
    try:
        return names_of([json.loads(line) for line in lines if line.strip()], what)
    except ValueError:
        return None


def literal(text: str) -> Any:
    """Return a document in JSON, or as Python writes it; raises one of ``UNREADABLE``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        if len(text) > _MAX_LITERAL:  # Python's own parser takes hundreds of bytes for each
            raise
        return ast.literal_eval(text.strip())


def _has_columns(lines: Sequence[str]) -> bool:
    """Return whether every line but the first, which may be a heading, has an index before or after a mark."""
    mark = next((mark for mark in _MARKS if all(mark in line for line in lines)), None)
    ends = [] if mark is None else [(line.split(mark)[0], line.split(mark)[-1]) for line in lines[1:]]
    return bool(ends) and all(_is_index(first) or _is_index(last) for first, last in ends)


def _table(lines: Sequence[str], what: str) -> tuple[str, ...] | None:
    """Return the names of a table with a column of indices; None where it has none."""
    mark = next((mark for mark in _MARKS if all(mark in line for line in lines)), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark) if row]
    width = min(len(row) for row in rows)
    heading = rows[0] if not any(_is_index(cell) for cell in rows[0]) else None
    body = rows if heading is None else rows[1:]
    indexed = next((i for i in range(width) if all(_is_index(row[i]) for row in body)), None)
    words = [cell.lower() for cell in heading or ()]
    named = next(
        (words.index(key) for key in _NAME_KEYS if key in words and words.index(key) != indexed), None
    )
    if named is None:
        is_id = [all(_WORDNET_ID.fullmatch(row[i]) for row in body) for i in range(width)]
        named = next((i for i in range(width) if i != indexed and not is_id[i]), None)
    if not body or named is None or named >= width:
        return None
    if indexed is None:
        is_heading = heading is not None and any(key in words for key in _NAME_KEYS)
        return names_of([row[named] for row in body], what) if is_heading else None
    return names_of(_in_order([(row[indexed], row[named]) for row in body], what), what)


def _without_indices(lines: Sequence[str], what: str) -> list[str]:
    """Return the names of lines that begin or end with their index, in its order; other lines as they are."""
    matches = [_INDEX_LAST.fullmatch(line.strip()) for line in lines]
    behind = [(int(match[2]), match[1]) for match in matches if match is not None]
    if len(behind) == len(lines) > 1:
        return [str(name) for name in _in_order(behind, what)]
    matches = [_INDEX_FIRST.fullmatch(line.strip()) for line in lines]
    found = [(int(match[1]), match[2], match[3]) for match in matches if match is not None]
    if len(found) < len(lines) or len(found) < 2:  # noqa: PLR2004
        return list(lines)
    indices = sorted(index for index, _, _ in found)
    is_plain = all(mark.isspace() and mark != "\t" for _, mark, _ in found)
    if is_plain and indices[-1] - indices[0] >= len(indices):  # numbers that belong to the names ("20 euro")
        return list(lines)
    return [str(name) for name in _in_order([(index, name) for index, _, name in found], what)]


def _without_wordnet(lines: Sequence[str]) -> Sequence[str]:
    """Return the names of lines that all begin with their WordNet id; other lines as they are."""
    found = [match[1] for line in lines if (match := _WORDNET.fullmatch(line.strip())) is not None]
    return found if len(found) == len(lines) else lines


def _unquoted(line: str) -> str:
    text = line.strip()
    is_quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]  # noqa: PLR2004
    return text[1:-1] if is_quoted else text


# Label maps


def _label_map(text: str, what: str) -> tuple[str, ...]:
    """Return the names of TensorFlow's label map: ``item { id: 1 name: "cat" display_name: "Cat" }``."""
    pairs = []
    for item in _ITEM.findall(text):
        fields = {key: _unquoted(value) for key, value in _FIELD.findall(item)}
        name = fields.get("display_name") or fields.get("name") or ""
        pairs.append((fields.get("id", ""), name))
    first = min((int(index) for index, _ in pairs if _is_index(index)), default=0)
    if first == 1:
        shifted = [(int(index) - 1 if _is_index(index) else index, name) for index, name in pairs]
        return OneBased(names_of(_in_order(shifted, what), what))
    return names_of(_in_order(pairs, what), what)
