"""What ``--methods``, ``--min-confidence`` and ``--external`` say, read into plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dccausal._shared.text import shown
from dccausal.errors import OptionError

_WORDS = {"true": True, "false": False, "yes": True, "no": False}
_MAX_DIGITS = 6
_FORM = "NAME or NAME:OPTION=VALUE:OPTION=VALUE is needed, with commas between methods"


@dataclass(frozen=True)
class MethodSpec:
    """
    A method as the command line names it.

    Attributes
    ----------
    text
        The whole of it, which is also what its rows are called.
    name
        The method.
    options
        Its own options: whole numbers, numbers, True, False, or text.

    """

    text: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)


def read_methods(text: str) -> list[MethodSpec]:
    """
    Read a list such as "dc-causal,rise:masks=4000".

    Raises
    ------
    OptionError
        If it is no such list, or names a method twice.

    """
    specs = [_read_method(part.strip()) for part in text.split(",")]
    texts = [spec.text for spec in specs]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise OptionError(f"--methods names {', '.join(twice)} twice; each method once is needed")
    return specs


def read_floors(text: str) -> tuple[float, ...]:
    """
    Read floors of the confidence such as "0,0.5".

    Raises
    ------
    OptionError
        If they are not different numbers from 0 to 1.

    """
    needed = "different numbers from 0 to 1, with commas between, are needed"
    try:
        floors = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise OptionError(f"--min-confidence is {text!r}; {needed}") from error
    if len(set(floors)) < len(floors) or not all(0 <= floor <= 1 for floor in floors):
        raise OptionError(f"--min-confidence is {text!r}; {needed}")
    return floors


def read_external(text: str | None) -> dict[str, Path]:
    """
    Read results of other programs such as "rex=rex.jsonl,other=other.jsonl", by name.

    Raises
    ------
    OptionError
        If a part is no NAME=FILE, a file is not there, or a name comes twice.

    """
    found: dict[str, Path] = {}
    for part in text.split(",") if text else ():
        name, sign, file = part.strip().partition("=")
        if not (name and sign and file):
            raise OptionError(f"--external has {part!r}; NAME=FILE.jsonl is needed, with commas between")
        if not Path(file).is_file():
            raise OptionError(
                f"--external has {part!r}, but there is no such file; NAME=FILE.jsonl is needed"
            )
        if name in found:
            raise OptionError(f"--external names {name} twice; different names are needed")
        found[name] = Path(file)
    return found


def _read_method(text: str) -> MethodSpec:
    name, *parts = text.split(":")
    if not name:
        raise OptionError(f"--methods has {text!r}; {_FORM}")
    options: dict[str, Any] = {}
    for part in parts:
        option, sign, value = part.partition("=")
        key = option.strip().replace("-", "_")
        if not (sign and key.isidentifier() and value.strip()):
            raise OptionError(f"--methods has {part!r} in {text!r}; {_FORM}")
        if key in options:
            raise OptionError(f"--methods has {option} twice in {text!r}; each option once is needed")
        options[key] = _value(value.strip())
    return MethodSpec(text, name.strip(), options)


def _value(text: str) -> int | float | bool | str:
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def read_backgrounds(given: int | str) -> tuple[int, bool]:
    """
    Return how many photographs explanations are laid on, and whether on plain backgrounds: "8", "neutral", "8,neutral".

    Raises
    ------
    OptionError
        If it is none of these.

    """
    n_photos, is_neutral = 0, False
    for part in str(given).split(","):
        if part.strip() == "neutral":
            is_neutral = True
        elif part.strip().isdecimal() and len(part) <= _MAX_DIGITS:
            n_photos = int(part)
        else:
            raise OptionError(
                f"--backgrounds is {shown(given)}; a number of photographs, neutral, or both, as 8,neutral, is needed"
            )
    return n_photos, is_neutral
