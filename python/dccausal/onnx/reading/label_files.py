"""
Class names in the forms that files have them in.

Text: a name a line, an index before or after it, a WordNet id before it, bullets, one line with marks between, an
object in JSON a line; a list, tuple or dict as Python, NumPy, pandas and fastai print it, or as a program in Python,
JavaScript or C has it. CSV with a heading or without. JSON: a list, pairs, objects with a name, an object from index to
name or from name to index (Keras' class_indices, label2id), either of them under a key, or some keys deeper. YAML of
the same, TensorFlow's label map (pbtxt), and an array of texts that NumPy saved (npy).
"""

from __future__ import annotations

import json
from pathlib import Path

from dccausal._shared.files import array_of, read_bytes
from dccausal._shared.yaml import read_yaml
from dccausal.errors import OptionError
from dccausal.onnx.failures import brief
from dccausal.onnx.reading.label_text import ITEM, names_in_label_map, names_in_text
from dccausal.onnx.reading.label_values import NEEDED, names_of

_MAX_BYTES = 64 * 1024 * 1024


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
    if suffix in (".pbtxt", ".prototxt") or ITEM.match(text.lstrip()):
        return names_in_label_map(text, what)
    return names_in_text(text, what, is_table=suffix in (".csv", ".tsv"))


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"labels: {path} cannot be read ({reason}); {NEEDED} is needed") from error


def _saved_array(path: Path, what: str) -> tuple[str, ...]:
    try:
        array = array_of(_bytes(path))
    except ValueError as error:
        raise OptionError(f"{what} is no array of texts ({brief(error)}); {NEEDED} is needed") from error
    if array.dtype.kind != "U" or array.ndim != 1:
        raise OptionError(f"{what} is no list of texts; {NEEDED} is needed")
    return names_of(array.tolist(), what)


def _text(path: Path) -> str:
    data = _bytes(path)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise OptionError(f"labels: {path} is not UTF-8 text; {NEEDED} is needed") from error
