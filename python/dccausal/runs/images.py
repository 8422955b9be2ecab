"""Which photographs a run is about: files, folders and patterns, in an order that does not change."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
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
    found: dict[str, str] = {}
    for argument in arguments:
        paths = list(_of(argument, out, recursive=recursive))
        if not paths:
            raise ImageError(f"{argument} {_nothing(argument, recursive=recursive)}")
        for path in paths:
            found.setdefault(os.path.normpath(path), path)
    return list(found.values())


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
    yield from (path for path in _files(folder, out, recursive=recursive) if _is_photograph(path))


def _files(folder: str, out: Path, *, recursive: bool) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and not _is_in(_join(place, name), out)
        )
        for name in sorted(files):
            if not name.startswith("."):
                yield _join(place, name)


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
    taken: set[str] = set()
    folders = []
    for image in images:
        stem = Path(image).stem
        stem = "photo" if stem in ("", ".", "..") else stem
        name, n = stem, 1
        while name.casefold() in taken:
            n += 1
            name = f"{stem}-{n}"
        taken.add(name.casefold())
        folders.append(out / name)
    return folders
