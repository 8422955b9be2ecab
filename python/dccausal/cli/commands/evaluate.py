"""The command ``evaluate``: the library measures, a terminal shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dccausal._shared.text import duration, printable
from dccausal.cli.failures import FAILED, FINE, INTERRUPTED, Interrupts, code_of, describe_error
from dccausal.cli.loading import load_classifier
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.terminal import Terminal
from dccausal.errors import ImageError
from dccausal.evaluation.evaluate import EvaluationOptions, EvaluationRun, check_evaluation
from dccausal.evaluation.plots import check_matplotlib
from dccausal.inputs.baseline import read_baselines

_N_LISTED = 5


def evaluate_command(**options: Any) -> int:
    """Measure methods over the photographs of a folder; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    if options["figure"] is not None:
        from dccausal.cli.commands.figure import figure_command

        return figure_command(options, terminal)
    has_plots = options["plots"] is not False
    given = {field.name: options[field.name] for field in fields(EvaluationOptions)}
    asked = EvaluationOptions(**{**given, "baseline": read_baselines(options["baseline"])})
    checked = check_evaluation(Path(options["folder"]), Path(options["out"]), asked, resume=options["resume"])
    if has_plots:
        check_matplotlib()
    classifier = load_classifier(options, terminal)
    with (
        Interrupts() as interrupts,
        EvaluationRun.begin(checked, classifier, resume=options["resume"]) as run,
    ):
        for note in run.notes:
            terminal.note(note)
        started = time.monotonic()
        try:
            _measure(run, terminal, interrupts)
        except KeyboardInterrupt:
            interrupts.seen = True
        shown = run.write_tables()
        if interrupts.seen:
            terminal.error("interrupted; the same command with --resume continues")
            return INTERRUPTED
        run.write_pictures(has_plots=has_plots)
        _show(terminal, run, shown, time.monotonic() - started)
        codes = {code_of(row) for row in run.table.rows}
        return next((code for code in (FAILED, 2) if code in codes), FINE)


def _measure(run: EvaluationRun, terminal: Terminal, interrupts: Interrupts) -> None:
    n_todo = sum(len(names) for names in run.todo.values())
    n_done = len(run.table.rows)
    said: set[str] = set()  # of photographs that no method can read
    with _Display(terminal, n_done + n_todo, n_done) as display:

        def watch(progress: Any) -> None:
            if interrupts.seen:  # what an interrupted method returns is not its result
                raise KeyboardInterrupt
            display(progress)

        for row, error in run.measure(watch):
            if isinstance(error, ImageError):
                if row["file"] not in said and len(said) < _N_LISTED:
                    terminal.error(f"{row['file']}: {describe_error(error)}", error)
                said.add(row["file"])
            elif error is not None:
                terminal.error(f"{row['file']}, {row['method']}: {describe_error(error)}", error)
            display.done(f"{row['method']} on {row['file']}")
    if len(said) > _N_LISTED:
        terminal.error(f"{len(said) - _N_LISTED} more photographs cannot be read; the table says why")


class _Display(RunDisplay):
    """The display of a run, whose pieces are explanations."""

    def _text(self) -> str:
        return super()._text().replace("photographs", "explanations", 1)


def _show(terminal: Terminal, run: EvaluationRun, shown: list[list[str]], seconds: float) -> None:
    rows: Sequence[Mapping[str, Any]] = run.table.rows
    failed = sum(row["error"] is not None for row in rows)
    left_out = sum(row["left_out"] is not None for row in rows)
    terminal.result(
        f"{len(rows) - failed - left_out} explanations measured on {len(run.evaluation.paths)} photographs "
        f"({failed} failed, {left_out} left out), {duration(seconds)} in this session"
    )
    if shown:
        terminal.result(_as_text(shown))
    terminal.result(f"mean [95 % bootstrap interval]; written to {printable(str(run.evaluation.out))}")


def _as_text(shown: Sequence[Sequence[str]]) -> str:
    """Return a table as a terminal shows it, lines as long as they need to be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    head, *body = shown
    table = Table(box=box.SIMPLE, pad_edge=False)
    for i, heading in enumerate(head):
        table.add_column(printable(heading), justify="left" if i == 0 else "right", no_wrap=True)
    for row in body:
        table.add_row(*(printable(cell) for cell in row))
    console = Console(width=max(80, sum(max(len(row[i]) for row in shown) + 3 for i in range(len(head)))))
    with console.capture() as capture:
        console.print(table, highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in capture.get().split("\n") if line.strip())
