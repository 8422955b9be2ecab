"""What an explanation looks like on the photograph. Pure functions: arrays in, Pillow images out.

All of them take ``kept`` and ``heatmap`` in the model's size (H, W) and lay them over the photograph by its
``Placement``. Parts of the photograph that the model did not see (a crop) are grey, dark and hatched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of
from dccausal.errors import OptionError
from dccausal.explanation.colormaps import COLORMAPS, colours
from dccausal.explanation.drawing import Frame, dimmed, fill_around, light_levels, stripes
from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

Contour = Literal["solid", "dashed", "none"]

# A heatmap's colours run from its 10 % to its 99.5 % quantile: a few outliers would leave the rest dark.
_COLD, _HOT = 0.10, 0.995
_BLUR = 1 / 80  # of the longer side: the seams of the random cuts are no finding
_FIRST_COLOUR = 0.25  # colder ones are nearly black and would only soil the photograph
_MASKED_LIGHT = 0.30
_UNSEEN_LIGHT = {"overlay": 0.45, "picture": 0.20}
_LINE = 1 / 240  # of the photograph's shorter side
_DASH = 6  # lengths of the line's width
_SMALL = 112  # photographs with a shorter side have no room for dark edges of the line
_WHITE, _BLACK = (255, 255, 255), (16, 16, 16)


def overlay(
    photo: Image.Image,
    placement: Placement,
    heatmap: NDArray[np.float32],
    kept: NDArray[np.bool_] | None = None,
    *,
    colormap: str = "inferno",
    alpha: float = 0.75,
    contour: Contour = "solid",
) -> Image.Image:
    """
    Draw the heatmap over the photograph, hot regions opaque and cold ones clear.

    Parameters
    ----------
    photo
        The photograph, mode RGB, of ``placement.photo_size``.
    placement
        Where in the photograph the model's image lies.
    heatmap
        float32 (H, W). Only the order and the proportions of its values matter; the colours run from its
        10 % to its 99.5 % quantile and are slightly smoothed.
    kept
        bool (H, W): the explanation, drawn as an outline; None draws none.
    colormap
        "inferno", "magma", "plasma", "viridis", "cividis" or "grey".
    alpha
        Opacity of the hottest places, from 0 to 1.
    contour
        How the outline is drawn: "solid", "dashed", or "none".

    Returns
    -------
    Image
        A new RGB image of the photograph's size.

    Raises
    ------
    OptionError
        If the colour map or the contour is unknown, or ``alpha`` out of range.

    """
    from PIL import Image

    check_drawing(colormap, alpha, contour)
    frame = Frame(placement, heatmap.shape)
    levels = np.arange(256) / 255
    ease = levels * levels * (3 - 2 * levels)
    table = colours(colormap)[np.rint(255 * (_FIRST_COLOUR + (1 - _FIRST_COLOUR) * levels)).astype(int)]
    palette = table.tobytes()
    # Under the heat the photograph turns grey, or an orange animal would pass for a hot one.
    greyed = min(1.0, 2 * alpha)
    opacity = np.rint(255 * greyed * ease).astype(int).tolist()
    n_clear = sum(level == 0 for level in opacity)
    result = photo.copy()
    for box, heat in frame.smooth(_levels(heatmap), cold=n_clear - 1):
        part, mask = photo.crop(box), heat.point(opacity)
        heat.putpalette(palette)
        mixed = Image.blend(part.convert("L").convert("RGB"), heat.convert("RGB"), alpha / greyed)
        part.paste(mixed, mask=mask)
        result.paste(part, box)
    _hatch_unseen(result, photo, frame, _UNSEEN_LIGHT["overlay"])
    if kept is not None:
        _outline(result, frame, kept, contour)
    return result


def check_drawing(colormap: str, alpha: float, contour: str) -> None:
    """
    Check how pictures are to be drawn.

    Raises
    ------
    OptionError
        If the colour map or the contour is unknown, or ``alpha`` out of range.

    """
    one_of("colormap", colormap, tuple(COLORMAPS))
    if not 0 <= finite_number("alpha", alpha) <= 1:
        raise OptionError(f"alpha is {alpha!r}; a number from 0 to 1 is needed")
    one_of("contour", contour, get_args(Contour))


def picture(
    photo: Image.Image, placement: Placement, kept: NDArray[np.bool_], *, contour: Contour = "solid"
) -> Image.Image:
    """
    Show the explanation: kept pixels as they are, within an outline, the rest grey and dark.

    Parameters
    ----------
    photo
        The photograph, mode RGB, of ``placement.photo_size``.
    placement
        Where in the photograph the model's image lies.
    kept
        bool (H, W), True where the pixel belongs to the explanation.
    contour
        How the outline is drawn: "solid", "dashed", or "none".

    Returns
    -------
    Image
        A new RGB image of the photograph's size.

    Raises
    ------
    OptionError
        If the contour is unknown.

    """
    from PIL import Image

    one_of("contour", contour, get_args(Contour))
    frame = Frame(placement, kept.shape)
    levels = light_levels(_MASKED_LIGHT)
    result = Image.new("RGB", photo.size, None)
    for box, inside in frame.masks(kept):
        part = photo.crop(box)
        dark = dimmed(part, levels).convert("RGB")
        dark.paste(part, mask=Image.fromarray(inside))
        result.paste(dark, box)
    _hatch_unseen(result, photo, frame, _UNSEEN_LIGHT["picture"])
    _outline(result, frame, kept, contour)
    return result


def cutout(photo: Image.Image, placement: Placement, kept: NDArray[np.bool_]) -> Image.Image:
    """
    Cut the explanation out of the photograph.

    Returns
    -------
    Image
        A new RGBA image of the photograph's size: kept pixels opaque, all others (0, 0, 0, 0).

    """
    from PIL import Image

    result = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    for box, inside in Frame(placement, kept.shape).masks(kept):
        result.paste(photo.crop(box).convert("RGBA"), box, Image.fromarray(inside))
    return result


def masked_picture(
    image: NDArray[np.uint8], baseline: NDArray[np.uint8], kept: NDArray[np.bool_]
) -> Image.Image:
    """
    Show exactly what the model was given: kept pixels of the image, the baseline everywhere else.

    Parameters
    ----------
    image, baseline
        uint8 (H, W, 3).
    kept
        bool (H, W).

    Returns
    -------
    Image
        An RGB image of the model's size (width W, height H).

    """
    from PIL import Image

    return Image.fromarray(np.where(kept[:, :, None], image, baseline))


def _levels(heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the heatmap as levels of colour, uint8 (H, W)."""
    from PIL import Image, ImageFilter

    low, high = np.quantile(heatmap, (_COLD, _HOT))
    if high <= low:  # nearly all the same: only the rest can be told apart
        low, high = heatmap.min(), heatmap.max()
    if high <= low:
        return np.zeros(heatmap.shape, dtype=np.uint8)
    stretched = np.clip((heatmap - low) / (high - low), 0, 1)
    levels = Image.fromarray(np.rint(255 * stretched).astype(np.uint8))
    smooth = levels.filter(ImageFilter.GaussianBlur(_BLUR * max(heatmap.shape)))
    return np.asarray(smooth)


