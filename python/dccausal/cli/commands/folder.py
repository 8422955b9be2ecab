"""
The command ``explain`` for folders: a run that can be left alone, and continued wherever it was cut off.

The order of what is written is the promise: first the files of a photograph, result.json last, then its line in
the table. So a photograph that is in the table is complete, and one that is not is explained anew.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal import errors
from dccausal._shared.files import check_writable, remove_files, sync_folder
from dccausal._shared.json import json_text
from dccausal._shared.text import duration, printable
from dccausal.cli.failures import FINE, INTERRUPTED, Interrupts, describe_error, exit_code_of
from dccausal.cli.loading import _EXPLAIN, _PROFILE, load_classifier, open_classifier, read_baseline
from dccausal.cli.options.common import DRAWING, RUN, check_ranges
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.streams import is_stream
from dccausal.cli.terminal import Terminal
from dccausal.engine.many import explain_many
from dccausal.engine.profiles import Profile
from dccausal.errors import DccausalError, DeviceError, InputError, OutputError, RuntimeMissingError
from dccausal.explanation.pictures import check_drawing
from dccausal.explanation.result import RESULT_FILES, STALE_FILES
from dccausal.inputs.baseline import make_baseline
from dccausal.runs.export import check_export, write_export
from dccausal.runs.images import collect, is_many, passed_over, plan_folders
from dccausal.runs.manifest import MANIFEST, check_same, make_manifest, read_manifest, write_manifest
from dccausal.runs.table import TABLE, ResultTable, latest, row_of

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation
    from dccausal.onnx.classifier import OnnxClassifier

IMAGES = "images"

_DRAWING = tuple(option.name for option in DRAWING)
# Of the options, those that decide the results. Threads and batches do not.
_DECIDING = (*(name for name in _EXPLAIN if name not in ("threads", "in_flight")), "baseline", *_DRAWING)
# Failures that are not the photograph's: the run stops, and --resume tries again.
_STOPPING = (OutputError, DeviceError, RuntimeMissingError, BrokenPipeError, MemoryError)
_N_LISTED = 5
# Results that are being written or wait for it, while the search goes on.
_N_WRITING = 2


def is_run(options: Mapping[str, Any]) -> bool:
    """Return whether the arguments ask for a run: a folder, a pattern, or an option that only runs have."""
    return any(options[option.name] for option in RUN) or any(is_many(image) for image in options["images"])


def run_command(**options: Any) -> int:
    """Explain all photographs into the folder ``out``; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_json=options["json"], is_debug=options["debug"])
    out = Path(options["out"])
    manifest = read_manifest(out)
    if manifest is not None and not options["resume"]:
        raise InputError(
            f"{out} holds a run already; --resume continues it, and another --out begins a new one"
        )
    classifiers, manifest = _prepare(options, terminal, out, manifest)
    with Interrupts() as interrupts, _open_table(out, terminal) as table:
        entries = manifest["images"]
        todo = _left(latest(table.rows), len(entries), terminal, retry=options["retry"])
        _check_reachable([entries[index]["path"] for index in todo], options)
        started = time.monotonic()
        run = _Run(out, entries, table, terminal, {name: options[name] for name in _DRAWING})
        try:
            run.explain(todo, classifiers, _explain_options(options))
        except KeyboardInterrupt:
            interrupts.seen = True
        rows = latest(table.rows)
        terminal.result(summary(rows, len(entries), out, time.monotonic() - started))
        left_out = passed_over(options["images"], out, recursive=options["recursive"])
        if left_out:
            terminal.result(f"  passed over {_listed(left_out)}: no photographs by their suffix")
        if interrupts.seen:
            terminal.error("interrupted; the same command with --resume continues")
            return INTERRUPTED
        if options["table"] is not None:
            write_export(options["table"], rows)
        return max((_code_of(row) for row in rows), default=FINE, key=[FINE, 2, 1].index)


