"""Where files that can be made anew are kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dccausal.errors import OutputError


def cache_folder(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> Path:
    """
    Return the folder for files that can be made again; it need not exist.

    ``DCCAUSAL_CACHE`` if that is set; otherwise ``dccausal`` in the platform's own place:
    ``%LOCALAPPDATA%`` on Windows, ``~/Library/Caches`` on macOS, ``$XDG_CACHE_HOME`` or ``~/.cache``
    elsewhere.

    Raises
    ------
    OutputError
        If the user has no home folder.

    """
    if override := environ.get("DCCAUSAL_CACHE"):
        return Path(override)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise OutputError(
            "the user has no home folder for the default model; a folder in DCCAUSAL_CACHE is needed"
        ) from error
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "dccausal" / "Cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "dccausal"
    named = Path(environ.get("XDG_CACHE_HOME", ""))  # relative paths are invalid there and to be ignored
    return (named if named.is_absolute() else home / ".cache") / "dccausal"
