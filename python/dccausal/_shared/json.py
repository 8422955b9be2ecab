"""JSON of plain values, with what is not finite as null."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def json_text(document: Mapping[str, Any], indent: int | None = None) -> str:
    """
    Return a document as JSON in ASCII.

    NaN and infinities, which JSON does not have, become null; ASCII because a path may hold bytes that are
    no text.
    """
    return json.dumps(_plain(document), indent=indent, ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows them; what it does not know at all becomes its text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)
