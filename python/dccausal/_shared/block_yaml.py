"""
YAML as exporters write it: mappings and sequences in blocks or brackets, and scalars.

Anchors, tags, texts over several lines by ``|`` and several documents are not read.
"""

from __future__ import annotations

import re
from typing import Any

_MAX_TEXT = 1 << 24
_MAX_DEPTH = 40

_KEY = re.compile(
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s\[\]{},\"'#&*!|>%@-][^#]*?|-?\d+)\s*:(?:\s+(.*)|$)"
)
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*)?\.?\d+(?:[eE][-+]?\d+)?|[-+]?\d+\.")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0"}
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")

_Line = tuple[int, str]


def read_yaml(text: str) -> Any:
    """
    Return what a document holds: dicts, lists, texts, numbers, booleans and None.

    Raises
    ------
    ValueError
        If it is none, or uses what is not read here.

    """
    if len(text) > _MAX_TEXT:
        raise ValueError(f"it has {len(text)} characters; at most {_MAX_TEXT} are read")
    lines = [_stripped(line) for line in text.splitlines()]
    rows = [(len(line) - len(line.lstrip(" ")), line.strip()) for line in lines]
    rows = [row for row in rows if row[1] and row[1] not in ("---", "...") and not row[1].startswith("%")]
    if not rows:
        return None
    value, at = _block(rows, 0, 0)
    if at < len(rows):
        raise ValueError(f"YAML: {rows[at][1][:60]!r} belongs to nothing before it")
    return value


def _stripped(line: str) -> str:
    """Return a line without its comment, and without the spaces after it."""
    quote = ""
    for i, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and (i == 0 or line[i - 1] in " [{,:-"):
            quote = sign
        elif sign == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i].rstrip()
    return line.rstrip()


def _block(rows: list[_Line], at: int, depth: int) -> tuple[Any, int]:
    """Return the value that begins in a row, and the row after it."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"YAML: it is nested more than {_MAX_DEPTH} deep")
    indent, content = rows[at]
    if content == "-" or content.startswith("- "):
        return _sequence(rows, at, indent, depth)
    if _KEY.fullmatch(content):
        return _mapping(rows, at, indent, depth)
    return _scalar_over(rows, at + 1, indent - 1, content)


def _sequence(rows: list[_Line], at: int, indent: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while at < len(rows) and rows[at][0] == indent and (rows[at][1] == "-" or rows[at][1].startswith("- ")):
        rest = rows[at][1][1:]
        if not rest.strip():
            value, at = _nested(rows, at + 1, indent, depth)
        else:
            inner = rest.lstrip()
            rows[at] = (indent + 1 + len(rest) - len(inner), inner)
            is_block = inner.startswith("- ") or _KEY.fullmatch(inner) is not None
            value, at = _block(rows, at, depth + 1) if is_block else _scalar_over(rows, at + 1, indent, inner)
        items.append(value)
    return items, at


def _mapping(rows: list[_Line], at: int, indent: int, depth: int) -> tuple[dict[Any, Any], int]:
    values: dict[Any, Any] = {}
    while at < len(rows) and rows[at][0] == indent:
        match = _KEY.fullmatch(rows[at][1])
        if match is None:
            raise ValueError(f"YAML: {rows[at][1][:60]!r} is no key with a value")
        key, rest = _scalar(match[1]), match[2] or ""
        if rest:
            values[key], at = _scalar_over(rows, at + 1, indent, rest)
        elif at + 1 < len(rows) and rows[at + 1][0] == indent and rows[at + 1][1].startswith("- "):
            values[key], at = _sequence(rows, at + 1, indent, depth + 1)
        else:
            values[key], at = _nested(rows, at + 1, indent, depth)
    return values, at


def _nested(rows: list[_Line], at: int, indent: int, depth: int) -> tuple[Any, int]:
    """Return the value in the rows that are further in; None where there are none."""
    return (None, at) if at >= len(rows) or rows[at][0] <= indent else _block(rows, at, depth + 1)


def _scalar_over(rows: list[_Line], at: int, indent: int, text: str) -> tuple[Any, int]:
    """Return a scalar, or a value in brackets, that may go on in the rows that are further in."""
    while at < len(rows) and rows[at][0] > indent:
        if text[:1] not in ("[", "{", "'", '"') and _KEY.fullmatch(rows[at][1]):
            raise ValueError(f"YAML: {rows[at][1][:60]!r} belongs to a value that is no mapping")
        text, at = f"{text} {rows[at][1]}", at + 1
    return _scalar(text), at


def _scalar(text: str) -> Any:
    if text[:1] in "[{" and text:
        value, rest = _flow(text, 0)
        if rest.strip():
            raise ValueError(f"YAML: {rest[:60]!r} follows a bracket that is closed")
        return value
    if text[:1] in "&*!|>@`" and text:
        raise ValueError(f"YAML: {text[:60]!r} is not read here")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(_unescaped, text[1:-1])
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if not _NUMBER.fullmatch(text):
        return text
    plain = text.replace("_", "")
    return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)


def _flow(text: str, depth: int) -> tuple[Any, str]:
    """Return the value in brackets that a text begins with, and what follows it."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"YAML: it is nested more than {_MAX_DEPTH} deep")
    closing, is_list = ("]", True) if text[0] == "[" else ("}", False)
    rest, items, pairs = text[1:].lstrip(), [], {}
    while not rest.startswith(closing):
        key, rest = _flow_value(rest, depth, ",]" if is_list else ":,}")
        if not is_list:
            if not rest.startswith(":"):
                raise ValueError(f"YAML: {text[:60]!r} has a key without a value")
            pairs[key], rest = _flow_value(rest[1:].lstrip(), depth, ",}")
        else:
            items.append(key)
        rest = rest.lstrip()
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith(closing):
            raise ValueError(f"YAML: {text[:60]!r} is not closed")
    return (items if is_list else pairs), rest[1:]


def _flow_value(text: str, depth: int, ends: str) -> tuple[Any, str]:
    if text[:1] in ("[", "{"):
        return _flow(text, depth + 1)
    quoted = re.match(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'", text)
    stop = quoted.end() if quoted else next((i for i, sign in enumerate(text) if sign in ends), len(text))
    return _scalar(text[:stop].strip()), text[stop:].lstrip()
