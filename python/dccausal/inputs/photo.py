"""A photograph from wherever it comes (a file, a Pillow image, an array), turned into upright 8-bit RGB.

What is decided here, once for the whole package:

* The EXIF orientation is applied: the image is what a viewer shows.
* Transparent pixels are composited on white, as browsers and viewers do.
* 16-bit greyscale is scaled from 0..65535 to 0..255 (65535 becomes 255), not cut off.
* CMYK is converted without a colour profile, as Pillow does.
* Of a file with several frames, the first is taken.
* Both sides need at least 2 pixels: one row or column cannot be divided. Long and thin is allowed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import check_regular, is_file, is_folder
from dccausal.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 2

_WHITE = (255, 255, 255, 255)
_MAX_16_BIT = 65535


def load_photo(source: str | os.PathLike[str] | Image.Image | NDArray[Any]) -> Image.Image:
    """
    Return the photograph as an upright Pillow image of mode RGB.

    Parameters
    ----------
    source
        The path of an image file, a Pillow image of any mode, or a uint8 array of shape (H, W, 3) RGB,
        (H, W, 4) RGB and opacity, (H, W, 1) or (H, W) greyscale. The source itself is left as it is.

    Raises
    ------
    ImageError
        If the file is missing, empty, damaged, not an image; if it or the Pillow image is larger than
        ``PIL.Image.MAX_IMAGE_PIXELS``; if the array has another shape or dtype; if a side is shorter than 2 pixels.

    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        photo, what = _from_array(source), "the array"
    elif isinstance(source, Image.Image):
        what = "the Pillow image"
        _check_pixels(source, what)
        photo = _to_rgb(source, what)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        what = str(path)
        photo = _from_file(path)
    else:
        raise ImageError(
            f"a photograph was given as {type(source).__name__}; "
            "a path, a Pillow image or a uint8 array (H, W, 3) is needed"
        )
    if min(photo.size) < MIN_SIDE:
        width, height = photo.size
        raise ImageError(f"{what} has {width} x {height} pixels; each side needs at least {MIN_SIDE}")
    return photo


def _from_file(path: Path) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if is_folder(path):
        raise ImageError(f"{path} is a folder; an image file is needed")
    if is_file(path) and path.stat().st_size == 0:
        raise ImageError(f"{path} is empty; an image file is needed")
    try:
        check_regular(path)
        with Image.open(path) as image:
            _check_pixels(image, str(path))
            return _to_rgb(image, str(path))
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist; the path of an image file is needed") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; permission to read the image file is needed") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is not an image that Pillow can read; JPEG, PNG, WebP, ... is needed"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{path} is too large: {error}; at most {Image.MAX_IMAGE_PIXELS} pixels are needed "
            "(for a file you trust, raise PIL.Image.MAX_IMAGE_PIXELS)"
        ) from error
    except ImageError:
        raise
    except Exception as error:  # a reader that is fed damaged bytes may raise anything
        raise ImageError(f"{path} cannot be read ({error}); an undamaged image file is needed") from error


def _check_pixels(image: Image.Image, what: str) -> None:
    """Refuse what Pillow only warns about: between once and twice its limit."""
    from PIL import Image as ImageModule

    limit = ImageModule.MAX_IMAGE_PIXELS
    width, height = image.size
    if limit is not None and width * height > limit:
        raise ImageError(
            f"{what} is too large: {width} x {height} pixels; at most {limit} pixels are needed "
            "(for a file you trust, raise PIL.Image.MAX_IMAGE_PIXELS)"
        )


def _from_array(array: NDArray[Any]) -> Image.Image:
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
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)), "the array")


def _to_rgb(image: Image.Image, what: str) -> Image.Image:
    """Decode, turn upright and convert; ``what`` names the image in errors."""
    try:
        image.load()
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise ImageError(f"{what} cannot be decoded ({error}); an undamaged image is needed") from error
    upright = _upright(image)
    try:
        return _convert(upright, what)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{what} has the mode {image.mode}, which Pillow cannot convert ({error}); RGB is needed"
        ) from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; an unreadable EXIF block says nothing about orientation."""
    from PIL import ExifTags, ImageOps

    try:
        # Pillow would copy what is upright already.
        is_upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return image if is_upright else ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001  damaged EXIF data may raise anything, and warns where warnings are errors
        return image


def _convert(image: Image.Image, what: str) -> Image.Image:
    from PIL import Image

    if image.mode.startswith(
        "I"
    ):  # "I;16" and its byte orders; "I" is what some readers make of 16-bit files
        return _from_16_bit(np.asarray(image), what)
    if image.mode == "F":
        raise ImageError(f"{what} has floating-point pixels; 8 or 16 bits a channel are needed")
    if image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image  # "La" is premultiplied "LA"
        layer = straight.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer)
    return image.convert("RGB")


def _from_16_bit(values: NDArray[Any], what: str) -> Image.Image:
    from PIL import Image

    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _MAX_16_BIT:
        raise ImageError(f"{what} has pixels from {low} to {high}; 8 or 16 bits a channel are needed")
    grey = (values.astype(np.uint32) * 255 + _MAX_16_BIT // 2) // _MAX_16_BIT
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
