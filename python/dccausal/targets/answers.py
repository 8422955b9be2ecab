"""Answers on several images, whatever they are made of: some of their rows, and several of them as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dccausal.errors import ClassifierError


def rows_of(answer: Any, own: slice) -> Any:
    """Return the answer on some of the images: of arrays their rows, and so for all that a dict or a tuple holds."""
    if hasattr(answer, "rows"):
        return answer.rows(own)
    if isinstance(answer, Mapping):
        return {name: rows_of(value, own) for name, value in answer.items()}
    if isinstance(answer, tuple):
        return tuple(rows_of(value, own) for value in answer)
    return answer[own]


def joined(parts: Sequence[Any]) -> Any:
    """
    Return the answers on several batches as one.

    Raises
    ------
    ClassifierError
        If they are not alike.

    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if hasattr(first, "rows"):
        return type(first).joined(parts)
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(joined(list(values)) for values in zip(*parts, strict=True))
    if isinstance(first, list):
        return [one for part in parts for one in part]
    if len({np.shape(part)[1:] for part in parts}) > 1:
        given = ", then ".join(str(np.shape(part)) for part in parts)
        raise ClassifierError(f"the classifier returned {given}; always the same classes are needed")
    return np.concatenate(parts)
