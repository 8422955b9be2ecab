"""The command ``report``: the folder of a run in, one HTML file out; and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self


def report_command(**options: Any) -> int:
    """Write the report; return the exit code."""
    from dccausal._shared.text import counted, printable
    from dccausal.cli.failures import BAD_INPUT, FINE
    from dccausal.cli.loading import load_classifier
    from dccausal.cli.terminal import Terminal
    from dccausal.errors import OptionError
    from dccausal.report.write import write_report

    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    if options["model"] is not None and not options["curves"]:
        raise OptionError(
            f"--model is {options['model']} and --curves is not given; they are needed together"
        )
    with _Bar(terminal) as bar:
        made = write_report(
            options["run"],
            options["out"],
            title=options["title"],
            truth=options["truth"],
            photos=options["photos"],
            photo_size=options["photo_size"],
            classifier=load_classifier({**options, "output": None}, terminal) if options["curves"] else None,
            progress=bar,
        )
    for text in made["damaged"]:
        terminal.error(text)
    if made["n_without_photo"]:
        terminal.note(
            f"note: {counted(made['n_without_photo'], 'photograph')} not found where it was, or changed since; shown "
            "grey instead (--photos tells where photographs are)"
        )
    if made["n_left"]:
        terminal.note(
            f"note: the run is not finished; {counted(made['n_left'], 'photograph')} still to be explained"
        )
    failed = f", {made['n_failed']} failed" if made["n_failed"] else ""
    several = made["n_photographs"] < made["n_explained"]
    explained = f"{counted(made['n_explained'], 'explanation')} of " if several else ""
    terminal.result(
        f"{explained}{counted(made['n_photographs'], 'photograph')}{failed}, {made['n_bytes'] / 1e6:.1f} MB; "
        f"written to {printable(str(Path(made['path'])))}"
    )
    return BAD_INPUT if made["damaged"] else FINE


class _Bar:
    """A bar on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, terminal: Any) -> None:
        import sys
        import time

        self._terminal, self._clock = terminal, time.monotonic
        self._last_line = self._clock()
        self._bar: Any = None
        if not terminal.is_quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False)
            self._bar = Progress(*columns, console=terminal.console, transient=True)
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, n_done: int, n_all: int, path: str) -> None:
        from dccausal._shared.text import printable

        if self._bar is not None:
            self._bar.update(self._task, completed=n_done, total=n_all, description=printable(path))
        elif self._clock() - self._last_line >= 10:  # noqa: PLR2004  seconds, as elsewhere
            self._last_line = self._clock()
            self._terminal.note(f"{n_done:,} of {n_all:,} photographs, {printable(path)}")
