"""Photographs that come once: by standard input, a pipe, or what the shell puts in the place of a command."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from dccausal.errors import ImageError

STANDARD_INPUT = "-"

_MAX_BYTES = 1 << 30


def is_stream(argument: str) -> bool:
    """Return whether an argument is read once, and is no file: ``-``, ``/dev/stdin``, ``<(command)``, a FIFO."""
    if argument == STANDARD_INPUT:
        return True
    try:
        return stat.S_ISFIFO(os.stat(argument).st_mode)  # noqa: PTH116  a Path would drop what a name may hold
    except (OSError, ValueError):
        return False


def read_streams(arguments: Sequence[str]) -> dict[str, bytes]:
    """
    Return what the streams among the arguments hold, each read to its end.

    Raises
    ------
    ImageError
        If standard input is a terminal, or a stream does not end.

    """
    return {argument: _read(argument) for argument in dict.fromkeys(arguments) if is_stream(argument)}


def name_of(argument: str) -> str:
    """Return what the results of an argument are called after."""
    if argument in (STANDARD_INPUT, "/dev/stdin"):
        return "stdin"
    return "photo" if argument.startswith(("/dev/fd/", "/proc/")) and is_stream(argument) else argument


def _read(argument: str) -> bytes:
    if argument == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise ImageError(
                "standard input is a terminal; a photograph is needed there, as in cat photo.jpg | ..."
            )
        data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    else:
        try:
            with Path(argument).open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ImageError(
                f"{argument} cannot be read ({error.strerror}); a photograph is needed"
            ) from error
    if len(data) > _MAX_BYTES:
        raise ImageError(f"{argument} has more than {_MAX_BYTES} bytes; a photograph is needed")
    return data
