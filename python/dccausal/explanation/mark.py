"""The frame around what is explained: a detector's box, a segmenter's region."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]
Mark = Box | NDArray[np.bool_]

_LINE, _EDGE = (96, 214, 255), (12, 30, 40)
_WIDTH = 3.0  # of a picture of _AREA pixels a side
_AREA = 520.0
_CORNER = 0.22  # of the shorter side: corners are drawn whole, sides between them thin


def draw_mark(
    picture: Image.Image, mark: Mark | None, photo_size: tuple[int, int], placement: Placement
) -> None:
    """
    Frame what is explained in a picture, in a colour that no heat has.

    Parameters
    ----------
    picture
        RGB, changed.
    mark
        A box (x0, y0, x1, y1) in pixels of the photograph: thin sides, strong corners. Or bool (h, w), a region of the
        model's image: a line around it. None draws nothing.
    photo_size
        (width, height) of the photograph.
    placement
        Where in the picture the model's image lies.

    """
    if mark is None:
        return
    size = placement.photo_size
    unit = max(1.0, math.sqrt(size[0] * size[1]) / _AREA)
    if isinstance(mark, tuple):
        _draw_box(picture, mark, photo_size, size, unit)
    else:
        _draw_region(picture, placement.to_photo(mark, smooth=False, fill=False), unit)


def _draw_region(picture: Image.Image, region: NDArray[np.bool_], unit: float) -> None:
    """Draw a line along the inside of a region's border."""
    from PIL import Image, ImageFilter

    mask = Image.fromarray(region.astype(np.uint8) * np.uint8(255))
    wide = 2 * max(1, round(_WIDTH * unit / 2)) + 1
    outer = np.asarray(mask.filter(ImageFilter.MaxFilter(3)))
    inner = np.asarray(mask.filter(ImageFilter.MinFilter(wide)))
    for colour, line in ((_EDGE, (outer > 0) & ~region), (_LINE, region & (inner == 0))):
        shape = Image.fromarray(line.astype(np.uint8) * np.uint8(255))
        picture.paste(colour, (0, 0, *shape.size), shape)


def _draw_box(
    picture: Image.Image, mark: Box, photo_size: tuple[int, int], size: tuple[int, int], unit: float
) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    scale = size[0] / photo_size[0], size[1] / photo_size[1]
    strong, thin = max(2, round(_WIDTH * unit)), max(1, round(_WIDTH * unit / 3))
    x0, x1 = (min(max(side * scale[0], strong), size[0] - 1 - strong) for side in mark[::2])
    y0, y1 = (min(max(side * scale[1], strong), size[1] - 1 - strong) for side in mark[1::2])
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=_EDGE, width=thin + 2)
    draw.rectangle((x0, y0, x1, y1), outline=_LINE, width=thin)
    arm = _CORNER * min(x1 - x0, y1 - y0)
    half = strong / 2
    for x, across in ((x0, arm), (x1, -arm)):
        for y, down in ((y0, arm), (y1, -arm)):
            for colour, margin in ((_EDGE, 1.0), (_LINE, 0.0)):
                low, high = sorted((x - math.copysign(half, across), x + across))
                draw.rectangle(
                    (low - margin, y - half - margin, high + margin, y + half + margin), fill=colour
                )
                low, high = sorted((y - math.copysign(half, down), y + down))
                draw.rectangle(
                    (x - half - margin, low - margin, x + half + margin, high + margin), fill=colour
                )
