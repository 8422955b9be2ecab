"""The frame around what is explained: a detector's box."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]

_LINE, _EDGE = (96, 214, 255), (12, 30, 40)
_WIDTH = 3.0  # of a picture of _AREA pixels a side
_AREA = 520.0
_CORNER = 0.22  # of the shorter side: corners are drawn whole, sides between them thin


def draw_mark(
    picture: Image.Image, mark: Box | None, photo_size: tuple[int, int], size: tuple[int, int]
) -> None:
    """
    Frame a box in a picture: thin sides, strong corners, in a colour that no heat has.

    Parameters
    ----------
    picture
        RGB, changed.
    mark
        (x0, y0, x1, y1) in pixels of the photograph; None draws nothing.
    photo_size, size
        (width, height) of the photograph, and of it in the picture.

    """
    from PIL import ImageDraw

    if mark is None:
        return
    draw = ImageDraw.Draw(picture)
    scale = size[0] / photo_size[0], size[1] / photo_size[1]
    unit = max(1.0, math.sqrt(size[0] * size[1]) / _AREA)
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
