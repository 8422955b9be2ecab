"""Exit codes, interrupts, and errors in the command line's words."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import FrameType, MappingProxyType, TracebackType
from typing import Any, Self

from dccausal import errors
from dccausal._shared.text import said
from dccausal.cli.options.common import CLUSTER, DRAWING, EXPLANATION, MODEL, RUN, RUNNING
from dccausal.cli.options.serve import SERVER
from dccausal.cli.options.signature import CONFIG
from dccausal.errors import (
    DccausalError,
    DeviceError,
    InputError,
    OptionError,
    RuntimeMissingError,
)

FINE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def exit_code_of(error: Exception) -> int:
    """Return 2 for what the user can mend (input, options, environment), 1 for any other failure."""
    is_bad_input = isinstance(error, InputError | RuntimeMissingError | DeviceError)
    return BAD_INPUT if is_bad_input else FAILED


def code_of(row: Mapping[str, Any]) -> int:
    """Return the exit code that a row of a table stands for."""
    if row["error"] is None:
        return FINE
    kind = getattr(errors, str(row["error"]), Exception)
    return exit_code_of(kind("")) if isinstance(kind, type) and issubclass(kind, Exception) else FAILED


class Interrupts:
    """While entered, remembers that Ctrl-C was pressed, and raises KeyboardInterrupt as ever."""

    seen = False

    def __enter__(self) -> Self:
        """Take over the signal, where that can be (in the main thread)."""
        try:
            self._before = signal.signal(signal.SIGINT, self._note)
        except ValueError:
            self._before = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signal back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.seen = True
        raise KeyboardInterrupt


def describe_error(error: BaseException, origins: Mapping[str, str] = MappingProxyType({})) -> str:
    """
    Return an error as a sentence; those that are not dccausal's own are bugs.

    Parameters
    ----------
    error
        What was raised.
    origins
        What gave an option, by its name, where that is not the command line.

    """
    if isinstance(error, OptionError):
        return _with_flag(said(error), origins)
    if isinstance(error, DccausalError):
        return said(error)
    return (
        f"{type(error).__name__}: {said(error)} (this is a bug in dccausal; "
        "--debug shows where, and a report would be welcome)"
    )


def _with_flag(text: str, origins: Mapping[str, str]) -> str:
    """Name an option as the user did who gave it, where a text begins with its name."""
    given, _, rest = text.partition(" ")
    name = given.rstrip(":").removeprefix("--").replace("-", "_")
    if name in origins:
        return f"{origins[name]}{':' if given.endswith(':') else ''} {rest}"
    for option in (*MODEL, *EXPLANATION, *RUNNING, *CLUSTER, *RUN, *DRAWING, *SERVER, CONFIG):
        if given.rstrip(":") == option.name:
            hint = " (the folder of the results is --out)" if name == "output" else ""
            return f"{option.flags[0].partition('/')[0]} {rest}{hint}"
    return text
