"""
The table of a run on many machines: a data set of Parquet files, each whole or not there.

A part has the rows of some photographs and is named by the first of them. It is written at once, after the files of
its photographs. So whoever is killed leaves whole parts and what belongs to none, and a part that is made again has
the same name and the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dccausal._shared.files import read_bytes, write_files
from dccausal.errors import InputError, OutputError
from dccausal.runs.export import parquet_bytes, require_arrow

RESULTS = "results"
_A_FOLDER = 100_000  # photographs whose parts lie in one folder
_NAME = re.compile(r"part-\d{12}\.parquet")
_TOKEN = ".run"  # noqa: S105  in the folder of the parts: which process the run belongs to


def part_path(out: Path, first: int) -> Path:
    """Return the file of the part that begins with a photograph."""
    return out / RESULTS / f"shard={first // _A_FOLDER:05d}" / f"part-{first:012d}.parquet"


def write_part(out: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """
    Write a part, whole or not at all; the same part of before is replaced.

    Parameters
    ----------
    out
        The folder of the run.
    rows
        Those of ``row_of``, at least one, in the order of their indices.

    Raises
    ------
    OutputError
        If it cannot be written.

    """
    path = part_path(out, rows[0]["index"])
    write_files(path.parent, {path.name: parquet_bytes(rows)})
    return path


def parts_of(out: Path) -> list[Path]:
    """Return the parts that are there, in the order of the photographs."""
    found = (out / RESULTS).glob("shard=*/part-*.parquet")
    return sorted(path for path in found if _NAME.fullmatch(path.name))


def read_part(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """
    Return the rows of a part.

    Raises
    ------
    InputError
        If it is none.

    """
    pa = require_arrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(read_bytes(path))) as file:
            rows: list[dict[str, Any]] = file.read(columns=columns).to_pylist()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({error}); a part of a run is needed") from error
    return rows


def rows_of(out: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run, a part after the other."""
    for path in parts_of(out):
        yield from read_part(path, columns)


class Done:
    """Which photographs are done: a byte for each, so that ten million take ten megabytes."""

    def __init__(self) -> None:
        """None are."""
        self._flags = bytearray()
        self.n = 0

    def __contains__(self, index: int) -> bool:
        """Return whether a photograph is done."""
        return index < len(self._flags) and bool(self._flags[index])

    def add(self, index: int) -> bool:
        """Note that a photograph is done; return whether it was not before."""
        if index in self:
            return False
        if index >= len(self._flags):
            self._flags.extend(bytes(max(index + 1 - len(self._flags), len(self._flags))))
        self._flags[index] = 1
        self.n += 1
        return True


def settle(
    out: Path, *, retry: bool = False, count: Callable[[Mapping[str, Any]], object] | None = None
) -> Done:
    """
    Return what is done, and leave each photograph in one part.

    What killed processes left of files goes. Where a photograph is in two parts, since a process went on that was
    taken for dead, the second one loses it.

    Parameters
    ----------
    out
        The folder of the run.
    retry
        Whether photographs that failed are taken out of their parts, so that they are not done.
    count
        Is given each row that stays, with "index", "error", "outcome", "size" and "model_calls".

    Raises
    ------
    InputError
        If a part cannot be read.
    OutputError
        If one cannot be written.

    """
    columns = ["index", "error", "outcome", "size", "model_calls"]
    done = Done()
    moved: dict[Path, set[int]] = {}  # what parts have got from earlier ones
    for left in (out / RESULTS).glob("shard=*/.part-*.tmp"):
        left.unlink(missing_ok=True)
    for path in parts_of(out):
        kept = moved.pop(path, set())
        rows = read_part(path, columns)
        for row in rows:
            if (
                row["index"] not in kept
                and not (retry and row["error"] is not None)
                and done.add(row["index"])
            ):
                kept.add(row["index"])
                if count is not None:
                    count(row)
        if len(kept) < len(rows):
            moved |= _keep(out, path, kept)
    return done


def _keep(out: Path, path: Path, kept: set[int]) -> dict[Path, set[int]]:
    """Leave only some rows in a part; they may go to another that is there already, and which is returned then."""
    rows = [row for row in read_part(path) if row["index"] in kept]
    target = part_path(out, rows[0]["index"]) if rows else None
    moved: dict[Path, set[int]] = {}
    if target is not None and target != path and target.exists():
        rows += [row for row in read_part(target) if row["index"] not in kept]
        rows.sort(key=lambda row: row["index"])
        moved[target] = kept
    if target is not None:
        write_part(out, rows)
    if target != path:
        path.unlink(missing_ok=True)
    return moved


def take_over(out: Path, token: str) -> None:
    """Note that the run belongs to a process from now on; others stop writing to it."""
    write_files(out / RESULTS, {_TOKEN: token.encode("ascii")})


def check_owner(out: Path, token: str) -> None:
    """
    Check that the run still belongs to a process.

    Raises
    ------
    OutputError
        If another one has taken it over, or the folder is another one here.

    """
    try:
        held = (out / RESULTS / _TOKEN).read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise OutputError(
            f"{out} is not the folder of the run for a worker ({error.strerror}); a folder that all of them see is "
            "needed"
        ) from error
    if held != token:
        raise OutputError(f"{out} was taken over by another process; one at a time is needed")
