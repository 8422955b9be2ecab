"""What the command line says: results on stdout; errors, notes and progress on stderr."""

from __future__ import annotations

import sys
import time
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dccausal._shared.text import duration, printable

if TYPE_CHECKING:
    from dccausal import Progress

_PLAIN_EVERY_S = 10.0


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


class BarDisplay:
    """
    What shows that work goes on: a bar on a terminal; elsewhere a line every ten seconds.

    Parameters
    ----------
    terminal
        Where to write.

    """

    def __init__(self, terminal: Terminal) -> None:
        """Prepare; a bar appears on entering."""
        self._terminal = terminal
        self._bar: Any = None
        self._last_line = time.monotonic()

    @property
    def _has_bar(self) -> bool:
        """Whether a bar would be seen."""
        return not self._terminal.is_quiet and sys.stderr.isatty()

    def _note_now_and_then(self, text: str) -> None:
        """Write a line, if the last one was ten seconds ago."""
        if time.monotonic() - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            self._terminal.note(text)

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


class ProgressDisplay(BarDisplay):
    """
    How far an explanation is.

    Parameters
    ----------
    terminal
        Where to write.
    title
        What is being explained.

    """

    def __init__(self, terminal: Terminal, title: str) -> None:
        """Prepare the bar; it appears on entering."""
        super().__init__(terminal)
        self._title = printable(title)
        if self._has_bar:
            self._bar = _make_bar(terminal)
            self._task = self._bar.add_task(self._title, total=None, calls="", rate="", left="")

    def __call__(self, progress: Progress) -> None:
        """Show how far the explanation has come."""
        calls, rate, left = describe_progress(progress)
        if self._bar is not None:
            self._bar.tasks[0].total = progress.n_expected  # update() cannot make a total unknown again
            self._bar.update(
                self._task,
                description=f"{self._title}: {progress.phase}",
                completed=progress.n_calls,
                calls=calls,
                rate=rate,
                left=left,
            )
        else:
            parts = [part for part in (calls, rate, left) if part]
            self._note_now_and_then(f"{self._title}: {progress.phase}, {', '.join(parts)}")


def describe_progress(progress: Progress) -> tuple[str, str, str]:
    """Return the calls, their rate and the time left in words; empty where not known."""
    calls = f"{progress.n_calls:,} calls"
    if not progress.n_calls or progress.seconds <= 0:
        return calls, "", ""
    rate = progress.n_calls / progress.seconds
    if progress.n_expected is None:
        return calls, f"{rate:.0f}/s", ""
    return calls, f"{rate:.0f}/s", f"{duration((progress.n_expected - progress.n_calls) / rate)} left"


def _make_bar(terminal: Terminal) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[calls]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
        console=terminal.console,
        transient=True,
    )
