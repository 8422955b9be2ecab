"""
Files that are being written, under a temporary name until they are whole.

A process that is killed leaves such a file. The next one that writes a file of the same name removes it, if it can
lock it: the lock of a process ends with the process.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import sys
import time
from pathlib import Path
from typing import BinaryIO

# Where files are not locked, one that is unfinished for so long is nobody's.
_ABANDONED_S = 3600

if sys.platform == "win32":  # which renames and removes no file that is open

    def _hold(file: BinaryIO) -> bool:
        return not file.closed

    def _written(file: BinaryIO) -> None:
        file.close()

    def _remove_abandoned(path: Path) -> None:
        if time.time() - path.stat().st_mtime > _ABANDONED_S:
            path.unlink(missing_ok=True)

else:
    import fcntl

    def _hold(file: BinaryIO) -> bool:
        """Lock a new file; return whether it is still there, and was not taken for abandoned before."""
        with contextlib.suppress(
            OSError
        ):  # of a file system without locks; nobody takes it for abandoned then
            fcntl.flock(file, fcntl.LOCK_EX)
        return os.fstat(file.fileno()).st_nlink > 0

    def _written(file: BinaryIO) -> None:
        """Keep the lock until the file has its name."""

    def _remove_abandoned(path: Path) -> None:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


class Unfinished:
    """
    A new file in a folder that exists, under a temporary name.

    Parameters
    ----------
    folder, name
        Where the file will be, and what it will be called.

    Attributes
    ----------
    path
        Where it is now.

    """

    def __init__(self, folder: Path, name: str) -> None:
        """Make the file; raises OSError where that cannot be."""
        while True:
            self.path = folder / temporary_name(name)
            self._file = self.path.open("xb")
            if _hold(self._file):
                return
            self._file.close()

    def write(self, content: bytes) -> None:
        """Bring the whole content to the disk; ``path`` can be renamed then."""
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        _written(self._file)

    def end(self) -> None:
        """Close the file, and leave nothing under the temporary name."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove what a killed process has left of a file that it was writing, and not what another is writing now."""
    for left in folder.glob(f".{glob.escape(name)}.{'[0-9a-f]' * 12}.tmp"):
        with contextlib.suppress(OSError):
            _remove_abandoned(left)


def temporary_name(name: str) -> str:
    """Return a name that no file has, hidden, with the name in it."""
    return f".{name}.{secrets.token_hex(6)}.tmp"
