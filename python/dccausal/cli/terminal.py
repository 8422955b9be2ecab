"""What the command line says: results on stdout; errors, notes and progress on stderr."""

from __future__ import annotations

import sys
import traceback

from dccausal._shared.text import printable


class Terminal:
    """
    Where a command writes.

    Parameters
    ----------
    is_quiet
        Only errors are written.
    is_json
        Of results, only JSON is.
    is_debug
        Errors come with their traceback.

    """

    def __init__(self, *, is_quiet: bool = False, is_json: bool = False, is_debug: bool = False) -> None:
        """Take the switches."""
        from rich.console import Console

        self.is_quiet, self.is_json, self.is_debug = is_quiet, is_json, is_debug
        self.console = Console(stderr=True)

    def result(self, text: str) -> None:
        """Write a result for people."""
        if not (self.is_quiet or self.is_json):
            _write_out(text)

    def json(self, text: str) -> None:
        """Write a result for machines."""
        if self.is_json:
            _write_out(text)

    def note(self, text: str) -> None:
        """Write a line on what is going on."""
        if not self.is_quiet:
            self._line(text, "dim")

    def error(self, text: str, error: BaseException | None = None) -> None:
        """Write an error as one line, below its traceback if that was asked for."""
        if self.is_debug and error is not None:
            self.console.out("".join(traceback.format_exception(error)), highlight=False, end="")
        self._line(f"error: {text}", "bold red")

    def _line(self, text: str, style: str) -> None:
        self.console.print(
            printable(" ".join(text.split())), style=style, markup=False, highlight=False, soft_wrap=True
        )


def _write_out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
