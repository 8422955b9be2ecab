"""How far a run over many photographs has come: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dccausal._shared.text import duration, printable
from dccausal.cli.display import BarDisplay
from dccausal.cli.terminal import Terminal

if TYPE_CHECKING:
    from dccausal.engine.progress import Progress


class RunDisplay(BarDisplay):
    """
    A bar over all photographs.

    Parameters
    ----------
    terminal
        Where to write.
    n_images
        Photographs of the run.
    n_before
        Those that were done before this session, which say nothing about the rate.

    """

    def __init__(self, terminal: Terminal, n_images: int, n_before: int) -> None:
        """Prepare the bar; it appears on entering."""
        super().__init__(terminal)
        self._n_images, self._n_before = n_images, n_before
        self._n_done, self._last = 0, ""
        self._started = time.monotonic()
        if self._has_bar:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                console=terminal.console,
                transient=True,
            )
            self._task = self._bar.add_task(self._text(), total=n_images, completed=n_before)

    def __call__(self, _progress: Progress) -> None:
        """Show that time passes; explanations call this as they go."""
        if self._bar is not None:
            self._bar.update(self._task, description=self._text())
        else:
            self._note_now_and_then(self._text())

    def done(self, path: str, n: int = 1) -> None:
        """Count photographs, of which this is the last."""
        self._n_done += n
        self._last = path
        if self._bar is not None:
            self._bar.update(self._task, completed=self._n_before + self._n_done, description=self._text())

    def _text(self) -> str:
        text = describe_run(
            self._n_before + self._n_done, self._n_images, self._n_done, time.monotonic() - self._started
        )
        return f"{text}, last {printable(self._last)}" if self._last else text


def describe_run(n_finished: int, n_images: int, n_timed: int, seconds: float) -> str:
    """
    Return how far a run has come, its rate and the time left, in words.

    Parameters
    ----------
    n_finished, n_images
        Photographs that are done, and all of them.
    n_timed, seconds
        Those of this session, and its time.

    """
    text = f"{n_finished:,} of {n_images:,} photographs"
    if not n_timed or seconds <= 0:
        return text
    left = duration((n_images - n_finished) * seconds / n_timed)
    return f"{text}, {60 * n_timed / seconds:.1f} a minute, {left} left"
