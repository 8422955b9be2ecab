"""
Files: read only where they are regular ones, written whole or not at all, folders tried before the work.

A named pipe would have its reader wait for ever, and a device never ends; either may bear the name of a photograph.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.unfinished import Unfinished, remove_unfinished, temporary_name
from dccausal.errors import OutputError

if TYPE_CHECKING:
    from PIL import Image

# A third of the time of zlib's default, and 4 % more bytes, for the pictures of an explanation.
_PNG_LEVEL = 3
# What is read at once, unless the caller expects more; photographs and models have limits of their own.
_MOST_BYTES = 256 << 20
_KINDS = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class UnsuitableFileError(OSError):
    """A path leads to something that cannot be read like a file, or holds too much."""

    def __str__(self) -> str:
        """Return the reason alone."""
        return str(self.strerror)


def check_regular(path: str | os.PathLike[str]) -> None:
    """
    Check, without opening it, that a path leads to a regular file or a folder.

    Raises
    ------
    UnsuitableFileError
        If it is a named pipe, a device or a socket; the reason names it.
    OSError
        If it is not there.

    """
    _check_kind(Path(path).stat().st_mode, path)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a regular file; no for what cannot be a path."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name too long, say
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a folder; no for what cannot be a path."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """
    Open a regular file for reading; a named pipe is not waited for.

    Raises
    ------
    OSError
        If it is none, or cannot be opened.

    """
    check_regular(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags)  # not waiting: it may have become a pipe since
    try:
        _check_kind(os.fstat(file).st_mode, path)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def read_bytes(path: str | os.PathLike[str], most: int = _MOST_BYTES) -> bytes:
    """
    Return what a regular file holds.

    Raises
    ------
    UnsuitableFileError
        If it is none, or has more than ``most`` bytes.
    OSError
        If it cannot be read.

    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise UnsuitableFileError(errno.EFBIG, f"it has more than {most:,} bytes", os.fspath(path))
        return file.read()


def read_text(
    path: str | os.PathLike[str], encoding: str = "utf-8-sig", *, newline: str | None = None
) -> str:
    """Return the text of a regular file, as ``open`` would; raises what ``read_bytes`` raises, and ValueError."""
    return io.TextIOWrapper(io.BytesIO(read_bytes(path)), encoding=encoding, newline=newline).read()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the hash of a regular file as hexadecimal digits; raises what ``open_regular`` raises."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_kind(mode: int, path: str | os.PathLike[str]) -> None:
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise UnsuitableFileError(errno.EINVAL, f"it is {name}", os.fspath(path))


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
        try:
            check_regular(folder / name)
        except UnsuitableFileError as error:  # a device would be replaced by the file
            raise OutputError(
                f"{folder / name} cannot be written ({error}); the name of a file is needed"
            ) from error
        except OSError:
            continue
    file = existing / temporary_name("probe")
    with file.open("xb"):
        pass
    file.unlink()
    for part in folder.relative_to(existing).parts:  # a name may be one that no file can have
        with contextlib.suppress(FileNotFoundError):
            (existing / part).lstat()


def write_files(
    folder: str | os.PathLike[str],
    files: Mapping[str, bytes],
    stale: Iterable[str] = (),
) -> None:
    """
    Write files into a folder, each whole or not at all; the folder is created where it is missing.

    All contents are on the disk under temporary names before the first file gets its own, so a full disk
    leaves an earlier result untouched. The last file is the mark that the others are complete: an older one
    of its name goes first, and the new one comes last. A file of its own replaces an older one at once. What a killed
    process left of files of these names goes; what another process is writing stays.

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
    folder, stale = Path(folder), list(stale)
    unfinished: dict[Path, Unfinished] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            remove_unfinished(folder, name)
            unfinished[folder / name] = Unfinished(folder, name)
            unfinished[folder / name].write(content)
        *others, mark = unfinished
        if others or stale:
            for path in (mark, *(folder / name for name in stale)):
                path.unlink(missing_ok=True)
        for path, written in unfinished.items():
            written.path.replace(path)
        sync_folder(folder)
    except (OSError, ValueError) as error:
        raise _not_written(folder, error) from error
    finally:
        for written in unfinished.values():
            written.end()


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
            remove_unfinished(folder, name)
    except OSError as error:
        raise _not_written(folder, error) from error
    with contextlib.suppress(OSError):
        folder.rmdir()


def png_bytes(image: Image.Image) -> bytes:
    """Return an image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def read_array(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array in a file of numpy's format; raises OSError if it cannot be read, ValueError if it is none."""
    return array_of(read_bytes(path))


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array in the content of such a file; raises ValueError. One of objects would run programs."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, EOFError) as error:
        raise ValueError(str(error)) from error
    except MemoryError as error:
        raise ValueError("its heading names more numbers than memory can hold") from error
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds several arrays")  # noqa: TRY004  it is of the file, not of the caller
    return array


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as a file of numpy's format, the same bytes for the same array."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


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