def _listed(paths: Sequence[str]) -> str:
    """Return a number of files and the names of the first few."""
    names = ", ".join(printable(Path(path).name) for path in paths[:_N_LISTED])
    more = ", ..." if len(paths) > _N_LISTED else ""
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'} ({names}{more})"


def _left(rows: Sequence[Mapping[str, Any]], n_images: int, terminal: Terminal, *, retry: bool) -> list[int]:
    """Return the places in the manifest of what is to be explained, and say what is not."""
    failed = {row["index"] for row in rows if row["error"] is not None} if retry else set()
    done = {row["index"] for row in rows} - failed
    if done or failed:
        again = f"; {len(failed)} that failed are tried again" if retry else ""
        terminal.note(f"resumed: {len(done)} of {n_images} photographs were done{again}")
    return [index for index in range(n_images) if index not in done]


def _prepare(
    options: Mapping[str, Any], terminal: Terminal, out: Path, old: dict[str, Any] | None
) -> tuple[list[OnnxClassifier], dict[str, Any]]:
    """Check everything that concerns all photographs; return the model on each device, and the manifest that holds."""
    if options["retry"] and not options["resume"]:
        raise InputError("--retry is for a run that is continued; --resume is needed with it")
    streams = [image for image in options["images"] if is_stream(image)]
    if streams:
        raise InputError(
            f"{streams[0]} is read once, and a run may be continued; files or folders are needed for it"
        )
    check_ranges(options)
    check_drawing(options["colormap"], options["alpha"], options["contour"])
    Profile.of(options["profile"], **{name: options[name] for name in _PROFILE})
    try:
        check_writable(out, [MANIFEST, TABLE])
        if options["table"] is not None:
            check_export(options["table"])
    except OutputError as error:
        raise InputError(str(error)) from error
    images = collect(options["images"], out, recursive=options["recursive"])
    classifier, *others = _load(options, terminal)
    classifier.resolve_label(options["target"])
    make_baseline(read_baseline(options["baseline"]), np.zeros((*classifier.size, 3), dtype=np.uint8))
    folders = [f"{IMAGES}/{folder.name}" for folder in plan_folders(images, out)]
    new = make_manifest(classifier, {name: options[name] for name in _DECIDING}, images, folders)
    if old is None:
        if (out / TABLE).exists():
            raise InputError(f"{out / TABLE} is there without {MANIFEST}; another --out is needed")
        write_manifest(out, new)
        return [classifier, *others], new
    check_same(out, old, new)
    known = {entry["path"] for entry in old["images"]}
    n_new = sum(entry["path"] not in known for entry in new["images"])
    if n_new:
        terminal.note(f"note: {n_new} photographs were not there when the run began; they are left out")
    return [classifier, *others], old


def _load(options: Mapping[str, Any], terminal: Terminal) -> list[OnnxClassifier]:
    """Return the model on each of the devices that --device lists."""
    first, *more = [name.strip() for name in options["device"].split(",")]
    classifier = load_classifier({**options, "device": first, "many": True}, terminal)
    others = [
        open_classifier({**options, "model": classifier.path, "device": name, "many": True}) for name in more
    ]
    if others:
        terminal.note(f"shared by {', '.join(one.device for one in (classifier, *others))}")
    return [classifier, *others]


def _open_table(out: Path, terminal: Terminal) -> ResultTable:
    table = ResultTable(out / TABLE)
    if table.torn:
        terminal.note(f"note: a line of {TABLE} was only half written; its photograph is explained anew")
    return table


def _check_reachable(paths: Sequence[str], options: Mapping[str, Any]) -> None:
    """Refuse to record every photograph as missing because the command is given in another folder."""
    if paths and not any(Path(path).exists() for path in paths):
        raise InputError(
            f"none of the {len(paths)} photographs left is there ({paths[0]}, ...); the folder in which the "
            f"run was begun is needed (it was begun with {' '.join(options['images'])} there)"
        )


def _explain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: options[name] for name in _EXPLAIN}
    return {**chosen, "baseline": read_baseline(options["baseline"]), "on_interrupt": "raise"}


