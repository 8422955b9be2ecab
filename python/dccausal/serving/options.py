"""The options of ``explain`` as a service takes them: named, ranged and read from the library's own table."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any

from dccausal._shared.text import shown
from dccausal.engine.option import Meaning
from dccausal.engine.options import flags
from dccausal.engine.profiles import PROFILES
from dccausal.errors import OptionError
from dccausal.inputs.baseline import read_baselines

_MOST_TEXT = 200
_MOST_DIGITS = 20
_YES, _NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
_JSON_KINDS: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def offered() -> list[tuple[str, Any, Meaning]]:
    """Return name, default and meaning of what a request may choose; threads and batches are the operator's."""
    return [option for option in flags() if option[2].decides]


def read_options(texts: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the options that a request gives as texts; an empty text leaves the default.

    Raises
    ------
    OptionError
        If there is no such option, a text is none of its kind, or would name a file of the server's.

    """
    known = {name: meaning for name, _, meaning in offered()}
    found = {}
    for name, text in texts.items():
        if name not in known:
            close = difflib.get_close_matches(name[:_MOST_TEXT], known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise OptionError(f"{shown(name)} is no option{hint}; one of {', '.join(known)} is needed")
        if text != "":
            found[name] = _read(name, text, known[name])
    return found


def schema(name: str, default: Any, meaning: Meaning) -> dict[str, Any]:
    """Return an option as JSON Schema has it."""
    choices = tuple(PROFILES) if name == "profile" else meaning.choices
    low = "exclusiveMinimum" if meaning.is_above else "minimum"
    found = {
        "type": _JSON_KINDS[meaning.kind],
        "description": meaning.help,
        "default": default,
        low: meaning.low,
        "maximum": meaning.high,
        "enum": list(choices) or None,
        "maxLength": _MOST_TEXT if meaning.kind is str else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _read(name: str, text: str, meaning: Meaning) -> Any:
    if len(text) > _MOST_TEXT:
        raise OptionError(f"{name} has {len(text)} characters; at most {_MOST_TEXT} are needed")
    if meaning.kind is bool:
        if text.lower() not in _YES + _NO:
            raise OptionError(f"{name} is {shown(text)}; true or false is needed")
        return text.lower() in _YES
    if meaning.kind is int:
        if not re.fullmatch(r"-?[0-9]+", text) or len(text) > _MOST_DIGITS:
            raise OptionError(f"{name} is {shown(text)}; a whole number is needed")
        return int(text)
    if meaning.kind is float:
        try:
            return float(text)
        except ValueError as error:
            raise OptionError(f"{name} is {shown(text)}; a number is needed") from error
    return _without_files(name, text) if "FILE" in meaning.metavar else text


def _without_files(name: str, text: str) -> Any:
    """Return what a text names that may name files elsewhere, and may not here."""
    parts = [part.strip() for part in re.split(r"[,;+|]", text)]
    if re.search(r"[/\\\0]", text) or any(_is_file(part) for part in (text, *parts)):
        raise OptionError(f"{name} is {shown(text)}; no file is read here: its name without one is needed")
    return read_baselines(text) if name == "baseline" else text


def _is_file(name: str) -> bool:
    from PIL import ImageColor

    try:
        return name.lower() not in ImageColor.colormap and os.path.lexists(name)
    except ValueError:  # what no path may hold
        return True
