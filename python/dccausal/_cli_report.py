"""The command ``report``: the folder of a run in, one HTML file out; and its options."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Self

from dccausal._cli_options import MODEL, OUTPUT, RUNNING, CliOption, Command, give_signature

HELP = "Make one HTML file of a run or a result, to look through in any browser, without network."

EPILOG = (
    "RUN is a folder that dccausal explain wrote. The file has the photographs, small, with everything else in "
    "it, and asks for nothing: it can be sent, archived and opened from a disk. Exit code 2 where results are damaged; "
    "the report lists them and has the others."
)

_REPORT = (
    CliOption("out", str, "The file. By default report.html in RUN.", "Output", "FILE", short="-o"),
    CliOption(
        "truth",
        str,
        "CSV file with the columns file and label: says which labels are right.",
        "Output",
        "FILE",
    ),
    CliOption(
        "photos",
        str,
        "Folder of the photographs, if they are no longer where they were.",
        "Output",
        "FOLDER",
    ),
    CliOption(
        "photo_size", int, "Most pixels of a photograph's side in the file.", "Output", "N", default=640
    ),
    CliOption(
        "curves",
        bool,
        "Ask the model for the score against the pixels shown: 51 calls a photograph.",
        "Model",
        default=False,
    ),
)
_RUNNING = ("device", "providers", "batch_size", "threads")


def declare(command: Command) -> Command:
    """Give the command its argument RUN and its options."""
    import typer

    running = [option for option in RUNNING if option.name in _RUNNING]
    model = [option for option in MODEL if option.name != "output"]
    give_signature(command, (*_REPORT, *model, *running, *OUTPUT))
    described: Any = command
    argument = typer.Argument(help="Folder of a run or of a result.", metavar="RUN", show_default=False)
    run = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY, default=argument, annotation=str)
    signature = described.__signature__
    described.__signature__ = signature.replace(parameters=[run, *signature.parameters.values()])
    described.__annotations__ = {"run": str, **described.__annotations__}
    return command


def report_command(**options: Any) -> int:
    """Write the report; return the exit code."""
    from dccausal._cli_explain import BAD_INPUT, FINE, load_classifier
    from dccausal._cli_terminal import Terminal
    from dccausal._shared.text import printable
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
            f"note: {made['n_without_photo']} photographs are not where they were, or have changed; they are "
            "shown grey (--photos tells where they are)"
        )
    if made["n_left"]:
        terminal.note(
            f"note: the run is not finished; {made['n_left']} photographs are still to be explained"
        )
    failed = f", {made['n_failed']} failed" if made["n_failed"] else ""
    terminal.result(
        f"{made['n_explained']} photographs{failed}, {made['n_bytes'] / 1e6:.1f} MB; "
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
