"""What is to be explained where that is no label, as the command line says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal._shared.files import read_array, read_text
from dccausal._shared.text import shown
from dccausal.errors import OptionError
from dccausal.inputs.photo import load_photo
from dccausal.onnx.reading.names import read_labels
from dccausal.targets import Box, Region, Similarity, Subject

_MAX_DIGITS = 6
ALL = "all"
_KINDS = ("box", "region", "like", "prompts")


def read_subject(options: Mapping[str, Any]) -> Subject | None:
    """
    Return what is to be explained; None for a label.

    Raises
    ------
    OptionError
        If it cannot be read, or several are given.
    ImageError
        If the reference cannot be read.

    """
    given = [name for name in _KINDS if options.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise OptionError(f"{' and '.join(given)} were both given; one of them is needed")
    name = given[0]
    value = options[name]
    if name == "prompts":
        return _prompts(value, options)
    if options["target"] is not None:
        raise OptionError(
            f"target {shown(options['target'])} and {name} {shown(value)} were both given; one is needed"
        )
    if name == "box":
        return Box() if value == ALL else read_box(value)
    if name == "region":
        return read_region(value)
    load_photo(value)  # so that it is said at once where it cannot be read
    return Similarity(
        [value], names=[Path(value).name], projection=_array("projection", options["projection"])
    )


def together(options: Mapping[str, Any]) -> str | int | None:
    """
    Return what is explained together: all boxes, or so many of the best labels; None for one target.

    Raises
    ------
    OptionError
        If it does not go with other options.

    """
    if options.get("box") == ALL:
        return "boxes"
    top: int | None = options.get("top")
    if top is None:
        return None
    if options["target"] is not None or any(options.get(name) is not None for name in _KINDS[:3]):
        raise OptionError(f"top {top} and a target were both given; one of them is needed")
    if str(options.get("prompts") or "").lower().endswith(".npy"):
        raise OptionError(
            f"top {top} was given, but vectors of prompts are explained one at a time; --target N chooses one"
        )
    return whole_number("top", top, 1)


def prompt_names(options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the prompts of a text file, which name the scores of a model with both towers; None for vectors."""
    path = options.get("prompts")
    if path is None or str(path).lower().endswith(".npy"):
        return None
    try:
        lines = [line.strip() for line in read_text(Path(path)).splitlines()]
    except OSError as error:
        raise OptionError(
            f"prompts {shown(str(path))} cannot be read ({error.strerror}); a text file is needed"
        ) from error
    prompts = tuple(line for line in lines if line)
    if not prompts:
        raise OptionError(f"prompts {shown(str(path))} is empty; one prompt a line is needed")
    return prompts


def read_box(text: str) -> Box:
    """
    Return the box of "2" or "34,20,188,201".

    Raises
    ------
    OptionError
        If it is neither.

    """
    numbers = _numbers(text)
    if len(numbers) == 1 and text.strip().isdecimal() and len(text.strip()) <= _MAX_DIGITS:
        return Box(int(text))
    if len(numbers) != 4:  # noqa: PLR2004
        raise OptionError(
            f"box is {shown(text)}; a number as inspect MODEL IMAGE lists them, or X0,Y0,X1,Y1, is needed"
        )
    return Box((numbers[0], numbers[1], numbers[2], numbers[3]))


def read_region(text: str) -> Region:
    """Return the region of "road", "7" or "120,80"."""
    numbers = _numbers(text)
    if len(numbers) == 2:  # noqa: PLR2004
        return Region((numbers[0], numbers[1]))
    return Region(text)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _prompts(path: str, options: Mapping[str, Any]) -> Similarity | None:
    """Return the similarity to vectors; a text file belongs to a model with both towers, which classifies."""
    if not path.lower().endswith(".npy"):
        return None
    vectors = _array("prompts", path)
    names = None if options["labels"] is None else read_labels(options["labels"])
    scale, bias = _scale(options.get("prompt_scale"))
    target = options["target"]
    which = int(target) if isinstance(target, str) and target.isdecimal() else target
    projection = _array("projection", options["projection"])
    return Similarity(vectors, which, names, scale, bias, projection)


def _scale(text: str | None) -> tuple[float, float | None]:
    if text is None:
        return 100.0, None
    numbers = _numbers(text)
    if len(numbers) not in (1, 2):
        raise OptionError(
            f"prompt_scale is {shown(text)}; SCALE, or SCALE,BIAS for probabilities of each, is needed"
        )
    return numbers[0], numbers[1] if len(numbers) > 1 else None


def _array(name: str, path: str | None) -> NDArray[np.float32] | None:
    if path is None:
        return None
    try:
        array = read_array(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise OptionError(
            f"{name} {shown(path)} cannot be read ({why}); a .npy file of numbers is needed"
        ) from error
    if array.dtype.kind != "f":
        raise OptionError(f"{name} {shown(path)} holds no floats; a .npy file of vectors is needed")
    return array.astype(np.float32)