class _Run:
    """
    The photographs of a run, their folders, and the table that they go to.

    Files are written by a thread of its own, one result after the other. What is in the table, and on the
    terminal, is what has been written.
    """

    def __init__(
        self,
        out: Path,
        entries: Sequence[Mapping[str, str]],
        table: ResultTable,
        terminal: Terminal,
        drawing: Mapping[str, Any],
    ) -> None:
        self._out, self._entries, self._table, self._terminal = out, entries, table, terminal
        self._drawing = drawing
        self._writing: deque[tuple[int, Explanation | Exception, Future[None]]] = deque()
        self._left: list[int] = []

    def explain(
        self, todo: Sequence[int], classifiers: Sequence[OnnxClassifier], options: Mapping[str, Any]
    ) -> None:
        """Explain the photographs of these places in the manifest, and record each."""
        self._left = list(todo)
        n_at_once: int | None = None
        n_all = len(self._entries)
        with (
            RunDisplay(self._terminal, n_all, n_all - len(todo)) as display,
            ThreadPoolExecutor(1, "dccausal-files") as writer,
        ):
            while self._left:
                left = list(self._left)
                paths = [self._entries[index]["path"] for index in left]
                try:
                    try:
                        for index, result in _explained(
                            left, paths, classifiers, n_at_once, display, options
                        ):
                            self._begin(index, result, writer)
                            self._record(display, _N_WRITING)
                    finally:
                        self._record(display)
                except _STOPPING:
                    raise
                except Exception as error:  # noqa: BLE001  the other photographs are still to be explained
                    if n_at_once is None:  # a bug; one at a time shows whose
                        n_at_once = 1
                        continue
                    self._begin(self._left[0], error, writer)
                    self._record(display)

    def _begin(self, index: int, result: Explanation | Exception, writer: ThreadPoolExecutor) -> None:
        if isinstance(result, _STOPPING):
            raise result
        self._writing.append((index, result, writer.submit(self._write, index, result)))

    def _write(self, index: int, result: Explanation | Exception) -> None:
        folder = self._out / self._entries[index]["folder"]
        remove_files(folder, (*RESULT_FILES, *STALE_FILES))
        if not isinstance(result, Exception):
            result.save(folder, **self._drawing)
            sync_folder(folder.parent)

    def _record(self, display: RunDisplay, n_more: int = 0) -> None:
        """Put into the table what has been written, oldest first, until at most ``n_more`` are being written."""
        while self._writing and (len(self._writing) > n_more or self._writing[0][2].done()):
            index, result, written = self._writing.popleft()
            try:
                written.result()
            except _STOPPING:
                raise
            except Exception as error:  # noqa: BLE001  a bug, which this photograph alone has hit
                result = error
            entry = self._entries[index]
            if isinstance(result, Exception):
                text = describe_error(result)
                shown = text if entry["path"] in text else f"{entry['path']}: {text}"
                self._terminal.error(shown, result)
            row = row_of(index, entry["path"], entry["folder"], result)
            self._table.append(row)
            self._terminal.json(json_text(row))
            self._left.remove(index)
            display.done(entry["path"])


def _explained(
    indices: Sequence[int],
    paths: Sequence[str],
    classifiers: Sequence[OnnxClassifier],
    n_at_once: int | None,
    display: RunDisplay,
    options: Mapping[str, Any],
) -> Iterator[tuple[int, Explanation | DccausalError]]:
    indices = list(indices)
    explained = explain_many(paths, classifiers, in_flight_images=n_at_once, progress=display, **options)
    with contextlib.closing(explained) as results:  # type: ignore[type-var]
        for place, result in results:
            yield indices[place], result


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


def _code_of(row: Mapping[str, Any]) -> int:
    if row["error"] is None:
        return FINE
    kind = getattr(errors, str(row["error"]), Exception)
    return exit_code_of(kind("")) if isinstance(kind, type) and issubclass(kind, Exception) else 1
