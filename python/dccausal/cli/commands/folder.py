"""The command ``explain`` for folders: the library runs, a terminal shows how far it is."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dccausal._shared.json import json_text
from dccausal._shared.text import duration, printable
from dccausal.cli.failures import FINE, INTERRUPTED, Interrupts, code_of, describe_error
from dccausal.cli.loading import explain_options, load_model, open_classifier, open_model
from dccausal.cli.once import is_stream
from dccausal.cli.options.common import DRAWING, RUN
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.subjects import read_subject, together
from dccausal.cli.terminal import Terminal
from dccausal.errors import InputError, OutputError
from dccausal.runs.export import check_export, write_export
from dccausal.runs.folder import FolderRun, check_run
from dccausal.runs.images import collect, is_many, passed_over
from dccausal.runs.manifest import IMAGES
from dccausal.runs.table import TABLE

if TYPE_CHECKING:
    from dccausal.runs.folder import Model
    from dccausal.targets import Subject

_N_LISTED = 5


def is_run(options: Mapping[str, Any]) -> bool:
    """Return whether the arguments ask for a run: a folder, a pattern, or an option that only runs have."""
    return any(options[option.name] for option in RUN) or any(is_many(image) for image in options["images"])


def run_command(**options: Any) -> int:
    """Explain all photographs into the folder ``out``; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_json=options["json"], is_debug=options["debug"])
    out, resume, retry = Path(options["out"]), options["resume"], options["retry"]
    drawing = {option.name: options[option.name] for option in DRAWING}
    refuse_streams(options)
    given, targets = explain_options(options), together(options)
    _refuse_places(given["target"])
    if targets is not None:
        given["target"] = None
    check_run(out, resume=resume, retry=retry, drawing=drawing, options=given)
    if options["table"] is not None:
        try:
            check_export(options["table"])
        except OutputError as error:
            raise InputError(str(error)) from error
    paths = collect(options["images"], out, recursive=options["recursive"])
    classifiers = _load(options, terminal, read_subject(options))
    interrupts = Interrupts()
    run = FolderRun.begin(
        options["images"],
        classifiers,
        out,
        targets=targets,
        resume=resume,
        retry=retry,
        recursive=options["recursive"],
        drawing=drawing,
        options={**given, "progress": None},
        paths=paths,
    )
    with interrupts, run:
        for note in run.notes:
            terminal.note(note)
        started = time.monotonic()
        try:
            _explain(run, terminal)
        except KeyboardInterrupt:
            interrupts.seen = True
        rows = run.rows
        terminal.result(summary(rows, len(run.entries), out, time.monotonic() - started))
        left_out = passed_over(options["images"], out, recursive=options["recursive"])
        if left_out:
            terminal.result(f"  passed over {_listed(left_out)}: no photographs by their suffix")
        if interrupts.seen:
            terminal.error("interrupted; the same command with --resume continues")
            return INTERRUPTED
        if options["table"] is not None:
            write_export(options["table"], rows)
        return max((code_of(row) for row in rows), default=FINE, key=[FINE, 2, 1].index)


def _refuse_places(target: Any) -> None:
    """Refuse coordinates: what is at a place differs from photograph to photograph."""
    place = getattr(target, "which", None)
    if isinstance(place, tuple):
        kind = target.to_dict()["kind"]
        needed = "a number, or all," if kind == "box" else "a label's name or index"
        raise InputError(
            f"{kind} {','.join(f'{side:g}' for side in place)} was given for a folder; coordinates are of one "
            f"photograph, so {needed} is needed in a run"
        )


def refuse_streams(options: Mapping[str, Any]) -> None:
    """
    Refuse photographs that can be read only once.

    Raises
    ------
    InputError
        If the options name one.

    """
    streams = [image for image in options["images"] if is_stream(image)]
    if streams:
        raise InputError(
            f"{printable(streams[0])} is read once, and a run may be continued; files or folders are needed for it"
        )


def _listed(paths: Sequence[str]) -> str:
    """Return a number of files and the names of the first few."""
    names = ", ".join(printable(Path(path).name) for path in paths[:_N_LISTED])
    more = ", ..." if len(paths) > _N_LISTED else ""
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'} ({names}{more})"


def _explain(run: FolderRun, terminal: Terminal) -> None:
    n_all = len(run.entries)
    with RunDisplay(terminal, n_all, n_all - len(run.todo)) as display:
        for row, error in run.explain(display):
            if error is not None:
                text = describe_error(error)
                terminal.error(text if row["path"] in text else f"{row['path']}: {text}", error)
            terminal.json(json_text(row))
            display.done(row["path"])


def _load(options: Mapping[str, Any], terminal: Terminal, subject: Subject | None) -> list[Model]:
    """Return the model on each of the devices that --device lists."""
    first, *more = [name.strip() for name in options["device"].split(",")]
    classifier: Model = load_model({**options, "device": first, "many": True}, terminal, subject)

    def other(device: str) -> Model:
        given = {**options, "model": classifier.path, "device": device, "many": True}
        return open_classifier(given) if subject is None else open_model(given, subject.needs)

    others = [other(name) for name in more]
    if others:
        terminal.note(f"shared by {', '.join(one.device for one in (classifier, *others))}")
    return [classifier, *others]


def summary(rows: Sequence[Mapping[str, Any]], n_images: int, out: Path, seconds: float) -> str:
    """Return what became of the photographs, in a few lines."""
    explained = [row for row in rows if row["error"] is None]
    failed = [row for row in rows if row["error"] is not None]
    outcomes = Counter(row["outcome"] for row in explained)
    parts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
    lines = [f"{len(explained)} of {n_images} photographs explained{f' ({parts})' if parts else ''}"]
    if explained:
        size = statistics.median(row["size"] for row in explained)
        n_calls = sum(row["model_calls"] or 0 for row in explained)
        lines.append(f"  median     {size:.1%} of the pixels kept")
        lines.append(f"  cost       {n_calls:,} model calls in all, {duration(seconds)} in this session")
    if failed:
        kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(row["error"] for row in failed).most_common())
        lines.append(f"  failed     {len(failed)} ({kinds})")
        lines += [f"             {printable(row['path'])}" for row in failed[:_N_LISTED]]
        lines += ["             ..."] if len(failed) > _N_LISTED else []
    lines.append(f"  written    {printable(str(out / TABLE))} and {printable(str(out / IMAGES))}")
    return "\n".join(lines)
