"""The command ``evaluate``: a run over a data set whose truth is known, which can be continued where it was cut off."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.checks import whole_number
from dccausal._shared.files import check_writable, sha256_of
from dccausal._shared.text import duration, printable
from dccausal.cli.failures import FAILED, FINE, INTERRUPTED, Interrupts, describe_error, exit_code_of
from dccausal.cli.loading import load_classifier, read_baseline
from dccausal.cli.options.common import EXPLANATION, check_ranges
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.terminal import Terminal
from dccausal.errors import InputError, OptionError, OutputError
from dccausal.evaluation.backgrounds import Backgrounds
from dccausal.evaluation.external import ExternalResults
from dccausal.evaluation.measure import Settings
from dccausal.evaluation.methods import check_method
from dccausal.evaluation.output import write_pictures, write_tables
from dccausal.evaluation.plots import check_matplotlib
from dccausal.evaluation.run import Task, evaluate, pending, slug
from dccausal.evaluation.specs import read_external, read_floors, read_methods
from dccausal.evaluation.truth import KINDS, Truth, TruthKind, read_truth
from dccausal.inputs.baseline import make_baseline
from dccausal.runs.images import collect, plan_folders
from dccausal.runs.manifest import MANIFEST, check_same, make_manifest, read_manifest, write_manifest
from dccausal.runs.table import ResultTable

if TYPE_CHECKING:
    from dccausal.onnx.classifier import OnnxClassifier

TABLE = "evaluation.jsonl"
IMAGES = "images"

_DECIDING = ("n", "seed", "baseline", "max_calls", "only_right", "steps", "backgrounds", "backgrounds_from")
_EVERYTHING = 1 << 30


def evaluate_command(**options: Any) -> int:
    """Measure methods over the photographs of a folder; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    if options["figure"] is not None:
        from dccausal.cli.commands.figure import figure_command

        return figure_command(options, terminal)
    out = Path(options["out"])
    manifest = read_manifest(out)
    if manifest is not None and not options["resume"]:
        raise InputError(
            f"{out} holds a run already; --resume continues it, and another --out begins a new one"
        )
    task = _prepare(options, terminal, out, manifest)
    with Interrupts() as interrupts, ResultTable(out / TABLE) as table:
        if table.torn:
            terminal.note(f"note: a line of {TABLE} was only half written; it is measured anew")
        _tell_what_is_left(task, table, terminal)
        started = time.monotonic()
        try:
            _run(task, table, terminal, interrupts)
        except KeyboardInterrupt:
            interrupts.seen = True
        methods = _all_methods(task, table.rows)
        shown = write_tables(out, table.rows, methods) if table.rows else []
        if interrupts.seen:
            terminal.error("interrupted; the same command with --resume continues")
            return INTERRUPTED
        if table.rows:
            has_plots = options["plots"] is not False
            write_pictures(out, table.rows, methods, task.paths, task.folders, has_plots=has_plots)
        _show(terminal, task, table.rows, shown, time.monotonic() - started)
        codes = {_code_of(row) for row in table.rows}
        return next((code for code in (FAILED, 2) if code in codes), FINE)


def _prepare(options: Mapping[str, Any], terminal: Terminal, out: Path, old: dict[str, Any] | None) -> Task:
    """Check everything that concerns all photographs; return what is to be done."""
    specs, floors = read_methods(options["methods"]), read_floors(options["min_confidence"])
    external = read_external(options["external"])
    for spec in specs:
        check_method(spec)
    names = [*(spec.text for spec in specs), *external]
    if len({slug(name) for name in names}) < len(names):
        raise OptionError(f"--methods and --external name {', '.join(names)}; different names are needed")
    _check_numbers(options)
    if options["plots"] is not False:
        check_matplotlib()
    kind, truths = _choose(options)
    try:
        check_writable(out, [MANIFEST, TABLE])
    except OutputError as error:
        raise InputError(str(error)) from error
    classifier = load_classifier(options, terminal)
    baseline = read_baseline(options["baseline"])
    make_baseline(baseline, np.zeros((*classifier.size, 3), dtype=np.uint8))
    paths = [str(Path(options["folder"]) / truth.file) for truth in truths]
    folders = [f"{IMAGES}/{folder.name}" for folder in plan_folders(paths, out)]
    _begin(options, out, old, classifier, paths, folders, {"kind": kind, "floors": floors})
    return Task(
        out=out,
        paths=paths,
        folders=folders,
        truths=truths,
        methods={
            **{spec.text: spec for spec in specs},
            **{name: ExternalResults(path) for name, path in external.items()},
        },
        classifier=classifier,
        baseline=baseline,
        settings=Settings(
            kind,
            floors,
            steps=options["steps"],
            max_calls=options["max_calls"],
            batch_size=max(32, classifier.batch_size),
        ),
        seed=options["seed"],
        explain_options={
            name: options[name] for name in ("max_calls", "threads", "in_flight") if options[name] is not None
        },
        only_right=options["only_right"],
        backgrounds=_backgrounds(options, paths, classifier),
        n_saved=_EVERYTHING if options["save"] else options["sheet"],
    )


