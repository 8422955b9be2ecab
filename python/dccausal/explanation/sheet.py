"""Several pictures side by side with a caption below each, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

_GAP = 16
_TEXT = 16
_LINE_HEIGHT = 22
_TINY = 3  # times enlarged, from which on pixels stay squares
_PAPER, _INK, _QUIET = (250, 250, 248), (27, 31, 35), (92, 99, 107)


def contact_sheet(rows: Sequence[Sequence[tuple[Image.Image, str]]], *, width: int = 400) -> Image.Image:
    """
    Lay out pictures in rows.

    Parameters
    ----------
    rows
        Rows of (RGB image, caption). A caption may have several lines, the first one a heading; lines too long are
        cut.
    width
        Width of each picture on the sheet in pixels; heights follow.

    Returns
    -------
    Image
        A new RGB image on light paper.

    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_TEXT)
    scaled = [[(fit_width(image, width), caption.split("\n")) for image, caption in row] for row in rows]
    heights = [
        max(image.height for image, _ in row) + _LINE_HEIGHT * max(len(lines) for _, lines in row) + _GAP
        for row in scaled
    ]
    n_columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (_GAP + n_columns * (width + _GAP), _GAP + sum(heights) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for row, height in zip(scaled, heights, strict=True):
        text_top = top + max(image.height for image, _ in row) + _GAP // 2
        for column, (image, lines) in enumerate(row):
            left = _GAP + column * (width + _GAP)
            sheet.paste(image, (left, top))
            for i, line in enumerate(lines):
                text = _cut(line, font, width)
                draw.text((left, text_top + i * _LINE_HEIGHT), text, fill=_QUIET if i else _INK, font=font)
        top += height
    return sheet


def fit_width(image: Image.Image, width: int) -> Image.Image:
    """Resize to a width, proportions kept up to 1:3; a tiny image is enlarged to visible pixels."""
    from PIL import Image

    height = max(1, min(3 * width, round(image.height * width / image.width)))
    is_tiny = _TINY * image.width < width
    resample = Image.Resampling.NEAREST if is_tiny else Image.Resampling.LANCZOS
    return image.resize((width, height), resample, reducing_gap=3)


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    # Names come from files: what a font cannot draw (control characters, lone surrogates) is replaced.
    text = "".join(c if c.isprintable() else "?" for c in line)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
