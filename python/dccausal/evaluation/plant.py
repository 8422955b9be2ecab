"""
Occlusions planted in photographs, so that it is known by the pixel what no explanation should need.

The shapes: "rectangle" of random proportions, "box" (a square), "ellipse" (through the centres of its box's outermost
pixels), and "picture", whose edges are made hard, so that each pixel is either covered or left as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of
from dccausal._shared.files import check_regular
from dccausal.errors import ImageError, OptionError
from dccausal.evaluation.truth import ellipse
from dccausal.inputs.baseline import make_baseline
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    import os

    from PIL import Image

    from dccausal.inputs.baseline import Baseline

__all__ = ["SHAPES", "Occlusion", "occlude", "read_picture"]

SHAPES = ("rectangle", "ellipse", "box", "picture")

_LONGEST = 3.0  # times as long as wide, for rectangles and ellipses
_OPAQUE = 128
_CORRECTIONS = 4


@dataclass(frozen=True, eq=False)
class Occlusion:
    """
    Where a photograph was covered.

    Attributes
    ----------
    shape
        One of ``SHAPES``.
    box
        (top, left, bottom, right) of the shape, both ends included. An ellipse touches the sides of its box in
        their middles, which may lie between two pixels.
    pixels
        bool (H, W): the covered pixels.

    """

    shape: str
    box: tuple[int, int, int, int]
    pixels: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Share of the photograph that is covered, exactly."""
        return float(np.count_nonzero(self.pixels) / self.pixels.size)


def occlude(
    photo: str | os.PathLike[str] | Image.Image | NDArray[np.uint8],
    *,
    shape: str,
    share: float,
    rng: np.random.Generator,
    colour: Baseline = "black",
    picture: Image.Image | None = None,
) -> tuple[Image.Image, Occlusion]:
    """
    Cover a part of a photograph at a random place.

    Parameters
    ----------
    photo
        As ``explain`` takes it.
    shape
        "rectangle", "ellipse", "box" or "picture".
    share
        Share of the photograph to cover, above 0 and below 1, as exactly as whole pixels allow.
    rng
        Draws proportions and place.
    colour
        What covers, as a baseline of ``explain``; for a picture that is the picture itself.
    picture
        RGBA, for the shape "picture": what is at least half opaque covers.

    Returns
    -------
    photo, occlusion
        A new RGB image of the same size, and where it was covered.

    Raises
    ------
    ImageError
        If the photograph cannot be read.
    OptionError
        If an option is out of its range, or the shape with that share does not fit into the photograph.

    """
    one_of("shape", shape, SHAPES)
    if not 0 < finite_number("share", share) < 1:
        raise OptionError(f"share is {share}; a number above 0 and below 1 is needed")
    if (picture is None) == (shape == "picture"):
        given = "no picture was given" if picture is None else "a picture was given"
        raise OptionError(
            f"shape is {shape!r} and {given}; a picture goes with the shape picture, and only there"
        )
    image = np.array(load_photo(photo), dtype=np.uint8)
    if picture is not None:
        return _cover_with_picture(image, picture, share, rng)
    height, width = image.shape[:2]
    box = _place(_sides(shape, share, height, width, rng), height, width, rng)
    top, left, bottom, right = box
    if shape == "ellipse":
        pixels = ellipse(box, width, height)
    else:
        pixels = np.zeros((height, width), dtype=bool)
        pixels[top : bottom + 1, left : right + 1] = True
    return _covered(image, make_baseline(colour, image), Occlusion(shape, box, pixels))


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """
    Return a picture with transparency, RGBA.

    Raises
    ------
    ImageError
        If the file cannot be read or is transparent everywhere.

    """
    from PIL import Image

    try:
        check_regular(path)
        with Image.open(path) as image:
            picture = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(
            f"{path} cannot be read ({error}); an image file with transparency is needed"
        ) from error
    if not (np.asarray(picture)[..., 3] >= _OPAQUE).any():
        raise ImageError(f"{path} is transparent everywhere; something opaque is needed")
    return picture


def _sides(shape: str, share: float, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return height and width of a box whose shape covers that share, of random proportions that fit."""
    area = share * height * width
    if shape == "ellipse":
        area *= 4 / math.pi
    extra = 1 if shape == "ellipse" else 0  # an ellipse's radii end in the centres of the outermost pixels
    most_h, most_w = height - extra, width - extra
    low = max(1 / _LONGEST, area / most_w**2) if shape != "box" else 1.0
    high = min(_LONGEST, most_h**2 / area) if shape != "box" else 1.0
    if low > high or area > most_h * most_w or (shape == "box" and area > min(most_h, most_w) ** 2):
        raise OptionError(
            f"share is {share:.3g}, and the {shape} of that size does not fit into {width} x {height} pixels; "
            "a smaller share is needed"
        )
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))  # height to width
    tall = math.sqrt(area * ratio)
    wide = area / tall
    return min(height, max(1, round(tall) + extra)), min(width, max(1, round(wide) + extra))


def _place(
    sides: tuple[int, int], height: int, width: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    tall, wide = sides
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    return top, left, top + tall - 1, left + wide - 1


def _cover_with_picture(
    image: NDArray[np.uint8], picture: Image.Image, share: float, rng: np.random.Generator
) -> tuple[Image.Image, Occlusion]:
    height, width = image.shape[:2]
    opaque = np.asarray(picture)[..., 3] >= _OPAQUE
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    part = picture.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    scaled = _scaled(part, share * height * width)
    tall, wide = scaled.shape[:2]
    if tall > height or wide > width:
        raise OptionError(
            f"share is {share:.3g}, and the picture of that size does not fit into {width} x {height} pixels; "
            "a smaller share is needed"
        )
    top, left, _, _ = _place((tall, wide), height, width, rng)
    pixels, cover = np.zeros((height, width), dtype=bool), image.copy()
    pixels[top : top + tall, left : left + wide] = scaled[..., 3] >= _OPAQUE
    cover[top : top + tall, left : left + wide] = scaled[..., :3]
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    box = (int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1]))
    return _covered(image, cover, Occlusion("picture", box, pixels))


def _scaled(picture: Image.Image, n_pixels: float) -> NDArray[np.uint8]:
    """Return the picture at the size at which about so many of its pixels are opaque, uint8 (h, w, 4)."""
    from PIL import Image

    scale = math.sqrt(n_pixels / picture.width / picture.height)
    found: list[tuple[float, NDArray[np.uint8]]] = []
    for _ in range(_CORRECTIONS):  # how much is opaque depends a little on the size
        size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
        array = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        n_opaque = int(np.count_nonzero(array[..., 3] >= _OPAQUE))
        if n_opaque:
            found.append((abs(n_opaque - n_pixels), array))
        scale *= math.sqrt(n_pixels / max(1, n_opaque))
    if not found:
        raise OptionError(
            f"share is so small that nothing of the picture is left at {size}; a larger one is needed"
        )
    return min(found, key=lambda pair: pair[0])[1]


def _covered(
    image: NDArray[np.uint8], cover: NDArray[np.uint8], occlusion: Occlusion
) -> tuple[Image.Image, Occlusion]:
    from PIL import Image

    return Image.fromarray(np.where(occlusion.pixels[..., None], cover, image)), occlusion
