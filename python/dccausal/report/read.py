"""What a report is about: the photographs of a run, of one result, or of a folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dccausal._shared.files import read_bytes
from dccausal.errors import InputError
from dccausal.explanation.result import SCHEMA, SCHEMA_VERSION
from dccausal.runs.manifest import MANIFEST, is_own_folder, is_target_folder, read_manifest
from dccausal.runs.parts import RESULTS, rows_of
from dccausal.runs.table import latest

RESULT, TABLE = "result.json", "results.jsonl"
_N_NAMED = 5
_MOST_BYTES = 4 << 30  # of a table


@dataclass(frozen=True)
class Entry:
    """
    A photograph of a report.

    Attributes
    ----------
    path
        The photograph as it was named; empty where the result does not say.
    folder
        Of its files; None where it could not be explained.
    error, message
        Why not: the kind of error, and its text.

    """

    path: str
    folder: Path | None
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Source:
    """
    What a report is about.

    Attributes
    ----------
    title
        Name of the folder.
    entries
        Its photographs, in the order in which they were given.
    n_left
        Photographs of a run that is not finished.
    manifest
        Of a run.

    """

    title: str
    entries: tuple[Entry, ...]
    n_left: int = 0
    manifest: dict[str, Any] | None = None


def read_source(folder: Path) -> Source:
    """
    Return what a report of this folder is about.

    Raises
    ------
    InputError
        If it is neither a run nor a result nor a folder of results, or its table is damaged.

    """
    title = folder.resolve().name or "results"
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "is not there"
        raise InputError(f"{folder} {state}; the folder of a run or of a result is needed")
    manifest = read_manifest(folder)
    if manifest is not None:
        of_run = _of_cluster if isinstance(manifest.get("run"), dict) else _of_run
        entries, n_left = of_run(folder, manifest)
        return Source(title, entries, n_left, manifest)
    if (folder / RESULT).exists():
        return Source(title, (Entry("", folder),))
    inside = sorted(path.parent for path in folder.glob(f"*/{RESULT}"))
    if not inside:
        lost = f" ({TABLE} is there without it)" if (folder / TABLE).exists() else ""
        raise InputError(
            f"{folder} holds no {MANIFEST}{lost} and no {RESULT}; the folder of a run or of a result is needed"
        )
    return Source(title, tuple(Entry("", place) for place in inside))


def read_result(folder: Path) -> dict[str, Any]:
    """
    Return a result.json of a version that is known.

    Raises
    ------
    InputError
        If there is none, or it is damaged or of another version.

    """
    path = folder / RESULT
    try:
        document = json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read ({reason}); a whole {RESULT} is needed") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{path} is something else; a {SCHEMA} is needed")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} has version {document.get('schema_version')!r}; {SCHEMA_VERSION} is needed")
    return document


def _of_run(run: Path, manifest: dict[str, Any]) -> tuple[tuple[Entry, ...], int]:
    images = manifest["images"]
    path = run / TABLE
    try:
        lines = read_bytes(path, _MOST_BYTES).splitlines(keepends=True)
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); a readable table is needed") from error
    rows = latest(_rows(path, lines, len(images)))
    if not rows:
        raise InputError(
            f"{run} has none of its {len(images)} photographs done; one at least is needed "
            "(explain --resume continues a run)"
        )
    entries = tuple(entry for row in rows for entry in _entries(run, row))
    return entries, len(images) - len(rows)


def _of_cluster(run: Path, manifest: dict[str, Any]) -> tuple[tuple[Entry, ...], int]:
    n_all = manifest["run"].get("n_images")
    found = [
        row
        for row in rows_of(run, ["index", "path", "folder", "error", "message"])
        if isinstance(row["path"], str)
    ]
    rows = sorted(found, key=lambda row: int(row["index"]))
    if not rows:
        raise InputError(
            f"{run} has none of its photographs done; one at least is needed (explain --resume continues a run)"
        )
    if not any(is_own_folder(row["folder"]) for row in rows):
        raise InputError(
            f"{run} has a table ({RESULTS}) and no files of its photographs; a run with --files is needed for a report"
        )
    entries = tuple(
        entry
        for row in rows
        if is_own_folder(row["folder"]) or isinstance(row["error"], str)
        for entry in _entries(run, row)
    )
    return entries, max(0, n_all - len(rows)) if isinstance(n_all, int) else 0


def _rows(path: Path, lines: Sequence[bytes], n_images: int) -> Iterator[dict[str, Any]]:
    damaged = []
    for number, line in enumerate(lines, 1):
        row = _row(line, n_images)
        if row is not None:
            yield row
        elif number < len(lines) or line.endswith(b"\n"):  # the last line of a run under way may be torn
            damaged.append(number)
    if damaged:
        named = ", ".join(map(str, damaged[:_N_NAMED])) + (", ..." if len(damaged) > _N_NAMED else "")
        raise InputError(
            f"{path}: {len(damaged)} of {len(lines)} lines are damaged (line {named}); "
            "a table that nothing else wrote to is needed"
        )


def _row(line: bytes, n_images: int) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        return None
    index = row.get("index")
    is_index = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < n_images
    says_which = is_own_folder(row.get("folder")) or isinstance(row.get("error"), str)
    targets = row.get("targets", [])  # since there are several targets
    are_own = isinstance(targets, list) and all(
        isinstance(one, dict) and is_target_folder(one.get("folder"), str(row.get("folder")))
        for one in targets
    )
    return row if is_index and says_which and are_own else None


def _entries(run: Path, row: Mapping[str, Any]) -> list[Entry]:
    """Return the photograph of a row: once, or once for each of its targets."""
    if isinstance(row.get("error"), str):
        return [Entry(row["path"], None, row["error"], str(row.get("message") or ""))]
    folders = [one["folder"] for one in row.get("targets", [])] or [row["folder"]]
    return [Entry(row["path"], run / folder) for folder in folders]
