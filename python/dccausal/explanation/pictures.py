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
    levels = np.arange(256) / 255
    ease = levels * levels * (3 - 2 * levels)
    table = colours(colormap)[np.rint(255 * (_FIRST_COLOUR + (1 - _FIRST_COLOUR) * levels)).astype(int)]
    heat = placement.to_photo(_levels(heatmap), smooth=True, fill=0)

    def opacity(most: float) -> Image.Image:
        return Image.fromarray(np.rint(255 * np.minimum(1, most * ease)).astype(np.uint8)[heat])

    # Under the heat the photograph turns grey, or an orange animal would pass for a hot one.
    grey = Image.composite(_dimmed(photo, 1), photo, opacity(2 * alpha))
    result = Image.composite(Image.fromarray(table[heat]), grey, opacity(alpha))
    result = _hatch_unseen(result, photo, placement, heatmap.shape, _UNSEEN_LIGHT["overlay"])
    return result if kept is None else _outline(result, placement, kept, contour)


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
    inside = Image.fromarray(placement.to_photo(kept, smooth=False, fill=False))
    result = Image.composite(photo, _dimmed(photo, _MASKED_LIGHT), inside)
    result = _hatch_unseen(result, photo, placement, kept.shape, _UNSEEN_LIGHT["picture"])
    return _outline(result, placement, kept, contour)


def cutout(photo: Image.Image, placement: Placement, kept: NDArray[np.bool_]) -> Image.Image:
    """
    Cut the explanation out of the photograph.

    Returns
    -------
    Image
        A new RGBA image of the photograph's size: kept pixels opaque, all others (0, 0, 0, 0).

    """
    from PIL import Image

    inside = Image.fromarray(placement.to_photo(kept, smooth=False, fill=False))
    return Image.composite(photo.convert("RGBA"), Image.new("RGBA", photo.size, (0, 0, 0, 0)), inside)


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


def _dimmed(photo: Image.Image, light: float) -> Image.Image:
    return photo.convert("L").point([round(level * light) for level in range(256)]).convert("RGB")


def _hatch_unseen(
    result: Image.Image, photo: Image.Image, placement: Placement, shape: tuple[int, ...], light: float
) -> Image.Image:
    """Return ``result`` with what the model did not see of ``photo`` grey, dark and hatched."""
    from PIL import Image

    seen = placement.to_photo(np.ones(shape, dtype=np.bool_), smooth=False, fill=False)
    if seen.all():
        return result
    height, width = seen.shape
    period = max(6, min(height, width) // 32)
    line = np.arange(width + period) % period < max(1, period // 6)
    rows = np.stack([line[shift : shift + width] for shift in range(period)])
    hatched = Image.fromarray(rows[np.arange(height) % period])
    unseen = Image.composite(_dimmed(photo, light / 2), _dimmed(photo, light), hatched)
    return Image.composite(result, unseen, Image.fromarray(seen))


def _outline(
    result: Image.Image, placement: Placement, kept: NDArray[np.bool_], contour: Contour
) -> Image.Image:
    """Draw a white line with dark edges around the kept pixels, wholly outside them, in ``result`` itself."""
    from PIL import Image

    if contour == "none":
        return result
    inside = placement.to_photo(kept, smooth=False, fill=False)
    width = max(1, round(_LINE * min(inside.shape)))
    hair = math.ceil(width / 3) if min(inside.shape) >= _SMALL else 0
    dark = _dilate(inside, 2 * hair + width) & ~inside
    white = _dilate(inside, hair + width) & ~_dilate(inside, hair)
    if contour == "dashed":
        dashes = _dashes(inside.shape, max(3, _DASH * width))
        dark, white = dark & dashes, white & dashes
    result.paste(_BLACK, mask=Image.fromarray(dark))
    result.paste(_WHITE, mask=Image.fromarray(white))
    return result


def _dashes(shape: tuple[int, ...], length: int) -> NDArray[np.bool_]:
    """Return stripes that rise to the right: they cut lines along the rows and along the columns alike."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    stripes: NDArray[np.bool_] = (rows + columns) // length % 2 == 0
    return stripes


def _dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return True wherever a True lies within a square of ``radius`` around, in O(log radius) passes."""
    result = mask.copy()
    for axis in (0, 1):
        view = result if axis == 0 else result.T
        reached = 0
        while reached < radius:
            step = min(reached + 1, radius - reached)  # at the border only half of what was reached is there
            before = view.copy()
            view[step:] |= before[:-step]
            view[:-step] |= before[step:]
            reached += step
    return result