def _hatch_unseen(result: Image.Image, photo: Image.Image, frame: Frame, light: float) -> None:
    """Draw what the model did not see of ``photo`` into ``result``: grey, dark and hatched."""
    from PIL import Image

    period = max(6, min(frame.size) // 32)
    bright, dark = light_levels(light), light_levels(light / 2)
    for box in frame.unseen():
        grey = photo.crop(box).convert("L")
        lines = Image.fromarray(stripes(box, period, max(1, period // 6)))
        result.paste(Image.composite(grey.point(dark), grey.point(bright), lines).convert("RGB"), box)


def _outline(result: Image.Image, frame: Frame, kept: NDArray[np.bool_], contour: Contour) -> None:
    """Draw a white line with dark edges around the kept pixels, wholly outside them, in ``result`` itself."""
    from PIL import Image, ImageChops

    if contour == "none":
        return
    width = max(1, round(_LINE * min(frame.size)))
    hair = math.ceil(width / 3) if min(frame.size) >= _SMALL else 0
    dash = max(3, _DASH * width)
    layers = ((2 * hair + width, _BLACK), (hair + width, _WHITE), (hair, _BLACK))
    for box, near in frame.around(frame.rectangles(kept), layers[0][0]):
        part = result.crop(box)
        lined, untouched = part.copy(), Image.new("1", part.size)
        for margin, colour in layers:
            fill_around(lined, near, margin, colour)
        fill_around(untouched, near, 0, 1)
        if contour == "dashed":
            gaps = Image.fromarray(~stripes(box, 2 * dash, dash))
            untouched = ImageChops.logical_or(untouched, gaps)
        lined.paste(part, mask=untouched)
        result.paste(lined, box)
