"""Checks of numbers that users give; each returns the number in its plain form or says what is needed."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from dccausal._shared.text import shown
from dccausal.errors import OptionError


def finite_number(what: str, given: Any) -> float:
    """
    Return a finite number as float.

    Raises
    ------
    OptionError
        If it is none.

    """
    is_number = isinstance(given, Real) and not isinstance(given, bool)  # NumPy's numbers are registered
    try:
        if is_number and math.isfinite(number := float(given)):
            return number
    except OverflowError:  # a whole number of hundreds of digits
        pass
    raise OptionError(f"{what} is {shown(given)}; a finite number is needed")


def whole_number(what: str, given: Any, low: int, high: int | None = None) -> int:
    """
    Return a whole number from ``low`` to ``high``, both included.

    Raises
    ------
    OptionError
        If it is none, or lies outside.

    """
    if not _is_whole(given) or given < low or (high is not None and given > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise OptionError(f"{what} is {shown(given)}; a whole number {bounds} is needed")
    return int(given)


def whole_numbers(what: str, given: Any, n: int, low: int, high: int) -> tuple[int, ...]:
    """
    Return ``n`` whole numbers from ``low`` to ``high``, both included.

    Raises
    ------
    OptionError
        If they are not as many, not whole, or lie outside.

    """
    import numpy as np  # here, so that the command line's help need not wait for it

    is_row = isinstance(given, list | tuple | np.ndarray) and len(given) == n
    if not is_row or not all(_is_whole(value) and low <= value <= high for value in given):
        raise OptionError(f"{what} is {shown(given)}; {n} whole numbers from {low} to {high} are needed")
    return tuple(int(value) for value in given)


def _is_whole(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool)


def one_of(what: str, given: object, choices: tuple[str, ...]) -> None:
    """
    Do nothing if ``given`` is one of the choices.

    Raises
    ------
    OptionError
        If it is none.

    """
    if not isinstance(given, str) or given not in choices:
        raise OptionError(f"{what} is {shown(given)}; one of {', '.join(choices)} is needed")