def _backgrounds(
    options: Mapping[str, Any], paths: Sequence[str], classifier: OnnxClassifier
) -> Backgrounds | None:
    """Return what explanations are laid on: photographs of the run, or of another folder."""
    if not options["backgrounds"]:
        return None
    folder = options["backgrounds_from"]
    others = paths if folder is None else collect([folder], Path(options["out"]), recursive=False)
    return Backgrounds(others, classifier, options["backgrounds"], options["seed"])


def _check_numbers(options: Mapping[str, Any]) -> None:
    given = {option.name: option.default for option in EXPLANATION} | dict(options)
    check_ranges({**given, "min_confidence": 0.0})
    for name, low in (("n", 1), ("steps", 1), ("backgrounds", 0), ("sheet", 0)):
        if options[name] is not None:
            whole_number(f"--{name}", options[name], low)


def _choose(options: Mapping[str, Any]) -> tuple[TruthKind, list[Truth]]:
    """Return the truth of the photographs to take, in the order of its file."""
    if options["truth"] is None:
        raise OptionError("--truth is missing; a CSV file with the truth of each photograph is needed")
    given = options["truth_kind"]
    if given is not None and given not in KINDS:
        raise OptionError(f"--truth-kind is {given!r}; one of {', '.join(KINDS)} is needed")
    kind, by_file = read_truth(options["truth"], given)
    folder, truths = Path(options["folder"]), list(by_file.values())
    if not any((folder / truth.file).is_file() for truth in truths):
        raise InputError(
            f"{folder} holds none of the {len(truths)} photographs of {options['truth']} ({truths[0].file}, ...); "
            "their folder is needed"
        )
    if options["n"] is not None:
        chosen = np.random.default_rng(options["seed"]).permutation(len(truths))[: options["n"]]
        truths = [truths[place] for place in sorted(chosen)]
    return kind, truths


def _begin(
    options: Mapping[str, Any],
    out: Path,
    old: dict[str, Any] | None,
    classifier: OnnxClassifier,
    paths: Sequence[str],
    folders: Sequence[str],
    more: Mapping[str, Any],
) -> None:
    """Write the manifest, or check that it is the one of before."""
    truth = sha256_of(options["truth"])
    deciding = {name: options[name] for name in _DECIDING}
    deciding |= {"truth_sha256": truth, "truth_kind": more["kind"], "min_confidence": list(more["floors"])}
    new = make_manifest(classifier, deciding, paths, folders)
    if old is not None:
        check_same(out, old, new)
        return
    if (out / TABLE).exists():
        raise InputError(f"{out / TABLE} is there without {MANIFEST}; another --out is needed")
    write_manifest(out, new)


def _tell_what_is_left(task: Task, table: ResultTable, terminal: Terminal) -> None:
    if table.rows:
        n_all = len(task.paths) * len(task.methods)
        terminal.note(f"resumed: {len(table.rows)} of {n_all} explanations were measured")
    for name, method in task.methods.items():
        if isinstance(method, ExternalResults):
            n_missing = sum(truth.file not in method for truth in task.truths)
            if n_missing:
                terminal.note(
                    f"note: {name} has no result for {n_missing} of {len(task.truths)} photographs; "
                    "--resume measures those that come"
                )


def _run(task: Task, table: ResultTable, terminal: Terminal, interrupts: Interrupts) -> None:
    todo = pending(task, {(row["index"], row["method"]) for row in table.rows})
    n_todo = sum(len(names) for names in todo.values())
    n_done = len(table.rows)
    with _Display(terminal, n_done + n_todo, n_done) as display:
        for row, error in evaluate(task, todo, display):
            if interrupts.seen:  # what an interrupted method returns is not its result
                raise KeyboardInterrupt
            if error is not None:
                terminal.error(f"{row['file']}, {row['method']}: {describe_error(error)}", error)
            table.append(row)
            display.done(f"{row['method']} on {row['file']}")


class _Display(RunDisplay):
    """The display of a run, whose pieces are explanations."""

    def _text(self) -> str:
        return super()._text().replace("photographs", "explanations", 1)


def _all_methods(task: Task, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the methods as they are named now, then those of earlier sessions."""
    return list(dict.fromkeys([*task.methods, *(str(row["method"]) for row in rows)]))


def _show(
    terminal: Terminal, task: Task, rows: Sequence[Mapping[str, Any]], shown: list[list[str]], seconds: float
) -> None:
    failed = sum(row["error"] is not None for row in rows)
    left_out = sum(row["left_out"] is not None for row in rows)
    terminal.result(
        f"{len(rows) - failed - left_out} explanations measured on {len(task.paths)} photographs "
        f"({failed} failed, {left_out} left out), {duration(seconds)} in this session"
    )
    if shown:
        terminal.result(_as_text(shown))
    terminal.result(f"mean [95 % bootstrap interval]; written to {printable(str(task.out))}")


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


def _code_of(row: Mapping[str, Any]) -> int:
    from dccausal import errors

    if row["error"] is None:
        return FINE
    kind = getattr(errors, str(row["error"]), Exception)
    return exit_code_of(kind("")) if isinstance(kind, type) and issubclass(kind, Exception) else FAILED
