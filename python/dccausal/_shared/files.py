"""Files that are there whole or not at all, and the question whether a folder can be written, asked early."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import OutputError

if TYPE_CHECKING:
    from PIL import Image

# A third of the time of zlib's default, and 4 % more bytes, for the pictures of an explanation.
_PNG_LEVEL = 3


def check_writable(folder: str | os.PathLike[str], names: Iterable[str] = ()) -> None:
    """
    Check that files can be written into a folder, which need not exist yet; leave nothing behind.

    Parameters
    ----------
    folder
        The folder; what is missing of its path would be created later.
    names
        Names of the files to come.

    Raises
    ------
    OutputError
        If the folder or a part of its path is a file, if it may not be written, or if one of the names is
        taken by a folder.

    """
    folder = Path(folder)
    try:
        _probe(folder, names)
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise _not_written(folder, error) from error


def _probe(folder: Path, names: Iterable[str]) -> None:
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise OutputError(f"{folder} cannot be written: {existing} is not a folder; a folder is needed")
    for name in names:
        if (folder / name).is_dir():
            raise OutputError(f"{folder / name} is a folder; a file of that name is to be written")
    file = existing / _temporary("probe")
    with file.open("xb"):
        pass
    file.unlink()
    for part in folder.relative_to(existing).parts:  # a name may be one that no file can have
        with contextlib.suppress(FileNotFoundError):
            (existing / part).lstat()


def write_files(
    folder: str | os.PathLike[str], files: Mapping[str, bytes], stale: Iterable[str] = ()
) -> None:
    """
    Write files into a folder, each whole or not at all; the folder is created where it is missing.

    All contents are on the disk under temporary names before the first file gets its own, so a full disk
    leaves an earlier result untouched. The last file is the mark that the others are complete: an older one
    of its name goes first, and the new one comes last.

    Parameters
    ----------
    folder
        The folder.
    files
        Contents by name, in the order in which they appear.
    stale
        Names of files that an earlier run may have left and that this result does not have.

    Raises
    ------
    OutputError
        If a file cannot be written.

    """
    folder = Path(folder)
    temporary: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            temporary[path] = folder / _temporary(name)
            _write_through(temporary[path], content)
        *_, mark = temporary
        for path in (mark, *(folder / name for name in stale)):
            path.unlink(missing_ok=True)
        for path, written in temporary.items():
            written.replace(path)
        sync_folder(folder)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        for written in temporary.values():
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)


def remove_files(folder: str | os.PathLike[str], names: Sequence[str]) -> None:
    """
    Remove files from a folder, last names first, with what a killed process left of them; and an empty folder.

    Raises
    ------
    OutputError
        If a file cannot be removed.

    """
    folder = Path(folder)
    try:
        for name in reversed(names):
            (folder / name).unlink(missing_ok=True)
            for left in folder.glob(f".{glob.escape(name)}.{'[0-9a-f]' * 12}.tmp"):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(folder, error) from error
    with contextlib.suppress(OSError):
        folder.rmdir()


def png_bytes(image: Image.Image) -> bytes:
    """Return an image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as a file of numpy's format, the same bytes for the same array."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _temporary(name: str) -> str:
    return f".{name}.{secrets.token_hex(6)}.tmp"


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the new names to the disk, where the system can (Windows cannot open a folder)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_written(folder: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(f"{folder} cannot be written ({reason}); a folder that may be written is needed")
