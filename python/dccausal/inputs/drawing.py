"""A photograph resized, cut and padded to what a model sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dccausal.inputs.framing import Box, Frame
from dccausal.inputs.opencv import resize_linear

if TYPE_CHECKING:
    from PIL import Image

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos", "opencv"]

# Filters with steps: a box whose sides are rounded would give other pixels than the whole photograph, resized and cut.
_STEPPED = ("nearest", "box")
_MAX_WHOLE = 1 << 24


def draw(
    photo: Image.Image, frame: Frame, interpolation: Interpolation, pad_colour: tuple[int, int, int]
) -> Image.Image:
    """
    Return what a frame shows of a photograph.

    Parameters
    ----------
    photo
        An upright RGB image.
    frame
        How large it is resized, and which part of that is shown. Only that part is made: of a photograph of 20000 x 10
        the whole could be 512000 x 256.
    interpolation
        Pillow's filter, or "opencv".
    pad_colour
        (r, g, b) of what the photograph does not cover.

    """
    from PIL import Image

    part = _window(photo, frame, interpolation)
    if frame.is_full:
        return part
    canvas = Image.new("RGB", frame.size[::-1], pad_colour)
    left, top = frame.window[:2]
    canvas.paste(part, (left - frame.left, top - frame.top))
    return canvas


def draw_box(
    photo: Image.Image, box: Box, size: tuple[int, int], interpolation: Interpolation
) -> Image.Image:
    """Return a box of a photograph, in parts of its pixels, resized to (width, height)."""
    from PIL import Image

    if interpolation == "opencv":  # which knows whole pixels only
        left, top, right, bottom = (round(side) for side in box)
        return resize_linear(photo.crop((left, top, max(left + 1, right), max(top + 1, bottom))), size)
    return photo.resize(size, Image.Resampling[interpolation.upper()], box=box)


def _window(photo: Image.Image, frame: Frame, interpolation: Interpolation) -> Image.Image:
    from PIL import Image

    left, top, right, bottom = frame.window
    if interpolation == "opencv":
        return resize_linear(photo, frame.whole, frame.window)
    resample = Image.Resampling[interpolation.upper()]
    if interpolation in _STEPPED and frame.whole[0] * frame.whole[1] <= _MAX_WHOLE:
        return photo.resize(frame.whole, resample).crop(frame.window)
    return photo.resize((right - left, bottom - top), resample, box=frame.window_in(photo.size))
