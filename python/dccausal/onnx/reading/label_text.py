"""Class names in texts: lines in their forms, tables, lists of programs, TensorFlow's label map."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence

from dccausal.errors import OptionError
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.reading.label_values import (
    INDEX_KEYS,
    KEYS,
    NAME_KEYS,
    NEEDED,
    OneBased,
    in_order,
    is_index,
    literal,
    names_of,
)

_INDEX_WORDS = (
    *INDEX_KEYS,
    "class id",
    "classid",
    "class_idx",
    "label",
    "class",
    "target",
    "y",
    "number",
    "code",
)
_MARKS = ("\t", ";", "|", ",")

_INDEX_FIRST = re.compile(r"[\[(#]?(\d{1,9})\]?\s*(->|[:=,;\t]|[.)](?=\s)|[-\u2013\u2014](?=\s)|\s)\s*(.*\S)")
_INDEX_LAST = re.compile(r"(.*[^\s:=])\s*(?:->|[:=])\s*(\d{1,9})")
_INDEX_BEHIND = re.compile(r"(.*\S)\s*(?:\s|(\())(\d{1,9})(?(2)\))")  # as in "red 0" and "red (0)"
_INDEX_CALLED = re.compile(r"(?:class|label|index|id)\s*(\d{1,9})\s*[:=]\s*(.*\S)", re.IGNORECASE)
_BULLET = re.compile(r"[-*\u2022]\s+(.*\S)")
# A line above the names that says no more than that they follow, as in YAML and in INI files.
_ABOVE = re.compile(rf"(?:\[\w{{1,40}}\]|(?:{'|'.join(KEYS)})\s*:)\s*")
# What stands before a list in a program's source (Python, JavaScript, C), and in what fastai, NumPy and pandas print.
_BEFORE = re.compile(
    r"\A\s{0,9}(?:(?:[A-Za-z_][\w:<>*&]{0,60}\s{1,9}){0,4}"  # export const, static const char*
    r"[A-Za-z_][\w.]{0,60}\s?(?:\[\d{0,9}\]|:[^=\n]{1,60})?\s{0,9}=\s{0,9}(?:[\w.]{1,40}\()?"
    r"|[A-Za-z_][\w.]{0,40}\(|\(#\d{1,9}\)\s{0,9})(?=[\[({])"
)
_MOSTLY = 0.9  # of the names: ImageNet has two of a name
_MAX_TAIL = 80  # of what stands behind such a list: a bracket, a type
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
    if "\0" in text:
        raise OptionError(f"{what} is no text; {NEEDED} is needed")
    before = _BEFORE.match(text)
    if before is not None:
        return _names_in_source(before[0], text[before.end() :].strip(), what)
    text = text.strip()
    if text[:1] == "<" and "</" in text:
        raise OptionError(f"{what} is XML or HTML; {NEEDED} is needed")
    names = _names_in_brackets(text, what) if text[:1] in ("{", "[", "(") else _names_in_quotes(text, what)
    if names is not None:
        return names
    lines: Sequence[str] = [line for line in text.splitlines() if not line.startswith("# ")]
    if len(lines) > 1 and _ABOVE.fullmatch(lines[0]):
        lines = lines[1:]
    lines = _without_bullets(_without_commas(lines))
    if len(lines) > 1 and (is_table or _has_columns(lines)):
        table = _table(lines, what)
        if table is not None:
            return table
    if len(lines) == 1:
        lines = _in_one_line(lines[0], what)
    bare = _without_wordnet(_without_indices(_without_wordnet(lines), what))
    return names_of([_unquoted(line) for line in bare], what)


def _names_in_source(before: str, text: str, what: str) -> tuple[str, ...]:
    """Return the names in a list or a dict of a program, or in an array as it is printed."""
    end = max(text.rfind(bracket) for bracket in "])}") + 1
    if "(" in before:  # the bracket that closes what was opened before the list
        end = max(text.rfind("]"), text.rfind("}")) + 1
    inside, tail = text[:end], text[end:]
    is_array = inside.startswith("{") and ("[" in before or "vector" in before or "array" in before)
    if is_array:  # of C
        inside = f"[{inside[1:-1]}]"
    names = _names_in_brackets(inside, what) if inside and len(tail) <= _MAX_TAIL else None
    if names is None:
        raise OptionError(f"{what} begins like a list in a program and is none; {NEEDED} is needed")
    return names


def _names_in_quotes(text: str, what: str) -> tuple[str, ...] | None:
    """Return the names in a list or a dict without its brackets; None for other texts."""
    lines = text.splitlines()
    is_listed = len(lines) > 1 and all(line.rstrip().endswith(",") for line in lines[:-1])
    if not (is_listed or len(lines) == 1) or not any(quote in text for quote in "\"'"):
        return None
    for opening, closing in ("[]", "{}"):
        try:
            names = names_of(literal(f"{opening}{text}{closing}"), what)
        except UNREADABLE:
            continue
        if len(names) >= max(2, len(lines)):  # quotes without a comma between would be one text
            return names
    return None


def _without_commas(lines: Sequence[str]) -> Sequence[str]:
    """Return lines that all end with a comma, but for the last perhaps, without it."""
    if len(lines) < 2 or not all(line.rstrip().endswith(",") for line in lines[:-1]):  # noqa: PLR2004
        return lines
    return [line.rstrip().removesuffix(",") for line in lines]


def _without_bullets(lines: Sequence[str]) -> Sequence[str]:
    found = [match[1] for line in lines if (match := _BULLET.fullmatch(line.strip())) is not None]
    return found if len(found) == len(lines) > 1 else lines


def _rows(lines: Sequence[str], mark: str, what: str) -> list[list[str]]:
    """Return the cells of lines that are not empty."""
    try:
        cells = [row for row in csv.reader(lines, delimiter=mark, skipinitialspace=True) if row]
    except csv.Error as error:
        raise OptionError(f"{what} has cells that are no names ({error}); {NEEDED} is needed") from error
    return [[cell.strip() for cell in row] for row in cells] or [[""]]


def _in_one_line(line: str, what: str) -> Sequence[str]:
    """Return the parts of a line with marks between: three, as two might be a name and its synonym, or two by a tab."""
    for mark in _MARKS:
        (parts, *_) = _rows([line], mark, what)
        if len(parts) > (1 if mark == "\t" else 2):
            if any(
                part.count(one) != part.count(other) for part in parts for one, other in ("()", "[]", "{}")
            ):
                raise OptionError(f"{what} has brackets over the marks between names; {NEEDED} is needed")
            return parts
    return [line]


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
    rows = _rows(lines, mark, what)
    width = min(len(row) for row in rows)
    heading = rows[0] if not any(is_index(cell) for cell in rows[0]) else None
    body = rows if heading is None else rows[1:]
    words = [cell.lower() for cell in heading or ()]
    counted = [i for i in range(width) if all(is_index(row[i]) for row in body)]
    named = next(
        (words.index(key) for key in NAME_KEYS if key in words and words.index(key) not in counted), None
    )
    indexed = _index_column(counted, words, body)
    if named is not None and indexed is not None and words[indexed] not in _INDEX_WORDS:
        is_full = sorted(int(row[indexed]) for row in body) == list(range(len(body)))
        indexed = indexed if is_full else None  # numbers of something else
    if named is None:
        is_id = [all(_WORDNET_ID.fullmatch(row[i]) for row in body) for i in range(width)]
        named = next((i for i in range(width) if i != indexed and not is_id[i]), None)
    if not body or named is None or named >= width:
        return None
    if indexed is None:
        is_heading = heading is not None and any(key in words for key in NAME_KEYS)
        return names_of([row[named] for row in body], what) if is_heading else None
    return names_of(in_order([(row[indexed], row[named]) for row in body], what), what)


def _index_column(counted: Sequence[int], words: Sequence[str], body: Sequence[Sequence[str]]) -> int | None:
    """Return which of the columns of numbers has the indices: by its heading, else by what it holds."""
    called = [i for i in counted if i < len(words) and words[i] in _INDEX_WORDS]
    full = [i for i in counted if sorted(int(row[i]) for row in body) == list(range(len(body)))]
    return next(iter((*called, *full, *counted)), None)


def _without_indices(lines: Sequence[str], what: str) -> list[str]:
    """Return the names of lines that begin or end with their index, in its order; other lines as they are."""
    matches = [_INDEX_LAST.fullmatch(line.strip()) for line in lines]
    behind = [(int(match[2]), match[1]) for match in matches if match is not None]
    if len(behind) == len(lines) > 1:
        return [str(name) for name in in_order(behind, what)]
    for pattern, name, index in ((_INDEX_BEHIND, 1, 3), (_INDEX_CALLED, 2, 1)):
        told = _in_full(lines, pattern, name, index)
        if told is not None:
            return told
    matches = [_INDEX_FIRST.fullmatch(line.strip()) for line in lines]
    found = [(int(match[1]), match[2], match[3]) for match in matches if match is not None]
    if len(found) < len(lines) or len(found) < 2:  # noqa: PLR2004
        return list(lines)
    indices = sorted(index for index, _, _ in found)
    is_plain = all(mark.isspace() and mark != "\t" for _, mark, _ in found)
    if is_plain and indices[-1] - indices[0] >= len(indices):  # numbers that belong to the names ("20 euro")
        return list(lines)
    return [str(name) for name in in_order([(index, name) for index, _, name in found], what)]


def _in_full(lines: Sequence[str], pattern: re.Pattern[str], name: int, index: int) -> list[str] | None:
    """
    Return the names of lines that have an index, in its order; None where it may belong to the names.

    It does not where the indices are 0, 1, 2, ... without gaps, and the names differ without them.
    """
    matches = [match for line in lines if (match := pattern.fullmatch(line.strip())) is not None]
    pairs = [(int(match[index]), match[name]) for match in matches]
    is_full = len(pairs) == len(lines) > 1 and sorted(i for i, _ in pairs) == list(range(len(pairs)))
    is_distinct = len({text for _, text in pairs}) > len(pairs) * _MOSTLY
    return [text for _, text in sorted(pairs)] if is_full and is_distinct else None


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
