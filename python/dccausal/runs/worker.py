"""One worker of a run on many machines: it holds the classifier, and explains chunks of photographs into parts."""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from dccausal._shared.files import remove_files, sync_folder
from dccausal._shared.text import said
from dccausal.engine.many import explain_many
from dccausal.errors import STOPPING, DccausalError, ImageError, InputError
from dccausal.explanation.result import RESULT_FILES, STALE_FILES
from dccausal.runs.export import parquet_bytes
from dccausal.runs.manifest import result_folder
from dccausal.runs.parts import check_owner, part_path, read_part, write_part
from dccausal.runs.table import row_of

# Photographs that wait for the classifier, and results that wait to be written.
_N_WAITING, _N_WRITING = 8, 2
_N_LISTED = 5


class Chunk(NamedTuple):
    """
    Photographs that are explained into one part.

    Attributes
    ----------
    indices
        Their places in the run, ascending.
    paths
        What they are called; None where the block says so.
    folders
        Where their files go, relative to the run; None where none are written.
    rows
        Their rows in the block that comes with the chunk, if one does.
    attempts
        How many workers have died over them.

    """

    indices: Sequence[int]
    paths: Sequence[str] | None
    folders: Sequence[str] | None
    rows: Sequence[int] | None = None
    attempts: int = 0


class Part(NamedTuple):
    """
    What became of a chunk.

    Attributes
    ----------
    n, n_failed
        Photographs, and those of them that have no explanation.
    n_calls
        Calls of the model.
    outcomes
        How often each outcome came.
    failed
        (path, kind of the error, what it says) of the first few that failed.
    last
        The path of the last photograph.

    """

    n: int
    n_failed: int
    n_calls: int
    outcomes: Mapping[str, int]
    failed: Sequence[tuple[str, str, str]]
    last: str


@dataclass(frozen=True)
class Settings:
    """
    What all workers of a run have in common.

    Attributes
    ----------
    out
        The folder of the run.
    token
        Which process the run belongs to.
    classifier
        Returns the classifier.
    options
        Those of ``explain_many``.
    drawing
        Keywords of ``Explanation.save``; None where no files are written.
    folder
        Where paths that are relative begin.

    """

    out: str
    token: str
    classifier: Callable[[], Any]
    options: Mapping[str, Any]
    drawing: Mapping[str, Any] | None
    folder: str


@dataclass(eq=False)
class _Wanted:
    """A chunk that is being explained: the rows so far, and whether all are there."""

    n: int
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    is_done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Item:
    photo: Any
    index: int
    path: str
    folder: str | None
    wanted: _Wanted


