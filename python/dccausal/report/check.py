"""Whether a result.json has what a report shows, of the kinds that it shows; it may come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

from dccausal.explanation.record import Outcome


def check_document(document: Mapping[str, Any]) -> None:
    """
    Check what a report takes from a result.

    Raises
    ------
    ValueError
        If something is missing or of another kind; the text names it.

    """
    for name, is_right in _FIELDS.items():
        if name not in document or not is_right(document[name]):
            raise ValueError(f"a {name} that can be shown")
    if not _is_whole(document.get("schema_minor", 0)):  # since minor version 1
        raise ValueError("a schema_minor that is a whole number")
    if not _are_baselines(document.get("baselines", [])):  # since minor version 6
        raise ValueError("baselines that can be shown")
    image, baseline = document["image"], document["baseline"]
    sides = ("left", "top", "right", "bottom")
    if not isinstance(image.get("box"), dict) or not all(
        _is_number(image["box"].get(side)) for side in sides
    ):
        raise ValueError("the box of the image")
    if not all(_is_whole(image.get(name)) for name in ("height", "width", "photo_height", "photo_width")):
        raise ValueError("the sizes of the image")
    if not isinstance(image.get("path"), str | None) or "colour" not in baseline:
        raise ValueError("the path of the image, or the colour of the baseline")
    colour = baseline["colour"]
    if colour is not None and not (_is_list_of(_is_whole)(colour) and len(colour) == 3):  # noqa: PLR2004
        raise ValueError("the colour of the baseline")


def _are_baselines(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and _is_text(one.get("name"))
        and _is_number_or_none(one.get("explanation_score", ""))
        for one in value
    )


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _is_list_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(is_right(item) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_statistics(value: Any) -> bool:
    return isinstance(value, dict) and _is_number_or_none(value.get("model_calls"))


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "label": _is_whole,
    "name": lambda value: isinstance(value, str | None),
    "score": _is_number_or_none,
    "explanation_score": _is_number_or_none,
    "size": _is_number,
    "outcome": lambda value: isinstance(value, str) and value in get_args(Outcome),
    "notes": _is_list_of(_is_text),
    "statistics": _is_statistics,
    "image": _is_object,
    "baseline": _is_object,
    "files": _is_object,
}
