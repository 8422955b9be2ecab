"""
The table of a run: a line of JSON for each photograph, on the disk before the next is begun.

A process may be killed, or the power fail, at any time. Then at most the last line is torn; opening the table
again cuts it off. All lines before are whole, because each was brought to the disk on its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dccausal._shared.files import check_regular, npy_bytes, read_bytes
from dccausal._shared.json import json_text
from dccausal._shared.text import said
from dccausal.errors import InputError, OutputError
from dccausal.explanation.explanation import Explanation

TABLE = "results.jsonl"
_MOST_BYTES = 4 << 30  # of a table: some millions of rows
COLUMNS = (
    *("index", "path", "folder", "outcome", "label", "name", "score", "explanation_score", "size", "notes"),
    *("photo_width", "photo_height", "model_calls", "questions", "seconds", "model_seconds"),
    *("image_sha256", "heatmap_sha256", "error", "message", "levels", "targets"),
)
# What "levels" says of each nested set.
LEVEL = ("confidence", "size", "score", "outcome")
# What "targets" says of each of several targets of one photograph.
TARGET = ("folder", "title", "label", "name", "score", "explanation_score", "size", "outcome", "model_calls")


class ResultTable:
    """
    results.jsonl, open for appending by this process alone.

    Parameters
    ----------
    path
        The file; created where it is missing.

    Attributes
    ----------
    rows
        All rows, those of earlier processes first.
    torn
        Bytes of a torn last line that were cut off on opening.

    Raises
    ------
    InputError
        If another process has the table open, or a line in its middle is damaged.
    OutputError
        If the file cannot be written.

    """

    def __init__(self, path: Path) -> None:
        """Open, lock, read and mend the table."""
        self.path = path
        try:
            if path.exists():
                check_regular(path)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            reason = "it is a link" if path.is_symlink() else error.strerror
            raise OutputError(f"{path} cannot be written ({reason}); a writable file is needed") from error
        try:
            lock(self._file, path)
            content = read_bytes(path, _MOST_BYTES)
            self.rows, whole = _read(content, path)
            self.torn = len(content) - whole
            if self.torn:
                os.ftruncate(self._file, whole)
                os.fsync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    def append(self, row: Mapping[str, Any]) -> None:
        """
        Write a row and bring it to the disk.

        Raises
        ------
        OutputError
            If that fails; the table is then as it was.

        """
        line = (json_text(row) + "\n").encode("ascii")
        before = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, before)
            raise OutputError(f"{self.path} cannot be written ({error.strerror}); space is needed") from error
        self.rows.append(dict(row))

    def __enter__(self) -> Self:
        """Return the table."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, which frees the lock."""
        os.close(self._file)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """
    Return the rows of a table that another process may be writing; a torn last line is left out.

    Raises
    ------
    InputError
        If the table is not there, or a line in its middle is damaged.

    """
    try:
        return _read(read_bytes(path, _MOST_BYTES), path)[0]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); the table of a run is needed") from error


def latest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the last row of each photograph, in the order of the manifest."""
    by_index = {row["index"]: row for row in rows}
    return [by_index[index] for index in sorted(by_index)]


def rows_of_targets(folder: str, results: Mapping[str, Explanation]) -> list[dict[str, Any]]:
    """Return what a row says of several targets, by the names of their folders in that of the photograph."""
    return [
        {
            "folder": f"{folder}/{name}",
            **{column: getattr(result, column) for column in TARGET[1:-1]},
            "model_calls": result.statistics.get("model_calls"),
        }
        for name, result in results.items()
    ]


def row_of(
    index: int, path: str, folder: str, result: Explanation | Mapping[str, Explanation] | Exception
) -> dict[str, Any]:
    """
    Return the row of a photograph, with every column.

    Of several targets, by the names of their folders, it is the row of the first; calls and seconds are those of all.
    """
    if isinstance(result, Mapping):
        row = row_of(index, path, folder, next(iter(result.values())))
        for name in ("model_calls", "questions", "seconds", "model_seconds"):
            row[name] = sum(one.statistics.get(name) or 0 for one in result.values())
        return {**row, "targets": rows_of_targets(folder, result)}
    row = dict.fromkeys(COLUMNS)
    row.update(index=index, path=path, notes=[], levels=[], targets=[])
    if isinstance(result, Exception):
        row.update(error=type(result).__name__, message=said(result))
        return row
    row.update(
        {name: getattr(result, name) for name in ("outcome", "label", "name", "score", "explanation_score")}
    )
    row.update(folder=folder, size=result.size, notes=list(result.notes))
    row.update(photo_width=result.photo.width, photo_height=result.photo.height)
    statistics = ("model_calls", "questions", "seconds", "model_seconds")
    row.update({name: result.statistics.get(name) for name in statistics})
    row.update(levels=[{name: getattr(level, name) for name in LEVEL} for level in result.levels])
    row.update(image_sha256=_sha256(result.image.data), heatmap_sha256=_sha256(npy_bytes(result.heatmap)))
    return row


def _read(content: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the rows, and the number of bytes that are whole lines."""
    lines = content.splitlines(keepends=True)
    rows: list[dict[str, Any]] = []
    whole = 0
    for i, line in enumerate(lines):
        row = _row(line)
        if row is None:
            if i < len(lines) - 1:
                raise InputError(
                    f"{path}: line {i + 1} of {len(lines)} is damaged; a table that nothing else wrote to is needed"
                )
            break
        rows.append(row)
        whole += len(line)
    return rows, whole


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("index"), int) else None


def _sha256(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()


def lock(file: int, path: Path) -> None:
    """
    Take an open file for this process; the system frees it when the process ends, however it ends.

    Raises
    ------
    InputError
        If another process has it.

    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"{path} is being written by another process; a run that is not under way is needed"
        ) from error
    except OSError:  # a file system without locks
        return
