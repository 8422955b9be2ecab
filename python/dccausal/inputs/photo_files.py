"""Opening a photograph's file: which formats there are, how large it may be, what it is if it is none."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from dccausal.errors import ImageError, OptionError

if TYPE_CHECKING:
    from PIL import Image

LIMIT = "DCCAUSAL_MAX_PIXELS"

_PREFIX = 16  # bytes that Pillow's formats are told by
_N_LOOKED_AT = 256

# What is no photograph that Pillow reads, by how it begins: (place, bytes), what it is, what is to be done.
_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"ftyphei", "HEIC", "pip install pillow-heif reads it"),
    (4, b"ftyphev", "HEIC", "pip install pillow-heif reads it"),
    (4, b"ftypmif1", "HEIC", "pip install pillow-heif reads it"),
    (4, b"ftypmsf1", "HEIC", "pip install pillow-heif reads it"),
    (0, b"\xff\x0a", "JPEG XL", "djxl, or pip install pillow-jxl-plugin, turns it into another format"),
    (
        0,
        b"\x00\x00\x00\x0cJXL ",
        "JPEG XL",
        "djxl, or pip install pillow-jxl-plugin, turns it into another format",
    ),
    (128, b"DICM", "DICOM", "dcmj2pnm, or pydicom, turns it into a PNG file"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "git lfs pull fetches it"),
    (0, b"%PDF", "a PDF file", "a picture of the page is needed"),
    (0, b"\x93NUMPY", "an array of NumPy's", "numpy.load and dccausal.explain in Python take it"),
    (0, b"\x1f\x8b", "compressed by gzip", "gunzip unpacks it"),
    (0, b"PK\x03\x04", "a zip archive", "unzip unpacks it"),
    (0, b"\x89HDF", "an HDF5 file", "a picture is needed"),
    (0, b"SIMPLE  =", "FITS", "a picture is needed"),
)
_TEXTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (
        re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE),
        "a web page",
        "the address of the picture itself is needed",
    ),
    (
        re.compile(rb"\s*(<\?xml.*)?<svg", re.IGNORECASE | re.DOTALL),
        "an SVG drawing",
        "a PNG file of it is needed",
    ),
)


def most_pixels(environ: Mapping[str, str] = os.environ) -> int | None:
    """
    Return how many pixels a photograph may have; None where there is no limit.

    ``DCCAUSAL_MAX_PIXELS`` in the environment says so, 0 for no limit; otherwise it is Pillow's own,
    ``PIL.Image.MAX_IMAGE_PIXELS``.

    Raises
    ------
    OptionError
        If the variable is no whole number.

    """
    from PIL import Image

    text = environ.get(LIMIT, "").strip().replace("_", "")
    if not text:
        return Image.MAX_IMAGE_PIXELS
    if not text.isdecimal():
        raise OptionError(f"{LIMIT} is {text[:40]!r}; a whole number of pixels is needed, 0 for no limit")
    return int(text[:18]) or None


def check_pixels(size: tuple[int, int], what: str, most: int | None = None) -> None:
    """
    Check that a photograph (width, height) is not larger than it may be, and has at most ``most`` pixels.

    Raises
    ------
    ImageError
        If it is.

    """
    if most is not None and size[0] * size[1] > most:
        raise ImageError(
            f"{what} is too large: {size[0]} x {size[1]} pixels; at most {most} pixels are needed"
        )
    limit = most_pixels()
    if limit is not None and size[0] * size[1] > limit:
        raise ImageError(
            f"{what} is too large: {size[0]} x {size[1]} pixels; at most {limit} pixels are needed "
            f"(for a file you trust, set {LIMIT}, or PIL.Image.MAX_IMAGE_PIXELS)"
        )


def open_image(stream: BinaryIO, name: str) -> Image.Image:
    """
    Return an image that is open for reading, of whatever size: that is for ``check_pixels`` to judge.

    ``Image.open`` itself warns or refuses by a limit that belongs to the whole process, whose warning filters and
    limit are not ours to change. So its formats are asked here, in its order.

    Raises
    ------
    PIL.UnidentifiedImageError
        If no format is the file's.

    """
    from PIL import Image, UnidentifiedImageError

    add_formats()
    prefix = stream.read(_PREFIX)
    for load in (Image.preinit, Image.init):
        load()
        for kind in Image.ID:
            factory, accept = Image.OPEN[kind]
            image = _opened(factory, accept, prefix, stream, name)
            if image is not None:
                return image
    raise UnidentifiedImageError(f"cannot identify {name}")


def _opened(factory: Any, accept: Any, prefix: bytes, stream: BinaryIO, name: str) -> Image.Image | None:
    import struct

    try:
        fits = accept is None or accept(prefix)
        if not fits or isinstance(fits, str):  # a text is a warning about a part of Pillow that is not there
            return None
        stream.seek(0)
        image: Image.Image = factory(stream, name)
    except (SyntaxError, IndexError, TypeError, struct.error):  # as Image.open: another format may be it
        return None
    return image


@cache
def add_formats() -> frozenset[str]:
    """Have Pillow read HEIC and JPEG XL where their packages are installed; return the suffixes that it then reads."""
    found: set[str] = set()
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
        found |= {".heic", ".heif", ".hif"}
    try:
        import pillow_jxl  # type: ignore[import-not-found,unused-ignore]  # noqa: F401  it registers itself
    except ImportError:
        pass
    else:
        found.add(".jxl")
    return frozenset(found)


def what_it_is(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that is no photograph, by its first bytes, and what to do; None where they do not tell."""
    for place, beginning, what, advice in _KINDS:
        if head[place : place + len(beginning)] == beginning:
            return what, advice
    for pattern, what, advice in _TEXTS:
        if pattern.match(head):
            return what, advice
    return None


def unreadable(what: str, stream: BinaryIO) -> ImageError:
    """Return the error about a file that no format of Pillow's is of."""
    stream.seek(0)
    kind = what_it_is(stream.read(_N_LOOKED_AT))
    if kind is None:
        return ImageError(f"{what} is not an image that Pillow can read; JPEG, PNG, WebP, ... is needed")
    return ImageError(
        f"{what} is {kind[0]}, not an image that Pillow can read; JPEG, PNG, WebP, ... is needed ({kind[1]})"
    )


def held(data: bytes) -> BinaryIO:
    """Return bytes as a file."""
    return io.BytesIO(data)