class _Feed:
    """The photographs on their way to the classifier, whatever chunk they belong to."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Item | None] = queue.Queue(_N_WAITING)
        self._taken: dict[int, _Item] = {}
        self._n = 0

    def put(self, item: _Item | None) -> None:
        self._waiting.put(item)

    def is_ready(self) -> bool:
        return not self._waiting.empty()

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> Any:
        item = self._waiting.get()
        if item is None:
            raise StopIteration
        self._taken[self._n] = item
        self._n += 1
        return item.photo

    def pop(self, place: int) -> _Item:
        return self._taken.pop(place)


class Worker:
    """
    Explains chunks; several may be asked for at once, and their photographs share the batches.

    It is made without work, so that ``open`` can say what fails.
    """

    def open(self, settings: Settings) -> dict[str, Any]:
        """
        Load the classifier, and check that the run's folder is the one that all workers see.

        Returns
        -------
        dict
            "pid" and "host".

        Raises
        ------
        ModelError, OptionError, DeviceError, RuntimeMissingError
            If the classifier cannot be loaded here.
        OutputError
            If the folder is another one here.

        """
        with contextlib.suppress(OSError):
            os.chdir(settings.folder)
        self._settings, self._out = settings, Path(settings.out)
        check_owner(self._out, settings.token)
        parquet_bytes([])  # pyarrow loads pandas where it is installed, which takes a second the first time
        self._feed, self._feeding = _Feed(), threading.Lock()
        self._failure: BaseException | None = None
        self._wanted: set[_Wanted] = set()
        results = explain_many(self._feed, settings.classifier(), **settings.options)
        self._engine = threading.Thread(target=self._run, args=(results,), daemon=True)
        self._engine.start()
        return {"pid": os.getpid(), "host": platform.node()}

    def explain(self, chunk: Chunk, block: Any = None) -> Part:
        """
        Explain a chunk, write its files and its part, and return what became of it.

        Parameters
        ----------
        chunk
            The photographs.
        block
            A table of pyarrow with "path" and, where the photographs are in it, "image" (bytes).

        Raises
        ------
        OutputError, DeviceError, RuntimeMissingError, MemoryError
            What is no photograph's fault.

        """
        rows = self._before(chunk)
        if rows is None:
            wanted = _Wanted(len(chunk.indices))
            self._wanted.add(wanted)
            with self._feeding:  # a chunk after the other
                for item in _items(chunk, block, wanted):
                    if self._failure is None:
                        self._feed.put(item)
            while not wanted.is_done.wait(0.5):
                if self._failure is not None:
                    break
            self._wanted.discard(wanted)
            if self._failure is not None:
                raise self._failure
            rows = [wanted.rows[index] for index in chunk.indices]
            check_owner(self._out, self._settings.token)
            write_part(self._out, rows)
        failed = [row for row in rows if row["error"] is not None]
        return Part(
            n=len(rows),
            n_failed=len(failed),
            n_calls=sum(row["model_calls"] or 0 for row in rows),
            outcomes=dict(Counter(row["outcome"] for row in rows if row["error"] is None)),
            failed=[(row["path"], row["error"], row["message"]) for row in failed[:_N_LISTED]],
            last=rows[-1]["path"],
        )

    def close(self) -> None:
        """Let the classifier end once nothing is asked any more."""
        self._feed.put(None)
        self._engine.join()

    def _before(self, chunk: Chunk) -> list[dict[str, Any]] | None:
        """Return the rows of a part that a worker wrote which died before it could say so."""
        path = part_path(self._out, chunk.indices[0])
        if chunk.attempts == 0 or not path.exists():
            return None
        rows = read_part(path)
        return rows if [row["index"] for row in rows] == list(chunk.indices) else None

    def _run(self, results: Any) -> None:
        writing: deque[Future[None]] = deque()
        try:
            with ThreadPoolExecutor(1, "dccausal-writer") as writer:
                for place, result in results:
                    writing.append(writer.submit(self._finish, self._feed.pop(place), result))
                    while len(writing) > _N_WRITING:
                        writing.popleft().result()
                    while writing and writing[0].done():
                        writing.popleft().result()
                for one in writing:
                    one.result()
        except BaseException as error:  # noqa: BLE001  every chunk is to be told
            self._failure = error
            with contextlib.suppress(queue.Empty):
                while True:  # whoever feeds is not to wait for ever
                    self._feed._waiting.get_nowait()  # noqa: SLF001  its own

    def _finish(self, item: _Item, result: Any) -> None:
        if not isinstance(result, Exception):
            result = replace(result, source=item.path)
        if isinstance(result, STOPPING):
            self._failure = result
            return
        try:
            if self._settings.drawing is not None and item.folder is not None:
                folder = result_folder(self._out, item.folder)
                remove_files(folder, (*RESULT_FILES, *STALE_FILES))
                if not isinstance(result, Exception):
                    result.save(folder, **self._settings.drawing)
                    sync_folder(folder.parent)
            row = row_of(item.index, item.path, item.folder or "", result)
        except STOPPING as error:
            self._failure = error
            return
        except Exception as error:  # noqa: BLE001  a bug, which this photograph alone has hit
            row = row_of(item.index, item.path, "", error)
        if row["error"] is None and not item.folder:
            row["folder"] = None
        item.wanted.rows[item.index] = row
        if len(item.wanted.rows) == item.wanted.n:
            item.wanted.is_done.set()


def names_of(chunk: Chunk, block: Any) -> list[str]:
    """Return what the photographs of a chunk are called."""
    if chunk.paths is not None:
        return list(chunk.paths)
    names: list[Any] = block.column("path").take(list(chunk.rows or ())).to_pylist()
    return [str(name) for name in names]


def _items(chunk: Chunk, block: Any, wanted: _Wanted) -> Any:
    images = None
    if block is not None and "image" in block.column_names:
        images = block.column("image").take(list(chunk.rows or ()))
    folders: Sequence[str | None] = chunk.folders or [None] * len(chunk.indices)
    for i, (index, path) in enumerate(zip(chunk.indices, names_of(chunk, block), strict=True)):
        photo = _opened(path) if images is None else (images[i].as_py() or b"")
        yield _Item(photo, index, path, folders[i], wanted)


def _opened(path: str) -> Any:
    """Return a photograph as the engine takes it: its path, or what an object store has there."""
    if "://" not in path:
        return path
    from pyarrow.fs import FileSystem

    try:
        filesystem, inner = FileSystem.from_uri(path)
        with filesystem.open_input_stream(inner) as stream:
            return stream.read()
    except Exception as error:  # noqa: BLE001  what stores raise; the photograph's row says it
        return Unread(f"{path} cannot be read ({said(error)}); an image file is needed")


class Unread:
    """A photograph that an object store did not give; reading it says why."""

    def __init__(self, text: str) -> None:
        """Take what is to be said."""
        self._text = text

    def read(self) -> bytes:
        """Raise the error."""
        raise ImageError(self._text)


def death_of(chunk: Chunk, block: Any) -> list[dict[str, Any]]:
    """Return the rows of photographs over which workers have died again and again."""
    error: DccausalError = InputError(
        f"{chunk.attempts} workers died over it (too little memory?); a photograph that one survives is needed"
    )
    return [
        row_of(index, path, "", error)
        for index, path in zip(chunk.indices, names_of(chunk, block), strict=True)
    ]
