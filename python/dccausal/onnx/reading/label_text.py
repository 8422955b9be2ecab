"""Class names in texts: lines in their forms, tables, lists of programs, TensorFlow's label map."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence

from dccausal.errors import OptionError
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.reading.label_values import (
    NAME_KEYS,
    OneBased,
    in_order,
    is_index,
    literal,
    names_of,
)

_MARKS = ("\t", ";", ",")

_INDEX_FIRST = re.compile(r"\[?(\d{1,9})\]?\s*(->|[:=,;\t]|[.)](?=\s)|\s)\s*(.*\S)")
_INDEX_LAST = re.compile(r"(.*[^\s:=])\s*(?:->|[:=])\s*(\d{1,9})")
# What stands before a list in a program's source, and in fastai's print; and NumPy's print, which has no commas.
_BEFORE = re.compile(r"\A\s*(?:[A-Za-z_]\w*\s*=\s*|\(#\d+\)\s*)(?=[\[({])")
_WITHOUT_COMMAS = re.compile(r"\[\s*(?:'[^']*'|\"[^\"]*\")(?:\s+(?:'[^']*'|\"[^\"]*\"))+\s*\]")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_POINTER = "version https://git-lfs"
_WORDNET = re.compile(r"n\d{8}[ \t,]+(.*\S)")
_WORDNET_ID = re.compile(r"n\d{8}")
ITEM = re.compile(r"item\s*\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*)\}")
_FIELD = re.compile(r"\b(\w+)\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"']+)")


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


def _has_columns(lines: Sequence[str]) -> bool:
    """Return whether every line but the first, which may be a heading, has an index before or after a mark."""
    mark = next((mark for mark in _MARKS if all(mark in line for line in lines)), None)
    ends = [] if mark is None else [(line.split(mark)[0], line.split(mark)[-1]) for line in lines[1:]]
    return bool(ends) and all(is_index(first) or is_index(last) for first, last in ends)


def _table(lines: Sequence[str], what: str) -> tuple[str, ...] | None:
    """Return the names of a table with a column of indices; None where it has none."""
    mark = next((mark for mark in _MARKS if all(mark in line for line in lines)), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark) if row]
    width = min(len(row) for row in rows)
    heading = rows[0] if not any(is_index(cell) for cell in rows[0]) else None
    body = rows if heading is None else rows[1:]
    indexed = next((i for i in range(width) if all(is_index(row[i]) for row in body)), None)
    words = [cell.lower() for cell in heading or ()]
    named = next(
        (words.index(key) for key in NAME_KEYS if key in words and words.index(key) != indexed), None
    )
    if named is None:
        is_id = [all(_WORDNET_ID.fullmatch(row[i]) for row in body) for i in range(width)]
        named = next((i for i in range(width) if i != indexed and not is_id[i]), None)
    if not body or named is None or named >= width:
        return None
    if indexed is None:
        is_heading = heading is not None and any(key in words for key in NAME_KEYS)
        return names_of([row[named] for row in body], what) if is_heading else None
    return names_of(in_order([(row[indexed], row[named]) for row in body], what), what)


def _without_indices(lines: Sequence[str], what: str) -> list[str]:
    """Return the names of lines that begin or end with their index, in its order; other lines as they are."""
    matches = [_INDEX_LAST.fullmatch(line.strip()) for line in lines]
    behind = [(int(match[2]), match[1]) for match in matches if match is not None]
    if len(behind) == len(lines) > 1:
        return [str(name) for name in in_order(behind, what)]
    matches = [_INDEX_FIRST.fullmatch(line.strip()) for line in lines]
    found = [(int(match[1]), match[2], match[3]) for match in matches if match is not None]
    if len(found) < len(lines) or len(found) < 2:  # noqa: PLR2004
        return list(lines)
    indices = sorted(index for index, _, _ in found)
    is_plain = all(mark.isspace() and mark != "\t" for _, mark, _ in found)
    if is_plain and indices[-1] - indices[0] >= len(indices):  # numbers that belong to the names ("20 euro")
        return list(lines)
    return [str(name) for name in in_order([(index, name) for index, _, name in found], what)]


def _without_wordnet(lines: Sequence[str]) -> Sequence[str]:
    """Return the names of lines that all begin with their WordNet id; other lines as they are."""
    found = [match[1] for line in lines if (match := _WORDNET.fullmatch(line.strip())) is not None]
    return found if len(found) == len(lines) else lines


def _unquoted(line: str) -> str:
    text = line.strip()
    is_quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]  # noqa: PLR2004
    return text[1:-1] if is_quoted else text


# Label maps


def names_in_label_map(text: str, what: str) -> tuple[str, ...]:
    """Return the names of TensorFlow's label map: ``item { id: 1 name: "cat" display_name: "Cat" }``."""
    pairs = []
    for item in ITEM.findall(text):
        fields = {key: _unquoted(value) for key, value in _FIELD.findall(item)}
        name = fields.get("display_name") or fields.get("name") or ""
        pairs.append((fields.get("id", ""), name))
    first = min((int(index) for index, _ in pairs if is_index(index)), default=0)
    if first == 1:
        shifted = [(int(index) - 1 if is_index(index) else index, name) for index, name in pairs]
        return OneBased(names_of(in_order(shifted, what), what))
    return names_of(in_order(pairs, what), what)
