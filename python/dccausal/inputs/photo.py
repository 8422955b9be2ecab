"""A photograph from wherever it comes (a file, a Pillow image, an array), turned into upright 8-bit RGB.

What is decided here, once for the whole package:

* The EXIF orientation is applied: the image is what a viewer shows.
* Transparent pixels are composited on white, as browsers and viewers do.
* 16-bit greyscale is scaled from 0..65535 to 0..255 (65535 becomes 255), not cut off. Cameras and scanners write 12
  bits, or 8, into such files; then a note says so, and ``stretch`` makes 0..255 of the range that is used.
  In TIFF files 0 may be white; they are turned round.
* CMYK is converted without a colour profile, as Pillow does.
* Of a file with several frames, the first is taken.
* Both sides need at least 2 pixels: one row or column cannot be divided. Long and thin is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import is_file, is_folder, open_regular
from dccausal._shared.text import said
from dccausal.errors import DccausalError, ImageError
from dccausal.inputs.photo_files import check_pixels, held, open_image, unreadable

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 2

_WHITE = (255, 255, 255, 255)
_MAX_16_BIT = 65535
_PHOTOMETRIC = 262  # the tag of TIFF that says what 0 is
# What Pillow keeps with an image that says how it is turned.
_ORIENTED = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
# What turns an image upright, by its EXIF orientation.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_DARK = 4  # a photograph that uses no more than this part of the range was meant otherwise


@dataclass(frozen=True)
class Photograph:
    """
    A photograph as it was read.

    Attributes
    ----------
    image
        Upright, of mode RGB.
    notes
        Sentences about what should be known of it.

    """

    image: Image.Image
    notes: tuple[str, ...] = ()


def load_photo(
    source: str | os.PathLike[str] | Image.Image | NDArray[Any] | bytes | BinaryIO, *, stretch: bool = False
) -> Image.Image:
    """
    Return the photograph as an upright Pillow image of mode RGB.

    Parameters
    ----------
    source
        The path of an image file, its bytes, or a file that is open for reading; a Pillow image of any mode; or a
        uint8 array of shape (H, W, 3) RGB, (H, W, 4) RGB and opacity, (H, W, 1) or (H, W) greyscale. The source
        itself is left as it is.
    stretch
        Whether, of 16-bit greyscale, the range of values that is used becomes 0..255; other images stay as they are.

    Raises
    ------
    ImageError
        If the file is missing, empty, damaged, not an image; if it or the Pillow image is larger than
        ``DCCAUSAL_MAX_PIXELS`` in the environment or else ``PIL.Image.MAX_IMAGE_PIXELS``; if the array has another
        shape or dtype; if a side is shorter than 2 pixels.

    """
    return read_photo(source, stretch=stretch).image


def read_photo(
    source: str | os.PathLike[str] | Image.Image | NDArray[Any] | bytes | BinaryIO, *, stretch: bool = False
) -> Photograph:
    """Return the same as ``load_photo``, with notes."""
    from PIL import Image

    if isinstance(source, np.ndarray):
        photo, what = _from_array(source, stretch=stretch), "the array"
    elif isinstance(source, Image.Image):
        what = "the Pillow image"
        check_pixels(source.size, what)
        photo = _to_rgb(source, what, stretch=stretch)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        what = str(path)
        photo = _from_file(path, stretch=stretch)
    elif isinstance(source, bytes | bytearray | memoryview):
        what = "the photograph given as bytes"
        photo = _from_stream(held(bytes(source)), what, stretch=stretch)
    elif hasattr(source, "read"):
        what = "the photograph given as an open file"
        photo = _from_stream(held(_all_of(source, what)), what, stretch=stretch)
    else:
        raise ImageError(
            f"a photograph was given as {type(source).__name__}; "
            "a path, a Pillow image or a uint8 array (H, W, 3) is needed"
        )
    if min(photo.image.size) < MIN_SIDE:
        width, height = photo.image.size
        raise ImageError(f"{what} has {width} x {height} pixels; each side needs at least {MIN_SIDE}")
    return photo


def _all_of(source: Any, what: str) -> bytes:
    try:
        data = source.read()
    except Exception as error:  # somebody else's object may raise anything
        raise ImageError(f"{what} cannot be read ({said(error)}); a binary file is needed") from error
    if not isinstance(data, bytes):
        raise ImageError(f"{what} gives {type(data).__name__}; a file opened as binary is needed")
    return data


def _from_file(path: Path, *, stretch: bool) -> Photograph:
    if is_folder(path):
        raise ImageError(f"{path} is a folder; an image file is needed")
    if is_file(path) and path.stat().st_size == 0:
        raise ImageError(f"{path} is empty; an image file is needed")
    try:
        with open_regular(path) as stream:
            return _from_stream(stream, str(path), stretch=stretch)
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist; the path of an image file is needed") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; permission to read the image file is needed") from error
    except DccausalError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be read ({error}); an undamaged image file is needed") from error


def measure_photo(data: bytes, most_pixels: int) -> tuple[int, int]:
    """
    Return (width, height) of a photograph that is given as a file's bytes, before it is decoded.

    Raises
    ------
    ImageError
        If it is none, or has more than so many pixels.

    """
    with _opened(held(data), "the photograph") as image:
        check_pixels(image.size, "the photograph", most_pixels)
        return image.size


def _from_stream(stream: BinaryIO, what: str, *, stretch: bool) -> Photograph:
    with _opened(stream, what) as image:
        check_pixels(image.size, what)
        return _to_rgb(image, what, stretch=stretch)


@contextmanager
def _opened(stream: BinaryIO, what: str) -> Iterator[Image.Image]:
    """Yield the image that a stream holds, yet to be decoded; whatever goes wrong meanwhile is an ImageError."""
    from PIL import Image, UnidentifiedImageError

    if not stream.read(1):
        raise ImageError(f"{what} is empty; an image file is needed")
    stream.seek(0)
    try:
        with open_image(stream, what) as image:
            yield image
    except UnidentifiedImageError as error:
        raise unreadable(what, stream) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # of a part of the file
        raise ImageError(f"{what} is too large: {error}; a smaller image is needed") from error
    except DccausalError:
        raise
    except Exception as error:  # a reader that is fed damaged bytes may raise anything
        raise ImageError(f"{what} cannot be read ({error}); an undamaged image file is needed") from error


def _from_array(array: NDArray[Any], *, stretch: bool) -> Photograph:
    from PIL import Image

    channels = (1, 3, 4)
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in channels)  # noqa: PLR2004
    if array.dtype != np.uint8 or not is_image or array.size == 0:
        hint = "; multiply by 255 and round first" if array.dtype.kind == "f" else ""
        raise ImageError(
            f"image must be (H, W, 3) uint8 (or (H, W) greyscale, (H, W, 4) with opacity), "
            f"got {array.shape} {array.dtype}{hint}"
        )
    if array.ndim == 3 and array.shape[2] == 1:  # noqa: PLR2004
        array = array[:, :, 0]
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)), "the array", stretch=stretch)


def _to_rgb(image: Image.Image, what: str, *, stretch: bool) -> Photograph:
    """Decode, turn upright and convert; ``what`` names the image in errors."""
    try:
        image.load()
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise ImageError(f"{what} cannot be decoded ({error}); an undamaged image is needed") from error
    upright, is_negative = _upright(image), _is_negative(image)
    try:
        return _convert(upright, what, stretch=stretch, is_negative=is_negative)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{what} has the mode {image.mode}, which Pillow cannot convert ({error}); RGB is needed"
        ) from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; an unreadable EXIF block says nothing about orientation."""
    from PIL import ExifTags, Image

    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        turn = None if orientation not in _TURNS else Image.Transpose[_TURNS[orientation]]
    except Exception:  # noqa: BLE001  damaged EXIF data may raise anything, and warns where warnings are errors
        return image
    # Pillow's own exif_transpose writes the block anew, which fails where another of its entries is damaged.
    if turn is None:
        return image
    turned = image.transpose(turn)
    for key in _ORIENTED:
        turned.info.pop(key, None)
    return turned


