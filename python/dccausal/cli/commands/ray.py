"""The command ``explain`` on a cluster of Ray's: the library runs, a terminal shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dccausal._shared.json import json_text
from dccausal._shared.text import duration, printable
from dccausal.cli.commands.folder import refuse_streams
from dccausal.cli.failures import BAD_INPUT, FINE, INTERRUPTED, Interrupts
from dccausal.cli.loading import explain_options, load_classifier
from dccausal.cli.options.common import DRAWING, TARGET
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.terminal import Terminal
from dccausal.errors import InputError, OptionError, OutputError
from dccausal.runs.cluster import Cluster
from dccausal.runs.export import check_export, write_export
from dccausal.runs.parts import RESULTS, rows_of
from dccausal.runs.ray import RayRun, check_run_on_ray

_N_LISTED = 5
ENGINES = ("local", "ray")


def is_on_ray(options: Mapping[str, Any]) -> bool:
    """
    Return whether the options ask for Ray.

    Raises
    ------
    OptionError
        If they ask for something else, or for what only Ray has.

    """
    if options["engine"] not in ENGINES:
        raise OptionError(f"engine is {options['engine']!r}; one of {', '.join(ENGINES)} is needed")
    for name in ("address", "actors", "actor_cpus", "actor_gpus", "files"):
        if options["engine"] == "local" and options[name]:
            raise OptionError(
                f"{name} is {options[name]!r}, which is for a run on a cluster; --engine ray is needed"
            )
    return bool(options["engine"] == "ray")


def run_command(**options: Any) -> int:
    """Explain all photographs into the data set ``out/results``; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_json=options["json"], is_debug=options["debug"])
    out = Path(options["out"])
    drawing = {option.name: options[option.name] for option in DRAWING}
    how: dict[str, Any] = {"resume": options["resume"], "retry": options["retry"], "drawing": drawing}
    refuse_streams(options)
    for option in TARGET:
        if options[option.name] is not None:
            raise InputError(
                f"--{option.name} was given for a cluster, which explains labels; a run of one machine is needed for it"
            )
    given = {**explain_options(options), "progress": None}
    check_run_on_ray(out, options=given, **how)
    if options["table"] is not None:
        try:
            check_export(options["table"])
        except OutputError as error:
            raise InputError(str(error)) from error
    cluster = Cluster(
        options["address"], options["actors"], options["actor_cpus"] or 1.0, options["actor_gpus"] or 0.0
    )
    cluster.check()
    cluster.join()
    classifier = load_classifier({**options, "many": True}, terminal)
    interrupts = Interrupts()
    with interrupts:
        started = time.monotonic()
        try:
            with RayRun.begin(
                options["images"],
                classifier,
                out,
                cluster=cluster,
                files=options["files"],
                recursive=options["recursive"],
                options=given,
                **how,
            ) as run:
                for note in run.notes:
                    terminal.note(note)
                _explain(run, terminal)
                terminal.result(summary(run, time.monotonic() - started))
            _write_rows(out, options, terminal)
        except KeyboardInterrupt:
            terminal.error("interrupted; the same command with --resume continues")
            return INTERRUPTED
    return BAD_INPUT if run.n_failed else FINE


def _explain(run: RayRun, terminal: Terminal) -> None:
    n_before, n_shown = run.done.n, 0
    n_all = run.source.n or 0
    with RunDisplay(terminal, n_all, n_before) as display:
        for part in run.explain():
            for path, error, message in part.failed:
                n_shown += 1
                if n_shown <= _N_LISTED:
                    terminal.error(message if path in message else f"{path}: {error}: {message}")
            display.done(part.last, part.n)


def _write_rows(out: Path, options: Mapping[str, Any], terminal: Terminal) -> None:
    """Write the table as one file, and its rows to the output, where that was asked for; in order."""
    if options["table"] is not None:
        write_export(options["table"], sorted(rows_of(out), key=lambda row: int(row["index"])))
    if options["json"]:
        for row in rows_of(out):
            terminal.json(json_text(row))


def summary(run: RayRun, seconds: float) -> str:
    """Return what became of the photographs, in a few lines."""
    n, n_explained = run.done.n, run.done.n - run.n_failed
    of = f"{n_explained} of {run.source.n or n}"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.most_common())
    lines = [f"{of} photographs explained{f' ({outcomes})' if outcomes else ''}"]
    if n_explained:
        lines.append(f"  median     {_median(run.sizes) / 1000:.1%} of the pixels kept")
        lines.append(f"  cost       {run.n_calls:,} model calls in all, {duration(seconds)} in this session")
    if run.n_failed:
        lines.append(f"  failed     {run.n_failed}")
    workers = f"{run.pool.n} worker{'' if run.pool.n == 1 else 's'}"
    died = f", {run.pool.n_deaths} died and were replaced" if run.pool.n_deaths else ""
    lines.append(f"  workers    {workers}{died}")
    lines.append(f"  written    {printable(str(run.out / RESULTS))}, Parquet")
    return "\n".join(lines)


def _median(counts: Mapping[int, int]) -> int:
    """Return the median of values by how often each came."""
    half, seen = sum(counts.values()) / 2, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= half:
            return value
    return 0
