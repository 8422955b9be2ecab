"""What shows that work goes on: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dccausal._shared.text import duration, printable

if TYPE_CHECKING:
    from dccausal.cli.terminal import Terminal
    from dccausal.engine.progress import Progress


_PLAIN_EVERY_S = 10.0


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
        self._last_line, self._last_text = time.monotonic(), ""

    @property
    def _has_bar(self) -> bool:
        """Whether a bar would be seen."""
        return not self._terminal.is_quiet and sys.stderr.isatty()

    def _note_now_and_then(self, text: str) -> None:
        """Write a line that says something new, if the last one was ten seconds ago."""
        if text != self._last_text and time.monotonic() - self._last_line >= _PLAIN_EVERY_S:
            self._last_line, self._last_text = time.monotonic(), text
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
