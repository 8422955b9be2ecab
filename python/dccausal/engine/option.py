"""
What is known of an option: its default, its range, a sentence.

Every option of ``explain`` is a field of ``Profile`` or ``Options`` that carries its ``Meaning``. The checks, the
command line's table and the page of options in the documentation are made from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dccausal._shared.checks import finite_number, one_of, whole_number
from dccausal._shared.text import shown
from dccausal.errors import OptionError

Kind = type[str] | type[int] | type[float] | type[bool]
Panel = Literal["Explanation", "Method (experts)", "Running"]
_KEY = "dccausal"
# Where there is no other bound: the core counts in 64 bits.
_MOST = (1 << 62) - 1


@dataclass(frozen=True)
class Meaning:
    """
    An option in words and numbers.

    Attributes
    ----------
    kind
        str, int, float or bool; str too for what the command line gives as text.
    help
        A sentence or two.
    low, high
        Range of a number, both included; None where there is no bound.
    is_above
        Whether ``low`` itself is left out.
    of
        What a number is a share of, for errors.
    choices
        The values of a str; empty where any will do.
    metavar
        What stands for the value in the help.
    panel
        The group that the help shows it in.
    short
        A flag of one letter.
    decides
        Whether the result depends on it; threads and batches decide nothing.
    is_flag
        Whether the command line has it.

    """

    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    is_above: bool = False
    of: str = ""
    choices: tuple[str, ...] = ()
    metavar: str = ""
    panel: Panel = "Explanation"
    short: str | None = None
    decides: bool = True
    is_flag: bool = True

    def check(self, name: str, value: Any) -> None:
        """
        Do nothing if a value is in its range.

        Raises
        ------
        OptionError
            If it is not, or of another kind.

        """
        if self.kind is bool:
            if not isinstance(value, bool):
                raise OptionError(f"{name} is {value!r}; True or False is needed")
        elif self.kind is int:
            whole_number(name, value, int(self.low or 0), None if self.high is None else int(self.high))
            if self.high is None and value > _MOST:
                raise OptionError(f"{name} is {shown(value)}; a whole number below 2^62 is needed")
        elif self.kind is float:
            self._check_share(name, finite_number(name, value))
        elif self.choices:
            one_of(name, value, self.choices)

    def _check_share(self, name: str, value: float) -> None:
        low, high = self.low or 0.0, 1.0 if self.high is None else self.high
        if (low < value if self.is_above else low <= value) and value <= high:
            return
        bounds = f"above {low:g} and at most {high:g}" if self.is_above else f"from {low:g} to {high:g}"
        raise OptionError(f"{name} is {value}; a share {self.of and f'{self.of} '}{bounds} is needed")


def option(default: Any, meaning: Meaning) -> Any:
    """Return a field of a dataclass of options."""
    return dataclasses.field(default=default, metadata={_KEY: meaning})


def meanings(options: Any) -> Iterator[tuple[str, Any, Meaning]]:
    """Return name, default and meaning of each option of a dataclass or an instance of one."""
    for field in dataclasses.fields(options):
        if _KEY in field.metadata:
            yield field.name, field.default, field.metadata[_KEY]


def check_options(options: Any) -> None:
    """
    Check every value of an instance; None is fine where it is the default.

    Raises
    ------
    OptionError
        If one is out of its range.

    """
    for name, default, meaning in meanings(options):
        value = getattr(options, name)
        if not (value is None and default is None):
            meaning.check(name, value)