def _is_negative(image: Image.Image) -> bool:
    """Return whether the values are those of a TIFF file in which 0 is white; Pillow turns round those of 8 bits."""
    tags = getattr(image, "tag_v2", None)
    return image.mode.startswith("I;16") and tags is not None and tags.get(_PHOTOMETRIC) == 0


def _convert(image: Image.Image, what: str, *, stretch: bool, is_negative: bool) -> Photograph:
    from PIL import Image

    if image.mode.startswith(
        "I"
    ):  # "I;16" and its byte orders; "I" is what some readers make of 16-bit files
        values = np.asarray(image)
        values = _MAX_16_BIT - values if is_negative else values
        photo = _from_16_bit(values, what, stretch=stretch)
        clear = image.info.get("transparency")  # one value, in PNG files
        if isinstance(clear, int) and np.any(values == clear):
            shown = Image.fromarray(values != clear)
            return replace(
                photo, image=Image.composite(photo.image, Image.new("RGB", image.size, _WHITE[:3]), shown)
            )
        return photo
    if image.mode == "F":
        raise ImageError(f"{what} has floating-point pixels; 8 or 16 bits a channel are needed")
    if image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image  # "La" is premultiplied "LA"
        layer = straight.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer)
    return Photograph(image.convert("RGB"))


def _from_16_bit(values: NDArray[Any], what: str, *, stretch: bool) -> Photograph:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _MAX_16_BIT:
        raise ImageError(f"{what} has pixels from {low} to {high}; 8 or 16 bits a channel are needed")
    notes: tuple[str, ...] = ()
    darkest, brightest = 0, _MAX_16_BIT
    if stretch and high > low:
        darkest, brightest = low, high
    elif high <= _MAX_16_BIT // _DARK:
        share = f"{high / _MAX_16_BIT:.1%}"
        note = (
            f"The photograph has 16 bits a pixel and uses {low} to {high} of 0 to {_MAX_16_BIT}, {share} of the range, "
            "so it is nearly black to the model; stretch (--stretch) makes 0 to 255 of what it uses."
        )
        notes = (note,)
    span = brightest - darkest
    grey = ((values.astype(np.int64) - darkest) * 255 + span // 2) // span
    return Photograph(_grey(grey.astype(np.uint8)), notes)


def _grey(values: NDArray[np.uint8]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(values).convert("RGB")
