"""What masked pixels are replaced by: a colour, the blurred image or another image, in pixel space; or several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_numbers
from dccausal._shared.files import is_file
from dccausal._shared.text import shown
from dccausal.errors import OptionError
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from PIL import Image

    Baseline = str | os.PathLike[str] | tuple[int, int, int] | NDArray[Any] | Image.Image
    Baselines = Baseline | Sequence[Baseline]

# As many as the core takes.
_MOST = 16

# The blur's standard deviation as a share of the longer side: 11 pixels at 224, where no texture survives.
_BLUR = 0.05
_NEEDED = (
    'a colour name ("grey", "black", "white", ...), "#rrggbb", (r, g, b) in 0..255, "blur", '
    "an image or the path of one"
)


def split_baselines(given: Baselines) -> tuple[Baseline, ...]:
    """
    Return the baselines that are meant: those of a list, or the one that was given.

    A list of three numbers is a colour.

    Raises
    ------
    OptionError
        If there are more than 16.

    """
    several: tuple[Any, ...] = (given,)
    if isinstance(given, list | tuple) and given and not all(map(_is_number, given)):
        several = tuple(given)
    if len(several) > _MOST:
        raise OptionError(f"baseline has {len(several)} entries; at most {_MOST} are needed")
    return several


def read_baseline(text: str) -> Baseline:
    """Return one baseline as a text names it: "124,116,104" is a colour."""
    parts = text.split(",")
    if len(parts) == 3 and all(part.strip().isdecimal() for part in parts):  # noqa: PLR2004
        return (int(parts[0]), int(parts[1]), int(parts[2]))
    return text


def read_baselines(text: str) -> Baselines:
    """Return baselines as a text names them: "grey,124,116,104,blur" are three, the second a colour."""
    if is_file(text):
        return text
    parts = [part.strip() for part in text.split(",")]
    found: list[Baseline] = []
    while parts:
        colour = read_baseline(",".join(parts[:3]))
        is_colour = not isinstance(colour, str)
        found.append(colour if is_colour else parts[0])
        parts = parts[3 if is_colour else 1 :]
    return found[0] if len(found) == 1 else found


def make_baselines(given: Baselines, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return the images whose pixels replace masked ones, uint8 (n, H, W, 3); each entry is as for ``make_baseline``.

    Raises
    ------
    OptionError, ImageError
        As in ``make_baseline``, or if there are more than 16.

    """
    return np.stack([make_baseline(one, image) for one in split_baselines(given)])


def name_of(baseline: Baseline) -> str:
    """Return what a baseline is called: its name or path, "#rrggbb" for a colour, "image" for one in memory."""
    if isinstance(baseline, str | os.PathLike):
        return os.fspath(baseline)
    is_colour = isinstance(baseline, tuple | list) or (
        isinstance(baseline, np.ndarray) and baseline.ndim == 1
    )
    return "#{:02x}{:02x}{:02x}".format(*np.asarray(baseline).tolist()) if is_colour else "image"


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float | np.number)


def make_baseline(baseline: Baseline, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return the image whose pixels replace masked ones.

    Parameters
    ----------
    baseline
        A CSS colour name or "#rrggbb"; three whole numbers 0..255, RGB; "blur" for ``image`` blurred by a
        Gaussian with a standard deviation of a twentieth of its longer side; or an image: a path, a Pillow
        image or a uint8 array, brought to the size of ``image`` (proportions not kept). Colours are pixels as
        a viewer shows them, before any normalisation: "black" is 0, whatever the model's mean. A name goes
        before a file of that name; give such a file as a ``pathlib.Path``.
    image
        uint8 (H, W, 3) RGB: what the model sees.

    Returns
    -------
    NDArray
        uint8 (H, W, 3), a new array.

    Raises
    ------
    OptionError
        If the colour is unknown or out of range, or no such file exists.
    ImageError
        If the image cannot be read.

    """
    if isinstance(baseline, str):
        return _named(baseline, image)
    is_colour = isinstance(baseline, tuple | list) or (
        isinstance(baseline, np.ndarray) and baseline.ndim == 1
    )
    if is_colour:
        return _filled(image, whole_numbers("baseline", baseline, 3, 0, 255))
    if isinstance(baseline, bool | int | float) or baseline is None:
        raise OptionError(f"baseline is {shown(baseline)}; {_NEEDED} is needed")
    return _resized(baseline, image)


def _named(name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image, ImageColor, ImageFilter

    if name == "blur":
        radius = _BLUR * max(image.shape[:2])
        return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)), dtype=np.uint8)
    if name.startswith("#") or name.lower() in ImageColor.colormap:
        try:
            return _filled(image, ImageColor.getrgb(name)[:3])
        except ValueError as error:
            raise OptionError(f"baseline is {shown(name)}; {_NEEDED} is needed") from error
    if is_file(name):
        return _resized(name, image)
    raise OptionError(
        f"baseline is {shown(name)}, neither a known colour nor an existing file; {_NEEDED} is needed"
    )


def _filled(image: NDArray[np.uint8], colour: tuple[int, ...]) -> NDArray[np.uint8]:
    result = np.empty_like(image, order="C")
    result[0] = colour
    result[1:] = result[0]  # whole rows: ten times as fast as pixel by pixel
    return result


def _resized(source: Any, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = image.shape[:2]
    photo = load_photo(source)
    if photo.size != (width, height):
        photo = photo.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(photo, dtype=np.uint8)
