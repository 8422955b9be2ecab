"""
A run over many photographs that can be left alone, and continued wherever it was cut off.

The order of what is written is the promise: first the files of a photograph, result.json last, then its line in
the table. So a photograph that is in the table is complete, and one that is not is explained anew.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np

from dccausal._shared.files import remove_files, sync_folder
from dccausal.engine.many import explain_many
from dccausal.engine.opening import subject_of
from dccausal.engine.option import meanings
from dccausal.engine.options import GivenOptions, Options, defaults
from dccausal.engine.profiles import Profile
from dccausal.engine.together import explain_together
from dccausal.errors import STOPPING, DccausalError, InputError, OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.explanation.pictures import check_drawing
from dccausal.explanation.result import RESULT_FILES, STALE_FILES
from dccausal.inputs.baseline import make_baselines
from dccausal.runs.begin import begin, check_begin, check_reachable
from dccausal.runs.images import collect, plan_folders
from dccausal.runs.manifest import IMAGES, make_manifest, result_folder
from dccausal.runs.table import TABLE, ResultTable, latest, row_of

if TYPE_CHECKING:
    from dccausal.engine.progress import Progress
    from dccausal.onnx.model import OnnxModel
    from dccausal.onnx.model_classifier import ModelClassifier

    Model = ModelClassifier | OnnxModel
    # Of several targets, by the names of their folders.
    Result = Explanation | Mapping[str, Explanation] | Exception

# Results that are being written or wait for it, while the search goes on.
_N_WRITING = 2
_ANY_SIZE = (64, 64)  # of an image, where a model leaves it open
DRAWING = {"colormap": "inferno", "alpha": 0.65, "contour": "solid", "caption": True, "cutout": False}


def run_folder(
    images: Sequence[str] | str | os.PathLike[str],
    classifier: Model | Sequence[Model],
    out: str | os.PathLike[str],
    *,
    targets: int | Literal["boxes"] | None = None,
    resume: bool = False,
    retry: bool = False,
    recursive: bool = False,
    drawing: Mapping[str, Any] | None = None,
    **options: Unpack[GivenOptions],
) -> Iterator[tuple[dict[str, Any], Exception | None]]:
    """
    Explain many photographs into a folder, and yield the row of each once its files are on the disk.

    A run that was cut off, by whatever, goes on with ``resume=True``: no photograph is lost or done twice.

    Parameters
    ----------
    images
        Paths of photographs, folders, and patterns.
    classifier
        The model, or the same model on several devices.
    out
        Folder of the run: manifest.json, results.jsonl, images/NAME.
    targets
        "boxes" explains every box that a detector sees in a photograph, a number so many of its best labels, each in
        a folder of its own, images/NAME/TARGET; see ``explain_together``. By default one target.
    resume
        Whether a run that is there is continued.
    retry
        Whether photographs that have failed are tried again; with ``resume``.
    recursive
        Whether the folders in a folder are searched too.
    drawing
        Keywords of ``Explanation.save``.
    options
        Those of ``explain``.

    Yields
    ------
    row, error
        The photograph's line of the table (see the page on the files of a result), and why it has no
        explanation where it has none.

    Raises
    ------
    InputError
        If an option, a path or the run of before does not do; before any work.
    OutputError, DeviceError, RuntimeMissingError
        What is no photograph's fault; the run can be continued.

    """
    found = [images] if isinstance(images, str | os.PathLike) else list(images)
    arguments = [os.fspath(image) for image in found]
    classifiers: Sequence[Any] = classifier if isinstance(classifier, list | tuple) else [classifier]
    with FolderRun.begin(
        arguments,
        classifiers,
        Path(out),
        targets=targets,
        resume=resume,
        retry=retry,
        recursive=recursive,
        drawing={**DRAWING, **(drawing or {})},
        options={**defaults(), **options},
    ) as run:
        yield from run.explain(options.get("progress"))


@dataclass(eq=False)
class FolderRun:
    """
    A run that was checked and may go on; ``begin`` makes it, and it is to be closed.

    Files are written by a thread of its own, one result after the other. What is in the table is what has been
    written.

    Attributes
    ----------
    out
        Its folder.
    classifiers
        The model on each device.
    entries
        The manifest's photographs: "path" and "folder".
    table
        What is done.
    todo
        Places in ``entries`` of what is to be done.
    options, drawing
        Of ``explain`` and of ``Explanation.save``.
    targets
        As in ``run_folder``.
    notes
        Sentences on how it goes on.

    """

    out: Path
    classifiers: Sequence[Model]
    entries: Sequence[Mapping[str, str]]
    table: ResultTable
    todo: list[int]
    options: Mapping[str, Any]
    drawing: Mapping[str, Any]
    notes: list[str]
    targets: int | str | None = None
    _writing: deque[tuple[int, Result, Future[None]]] = field(default_factory=deque)

    @classmethod
    def begin(
        cls,
        images: Sequence[str],
        classifiers: Sequence[Model],
        out: Path,
        *,
        targets: int | str | None = None,
        resume: bool,
        retry: bool,
        recursive: bool,
        drawing: Mapping[str, Any],
        options: Mapping[str, Any],
        paths: Sequence[str] | None = None,
    ) -> Self:
        """Check everything that concerns all photographs, and begin or go on; ``paths`` are those of ``images``."""
        check_run(out, resume=resume, retry=retry, drawing=drawing, options=options)
        paths = collect(images, out, recursive=recursive) if paths is None else paths
        first = classifiers[0]
        if targets is not None and len(classifiers) > 1:
            raise OptionError(
                f"{len(classifiers)} devices were given; one is needed for several targets of a photograph"
            )
        subject = subject_of(options["target"])
        if subject is None and hasattr(first, "resolve_label"):
            first.resolve_label(options["target"])
        make_baselines(options["baseline"], np.zeros((*(first.size or _ANY_SIZE), 3), dtype=np.uint8))
        folders = [f"{IMAGES}/{folder.name}" for folder in plan_folders(paths, out)]
        deciding = {name: options[name] for name in DECIDING} | dict(drawing)
        if subject is not None:
            deciding["target"] = subject.to_dict()
        if targets is not None:
            deciding["targets"] = targets
        begun = begin(out, TABLE, make_manifest(first, deciding, paths, folders), resume=resume)
        table, entries, notes = begun.table, begun.manifest["images"], []
        if table.torn:
            notes.append(f"note: a line of {TABLE} was only half written; its photograph is explained anew")
        if begun.n_new:
            notes.append(
                f"note: {begun.n_new} photographs were not there when the run began; they are left out"
            )
        todo = _left(latest(table.rows), len(entries), notes, retry=retry)
        run = cls(out, classifiers, entries, table, todo, options, drawing, notes, targets)
        try:
            check_reachable([entries[index]["path"] for index in todo], images)
        except InputError:
            run.__exit__(None, None, None)
            raise
        return run

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the table, which frees it for others."""
        self.table.__exit__(kind, error, trace)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The last row of each photograph, in the order of the manifest."""
        return latest(self.table.rows)

    def explain(
        self, progress: Callable[[Progress], object] | None = None
    ) -> Iterator[tuple[dict[str, Any], Exception | None]]:
        """Explain what is to be done; yield each row once it is in the table, and the error if it is one."""
        n_at_once: int | None = None
        with ThreadPoolExecutor(1, "dccausal-files") as writer:
            while self.todo:
                try:
                    yield from self._session(n_at_once, writer, progress)
                except (*STOPPING, KeyboardInterrupt, GeneratorExit):
                    raise
                except Exception as error:  # noqa: BLE001  the other photographs are still to be explained
                    if n_at_once is None:  # a bug; one at a time shows whose
                        n_at_once = 1
                        continue
                    self._begin(self.todo[0], error, writer)
                    yield from self._record()

    def _session(
        self,
        n_at_once: int | None,
        writer: ThreadPoolExecutor,
        progress: Callable[[Progress], object] | None,
    ) -> Iterator[tuple[dict[str, Any], Exception | None]]:
        """Explain what is left, until all is done or something fails that is not a photograph's."""
        left = list(self.todo)
        paths = [self.entries[index]["path"] for index in left]
        options: Any = {**self.options, "on_interrupt": "raise", "in_flight_images": n_at_once}
        options["progress"] = progress
        explained = (
            explain_many(paths, tuple(self.classifiers), **options)
            if self.targets is None
            else self._together(paths, progress)
        )
        try:
            with contextlib.closing(explained) as results:  # type: ignore[type-var]
                for place, result in results:
                    self._begin(left[place], result, writer)
                    yield from self._record(_N_WRITING)
        except GeneratorExit:
            for _ in self._record():  # whoever has left has no use for rows; the table has
                pass
            raise
        except BaseException:
            yield from self._record()
            raise
        yield from self._record()

    def _together(
        self, paths: Sequence[str], progress: Callable[[Progress], object] | None
    ) -> Iterator[tuple[int, Result]]:
        """Explain several targets of each photograph."""
        options: Any = {**self.options, "on_interrupt": "raise", "progress": progress}
        for place, path in enumerate(paths):
            try:
                found = explain_together(path, self.classifiers[0], self.targets or 1, **options)
            except DccausalError as error:
                yield place, error
            else:
                names = [
                    f"box-{i}" if self.targets == "boxes" else f"label-{one.label}"
                    for i, one in enumerate(found)
                ]
                yield place, dict(zip(names, found, strict=True))

    def _begin(self, index: int, result: Result, writer: ThreadPoolExecutor) -> None:
        if isinstance(result, STOPPING):
            raise result
        self._writing.append((index, result, writer.submit(self._write, index, result)))

    def _write(self, index: int, result: Result) -> None:
        folder = result_folder(self.out, self.entries[index]["folder"])
        remove_files(folder, (*RESULT_FILES, *STALE_FILES))
        if isinstance(result, Exception):
            return
        for place, one in {"": result}.items() if isinstance(result, Explanation) else result.items():
            one.save(folder / place, **self.drawing)
        sync_folder(folder.parent)

    def _record(self, n_more: int = 0) -> Iterator[tuple[dict[str, Any], Exception | None]]:
        """Put into the table what has been written, oldest first, until at most ``n_more`` are being written."""
        while self._writing and (len(self._writing) > n_more or self._writing[0][2].done()):
            index, result, written = self._writing.popleft()
            try:
                written.result()
            except STOPPING:
                raise
            except Exception as error:  # noqa: BLE001  a bug, which this photograph alone has hit
                result = error
            entry = self.entries[index]
            row = row_of(index, entry["path"], entry["folder"], result)
            self.table.append(row)
            self.todo.remove(index)
            yield row, result if isinstance(result, Exception) else None


def check_run(
    out: Path, *, resume: bool, retry: bool, drawing: Mapping[str, Any], options: Mapping[str, Any]
) -> Options:
    """
    Check the options of a run before a model is loaded.

    Raises
    ------
    InputError
        If one does not do.

    """
    check_begin(out, TABLE, resume=resume)
    if retry and not resume:
        raise InputError("--retry is for a run that is continued; --resume is needed with it")
    check_drawing(drawing["colormap"], drawing["alpha"], drawing["contour"])
    return Options.of(options)


def _left(rows: Sequence[Mapping[str, Any]], n_images: int, notes: list[str], *, retry: bool) -> list[int]:
    """Return the places in the manifest of what is to be explained, and note what is not."""
    failed = {row["index"] for row in rows if row["error"] is not None} if retry else set()
    done = {row["index"] for row in rows} - failed
    if done or failed:
        again = f"; {len(failed)} that failed are tried again" if retry else ""
        notes.append(f"resumed: {len(done)} of {n_images} photographs were done{again}")
    return [index for index in range(n_images) if index not in done]


# Of the options, those that decide the results. Threads and batches do not.
DECIDING = tuple(
    name for options in (Options, Profile) for name, _, meaning in meanings(options) if meaning.decides
)
