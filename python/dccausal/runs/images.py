"""Which photographs a run is about: files, folders and patterns, in an order that does not change."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dccausal.errors import ImageError
from dccausal.inputs.photo_files import add_formats

# What a folder is searched for; a file that is named, or matched by a pattern, may have any suffix.
SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
        *(".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)


def is_many(argument: str) -> bool:
    """Return whether an argument stands for photographs that have to be looked for."""
    path = Path(argument)
    return path.is_dir() or (glob.has_magic(argument) and not os.path.lexists(path))


def collect(arguments: Sequence[str], out: Path, *, recursive: bool) -> list[str]:
    """
    Return the paths of the photographs, each once, as they are to be opened.

    Parameters
    ----------
    arguments
        Files, folders, and patterns (``*``, ``?``, ``[...]``, and ``**`` for any folders).
    out
        Folder of the results, which is never searched.
    recursive
        Whether the folders in a folder are searched too; hidden ones and links to folders are not.

    Raises
    ------
    ImageError
        If an argument stands for no photograph at all.

    """
    return list(stream(arguments, out, recursive=recursive))


def stream(arguments: Sequence[str], out: Path, *, recursive: bool) -> Iterator[str]:
    """Yield what ``collect`` returns, of a single folder without holding it; raises what ``collect`` raises."""
    seen: set[str] | None = None if len(arguments) == 1 and not glob.has_magic(arguments[0]) else set()
    for argument in arguments:
        is_empty = True
        for path in _of(argument, out, recursive=recursive):
            is_empty = False
            if seen is None:
                yield path
            elif (normal := os.path.normpath(path)) not in seen:
                seen.add(normal)
                yield path
        if is_empty:
            raise ImageError(f"{argument} {_nothing(argument, recursive=recursive)}")


def passed_over(arguments: Sequence[str], out: Path, *, recursive: bool) -> list[str]:
    """Return the files in the folders among the arguments that are no photographs by their suffix."""
    folders = [argument for argument in arguments if Path(argument).is_dir()]
    found = (path for folder in folders for path in _files(folder, out, recursive=recursive))
    return [path for path in found if not _is_photograph(path)]


def _of(argument: str, out: Path, *, recursive: bool) -> Iterator[str]:
    if not is_many(argument):
        yield argument
    elif Path(argument).is_dir():
        yield from _in_folder(argument, out, recursive=recursive)
    else:
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207  of a pattern anywhere
        yield from (path for path in matches if Path(path).is_file() and not _is_in(path, out))


def _in_folder(folder: str, out: Path, *, recursive: bool) -> Iterator[str]:
    found = _files(folder, out, recursive=recursive, unread=_unread)
    yield from (path for path in found if _is_photograph(path))


def _files(
    folder: str, out: Path, *, recursive: bool, unread: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    for place, folders, files in os.walk(folder, onerror=unread):
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and not _is_in(_join(place, name), out)
        )
        for name in sorted(files):
            if not name.startswith("."):
                yield _join(place, name)


def _unread(error: OSError) -> None:
    """Say that a folder cannot be searched, whose photographs would be missing without a word."""
    raise ImageError(
        f"{error.filename} cannot be searched ({error.strerror}); a folder that may be read is needed"
    ) from error


def _is_photograph(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    return suffix in SUFFIXES or suffix in add_formats()


def _join(place: str, name: str) -> str:
    return os.path.normpath(os.path.join(place, name))  # noqa: PTH118  a Path would drop what a name may hold


def _is_in(path: str, out: Path) -> bool:
    return Path(path).absolute().is_relative_to(Path(os.path.normpath(out.absolute())))


def _nothing(argument: str, *, recursive: bool) -> str:
    if not Path(argument).is_dir():
        return "matches no file; a pattern that matches photographs is needed"
    hint = "" if recursive else " (--recursive searches its folders too)"
    return f"holds no photographs; files with a suffix like .jpg or .png are needed{hint}"


def plan_folders(images: Sequence[str], out: Path) -> list[Path]:
    """
    Return the folder of each photograph's results: ``out / stem``, with -2, -3, ... where that is taken.

    Names are compared without regard to case, since some file systems do so.
    """
    name = Namer()
    return [out / name(image) for image in images]


class Namer:
    """Gives each photograph the name of its folder, one after the other."""

    def __init__(self) -> None:
        """No name is taken yet."""
        self._taken: set[str] = set()

    def __call__(self, image: str) -> str:
        """Return the name for a path."""
        stem = Path(image).stem
        stem = "photo" if stem in ("", ".", "..") else stem
        name, n = stem, 1
        while name.casefold() in self._taken:
            n += 1
            name = f"{stem}-{n}"
        self._taken.add(name.casefold())
        return name
