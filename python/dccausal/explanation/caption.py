"""The strip below a picture: what it shows, how sure the model was, what the lines and the colours are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

Weight = Literal["thin", "bold"]

WIDTH = 640  # pixels that a strip takes at least; all lengths below are of one so wide
_HEIGHT = 78
_PAD, _GAP = 16, 14
_TITLE, _TEXT, _SMALL = 19, 15, 13
_ROWS = 26, 56  # middles of the rows
_CHIP = 24, 14
_BAR = 72, 10
_WORDED = 186
_PAPER, _INK, _QUIET, _BAD = (250, 250, 248), (27, 31, 35), (92, 99, 107), (160, 44, 36)
_CHIP_COLOUR = (64, 66, 70)

# Of sets that lie apart: white, then colours that the colour-blind tell apart (Okabe and Ito 2008).
LINES = (255, 255, 255), (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66)


@dataclass(frozen=True)
class Caption:
    """
    What a strip says.

    Attributes
    ----------
    title
        The label.
    score
        Of the explanation alone and of the photograph; empty where there are none.
    is_weak
        Whether the explanation's score is so low that a reader has to be told.
    lines
        What each line of the picture is around, as it is drawn; None where none is.
    are_apart
        Whether each line has a colour of its own.

    """

    title: str
    score: str
    is_weak: bool
    lines: tuple[tuple[Weight | None, str], ...]
    are_apart: bool = False


def strip_height(unit: float) -> int:
    """Return how many rows the strip below a picture takes."""
    return round(_HEIGHT * unit)


def draw_strip(
    figure: Image.Image,
    caption: Caption,
    unit: float,
    *,
    widths: dict[Weight, float],
    palette: NDArray[np.uint8] | None = None,
) -> None:
    """
    Draw the strip into the lowest rows of a picture.

    Parameters
    ----------
    figure
        RGB, changed.
    caption
        What it says. What fonts cannot draw is replaced, and lines too long are cut.
    unit
        Size of everything, 1 for a picture of 640 pixels.
    widths
        Of the lines in the picture.
    palette
        Colours of the heat, uint8 (n, 3), cold first; None where there is no heat.

    """
    from PIL import ImageDraw, ImageFont

    top, right = figure.height - strip_height(unit), figure.width - round(_PAD * unit)
    draw = ImageDraw.Draw(figure)
    draw.rectangle((0, top, figure.width, figure.height), fill=_PAPER)
    title, text, small = (ImageFont.load_default(size * unit) for size in (_TITLE, _TEXT, _SMALL))
    rows = [top + row * unit for row in _ROWS]
    left = round(_PAD * unit)
    draw.text((right, rows[0]), caption.score, _BAD if caption.is_weak else _INK, text, anchor="rm")
    room = right - text.getlength(caption.score) - left - _GAP * unit
    draw.text((left, rows[0]), _cut(caption.title, title, room), _INK, title, anchor="lm")
    end = _draw_lines(draw, caption, (left, rows[1]), unit, small, widths)
    if palette is not None:
        _draw_bar(figure, draw, (end, right, rows[1]), unit, small, palette)


def _draw_bar(
    figure: Image.Image,
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float, float],
    unit: float,
    font: Font,
    palette: NDArray[np.uint8],
) -> None:
    """Draw the colours from cold to hot, between two words where there is room for them."""
    from PIL import Image

    left, right, middle = at
    size = round(_BAR[0] * unit), round(_BAR[1] * unit)
    words = ("heat: none", "most") if right - left > _WORDED * unit else ("heat", "")
    gap = 7 * unit
    if right - left < 2 * size[0]:
        return
    draw.text((right, middle), words[1], _QUIET, font, anchor="rm")
    right -= font.getlength(words[1]) + gap if words[1] else 0
    bar = Image.fromarray(palette[None]).resize(size)
    figure.paste(bar, (round(right) - size[0], round(middle - size[1] / 2)))
    draw.text((right - size[0] - gap, middle), words[0], _QUIET, font, anchor="rm")


def _draw_lines(
    draw: ImageDraw.ImageDraw,
    caption: Caption,
    at: tuple[float, float],
    unit: float,
    font: Font,
    widths: dict[Weight, float],
) -> float:
    """Draw a sample of each line before what it is around, from a place on the left; return where they end."""
    left, middle = at
    for i, (weight, text) in enumerate(caption.lines):
        if weight is not None:
            width, height = (side * unit for side in _CHIP)
            box = left, middle - height / 2, left + width, middle + height / 2
            draw.rounded_rectangle(box, 3 * unit, fill=_CHIP_COLOUR)
            thickness = max(1, round(widths[weight]))
            inner = box[0] + 4 * unit, middle - thickness / 2, box[2] - 4 * unit, middle + thickness / 2 - 1
            draw.rectangle(inner, fill=LINES[i % len(LINES) if caption.are_apart else 0])
            left += width + 6 * unit
        draw.text((left, middle), text, _QUIET, font, anchor="lm")
        left += font.getlength(text) + _GAP * unit
    return left


def _cut(text: str, font: Font, width: float) -> str:
    # Names come from files: what a font cannot draw (control characters, lone surrogates) is replaced.
    text = "".join(c if c.isprintable() else "?" for c in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
