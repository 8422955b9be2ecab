"""Steps and ranks that measures go by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal.errors import OptionError


def parts(n: int, most: int = 500) -> Iterator[int]:
    """Return ``n`` in parts of at most ``most``."""
    yield from [most] * (n // most)
    if n % most:
        yield n % most


def points(steps: int, shares: Sequence[float] | None) -> NDArray[np.float64]:
    """Return shares from 0 to 1: those given, checked, or equal steps."""
    if shares is None:
        return np.linspace(0, 1, whole_number("steps", steps, 1) + 1)
    given = np.asarray(shares, dtype=np.float64)
    if given.ndim != 1 or given.size == 0 or not ((given >= 0) & (given <= 1)).all():
        raise OptionError(f"shares is {shares!r}; numbers from 0 to 1 are needed")
    return given


def ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each value, the mean one of equal values."""
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place.ravel()]
    return found
