"""How a run begins, or goes on: its table, held by this process alone, and the manifest of before or a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dccausal._shared.files import check_writable
from dccausal.errors import InputError, OutputError
from dccausal.runs.manifest import MANIFEST, check_same, read_manifest, write_manifest
from dccausal.runs.table import ResultTable


class Begun(NamedTuple):
    """
    A run that may be written to.

    Attributes
    ----------
    table
        The table, open and locked; to be closed.
    manifest
        The manifest that holds.
    n_new
        Photographs that were not there when the run began.

    """

    table: ResultTable
    manifest: dict[str, Any]
    n_new: int


def check_begin(out: Path, table: str, *, resume: bool) -> None:
    """
    Check, before any work, that a run may begin or go on in a folder.

    Raises
    ------
    InputError
        If it cannot be written, or holds a run that is not to be continued.

    """
    if read_manifest(out) is not None and not resume:
        raise InputError(
            f"{out} holds a run already; --resume continues it, and another --out begins a new one"
        )
    try:
        check_writable(out, [MANIFEST, table])
    except OutputError as error:
        raise InputError(str(error)) from error


def begin(out: Path, table: str, manifest: Mapping[str, Any], *, resume: bool) -> Begun:
    """
    Open the table of a run, and write its manifest or check that it is the one of before.

    The table is locked first, so that of two processes that begin at once one is told.

    Parameters
    ----------
    out
        The folder of the run.
    table
        The name of its table.
    manifest
        What would be written if the run began now.
    resume
        Whether a run that is there is continued.

    Raises
    ------
    InputError
        If another process has the run, it is not to be continued, or was begun otherwise.
    OutputError
        If the folder cannot be written.

    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}); a writable folder is needed") from error
    path = out / table
    # The size is looked at first: rows come after the manifest.
    is_filled = path.is_file() and path.stat().st_size > 0
    if is_filled and read_manifest(out) is None:
        raise InputError(f"{path} is there without {MANIFEST}; another --out is needed")
    opened = ResultTable(path)
    try:
        held = _settle(out, manifest, resume=resume)
    except BaseException:
        opened.__exit__(None, None, None)
        raise
    known = {entry["path"] for entry in held["images"]}
    return Begun(opened, held, sum(entry["path"] not in known for entry in manifest["images"]))


def _settle(out: Path, new: Mapping[str, Any], *, resume: bool) -> dict[str, Any]:
    """Return the manifest that holds, written where there was none."""
    old = read_manifest(out)
    if old is not None:
        if not resume:
            raise InputError(
                f"{out} holds a run already; --resume continues it, and another --out begins a new one"
            )
        check_same(out, old, new)
        return old
    write_manifest(out, new)
    return dict(new)


def check_reachable(paths: Sequence[str], arguments: Sequence[str]) -> None:
    """
    Refuse to record every photograph as missing because a run is continued in another folder.

    Raises
    ------
    InputError
        If none of the paths is there.

    """
    if paths and not any(Path(path).exists() for path in paths):
        raise InputError(
            f"none of the {len(paths)} photographs left is there ({paths[0]}, ...); the folder in which the "
            f"run was begun is needed (it was begun with {' '.join(arguments)} there)"
        )
