"""
Standard output and error that may be closed, or on a full disk: the work goes on, and what was lost is said.

Results are files, so it is no reason to stop that a summary cannot be shown. A reader that has gone (``| head``) is
another matter: BrokenPipeError passes through.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType
from typing import IO, Any, Self

_FAILED = 1
_STANDARD = (0, 1, 2)


class Streams:
    """
    While entered, ``sys.stdout`` and ``sys.stderr`` are there and never raise for want of space.

    Attributes
    ----------
    lost
        By the name of a stream, why what was written to it is lost.

    """

    def __init__(self) -> None:
        """Nothing is lost yet."""
        self.lost: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Take the place of both streams."""
        _fill_closed()
        self._before = sys.stdout, sys.stderr
        sys.stdout = _Guarded("standard output", sys.stdout, self.lost)
        sys.stderr = _Guarded("standard error", sys.stderr, self.lost)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        sys.stdout, sys.stderr = self._before

    def exit_code(self, code: int) -> int:
        """Say what could not be written; return the exit code, 1 where only that went wrong."""
        reason = self.lost.get("standard output")
        if reason is None:
            return code
        sys.stderr.write(
            f"error: standard output cannot be written ({reason}); files are complete, what was to be shown is lost\n"
        )
        return code or _FAILED


class _Guarded:
    """A text stream that goes nowhere once it cannot be written; otherwise the one that it stands for."""

    def __init__(self, name: str, stream: IO[str] | None, lost: dict[str, str]) -> None:
        self._name, self._lost = name, lost
        self._stream: Any = stream if stream is not None else open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        self._lost.setdefault(self._name, error.strerror or str(error))
        # What is left in the stream's buffer would fail again at the end of the process, with an exit code of its own.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def _fill_closed() -> None:
    """Open what is closed of the standard descriptors: a file with such a number would get what C writes there."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
