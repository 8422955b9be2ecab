"""What an explanation looks like on the photograph. Pure functions: arrays in, Pillow images out.

All of them take sets of pixels and heatmaps in the model's size (H, W) and lay them over the photograph by its
``Placement``. What the model did not see (a crop) is dimmed. A photograph under 640 pixels wide is enlarged for its
picture; below the picture there may be a caption.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of
from dccausal.errors import OptionError
from dccausal.explanation.caption import LINES, WIDTH, Caption, Weight, draw_strip, strip_height
from dccausal.explanation.colormaps import COLORMAPS, colours
from dccausal.explanation.drawing import Frame, bands, dimmed, light_levels
from dccausal.explanation.mark import Mark, draw_mark
from dccausal.explanation.outlines import Stroke, draw_strokes, inside_tiles, smooth_paths
from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

Contour = Literal["solid", "dashed", "none"]
Mask = NDArray[np.bool_]

# A heatmap's colours run from its 10 % to its 99.5 % quantile: a few outliers would leave the rest dark.
_COLD, _HOT = 0.10, 0.995
_BLUR = 1 / 72  # of the longer side: the seams of lattices and of random cuts are no finding
_FINE = 256  # a smaller heatmap is enlarged before it is smoothed
_FIRST_COLOUR = 0.25  # colder ones are nearly black and would only soil the photograph
_GREY = 0.5  # of the photograph's colours that go, or an orange animal would pass for a hot one
_BENEATH = 190.0  # the grey beneath the colours of the caption
MASKED_LIGHT = 0.38
_UNSEEN_LIGHT = {"overlay": 0.4, "picture": 0.16}
_TALLEST = 1600  # pixels to which a narrow photograph is enlarged at most
_AREA = 520.0  # side of a square for which lines are as wide as they are given here
_WIDTHS: dict[Weight, float] = {"thin": 1.2, "bold": 2.8}
_SLIM = 0.7  # of these widths where the lines are not over heat
_EDGE, _APART, _DASH = 1.0, 4.2, 9.0
_OPACITY: dict[Weight, int] = {"thin": 225, "bold": 255}


def overlay(
    photo: Image.Image,
    placement: Placement,
    heatmap: NDArray[np.float32],
    kept: Mask | None = None,
    *,
    levels: Sequence[Mask] = (),
    colormap: str = "inferno",
    alpha: float = 0.65,
    contour: Contour = "solid",
    caption: Caption | None = None,
    mark: Mark | None = None,
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
    levels
        bool (H, W) each: the nested sets, outermost first, drawn as thinner outlines.
    colormap
        "inferno", "magma", "plasma", "viridis", "cividis" or "grey".
    alpha
        Opacity of the hottest places, from 0 to 1.
    contour
        How outlines are drawn: "solid", "dashed", or "none".
    caption
        Drawn below the picture; None draws none.
    mark
        What is explained, framed: a box (x0, y0, x1, y1) of the photograph, or bool (h, w) over the model's image.

    Returns
    -------
    Image
        A new RGB image: of the photograph's size, enlarged to a width of 640 where that is less, and the caption.

    Raises
    ------
    OptionError
        If the colour map or the contour is unknown, or ``alpha`` out of range.

    """
    from PIL import Image

    check_drawing(colormap, alpha, contour)
    original = photo.size
    photo, placement = enlarged(photo, placement)
    result = _figure(photo.size, caption)
    levels_of_heat = _levels(heatmap)
    frame = Frame(placement, levels_of_heat.shape)
    fade = _GREY if alpha > 0 and levels_of_heat.any() else 0.0
    steps = np.arange(256) / 255
    ease = steps * steps * (3 - 2 * steps)
    table = colours(colormap)[np.rint(255 * (_FIRST_COLOUR + (1 - _FIRST_COLOUR) * steps)).astype(int)]
    opacity = np.rint(255 * alpha * ease)
    palette = np.column_stack([table, opacity]).astype(np.uint8).tobytes()
    for box, heat in frame.smooth(levels_of_heat, cold=int((opacity == 0).sum()) - 1):
        part = photo.crop(box)
        if fade:
            part = Image.blend(part, part.convert("L").convert("RGB"), fade)
        if heat is not None:
            heat.putpalette(palette, "RGBA")
            coloured = heat.convert("RGBA")
            part.paste(coloured, mask=coloured)
        result.paste(part, box)
    _dim_unseen(result, photo, frame, _UNSEEN_LIGHT["overlay"])
    sets = [*levels, *([] if kept is None else [kept])]
    draw_mark(result, mark, original, placement)
    _outline(result, placement, sets, kept, contour)
    if caption is not None:
        share = (opacity / 255)[:, None]
        shown = np.rint(share * table + (1 - share) * _BENEATH).astype(np.uint8)
        draw_strip(result, caption, _unit(photo.size), widths=_widths(photo.size), palette=shown)
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
    photo: Image.Image,
    placement: Placement,
    kept: Mask,
    *,
    levels: Sequence[Mask] = (),
    apart: Sequence[Mask] = (),
    contour: Contour = "solid",
    caption: Caption | None = None,
    mark: Mark | None = None,
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
        bool (H, W), True where the pixel belongs to the explanation. Its corners are rounded.
    levels
        bool (H, W) each: the nested sets, outermost first, drawn as outlines.
    apart
        bool (H, W) each: sets that are outlined each for itself, in a colour of its own, in place of ``kept`` and
        ``levels``.
    contour
        How outlines are drawn: "solid", "dashed", or "none".
    caption
        Drawn below the picture; None draws none.
    mark
        What is explained, framed: a box (x0, y0, x1, y1) of the photograph, or bool (h, w) over the model's image.

    Returns
    -------
    Image
        A new RGB image: of the photograph's size, enlarged to a width of 640 where that is less, and the caption.

    Raises
    ------
    OptionError
        If the contour is unknown.

    """
    one_of("contour", contour, get_args(Contour))
    original = photo.size
    photo, placement = enlarged(photo, placement)
    frame = Frame(placement, kept.shape)
    dark = light_levels(MASKED_LIGHT)
    result = _figure(photo.size, caption)
    for box in bands(frame.seen):
        result.paste(dimmed(photo.crop(box), dark).convert("RGB"), box)
    for box, inside in inside_tiles(photo.size, smooth_paths(kept, placement)):
        result.paste(photo.crop(box), box, inside)
    _dim_unseen(result, photo, frame, _UNSEEN_LIGHT["picture"])
    draw_mark(result, mark, original, placement)
    for i, (sets, bold) in enumerate([([one], one) for one in apart] or [([*levels, kept], kept)]):
        _outline(result, placement, sets, bold, contour, _SLIM, LINES[i % len(LINES)])
    if caption is not None:
        draw_strip(result, caption, _unit(photo.size), widths=_widths(photo.size, _SLIM))
    return result


def cutout(photo: Image.Image, placement: Placement, kept: Mask) -> Image.Image:
    """
    Cut the explanation out of the photograph, to the pixel.

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


def masked_picture(image: NDArray[np.uint8], baseline: NDArray[np.uint8], kept: Mask) -> Image.Image:
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


def picture_size(photo_size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of the pictures of a photograph, without their captions."""
    width, height = photo_size
    factor = max(1.0, min(WIDTH / width, _TALLEST / height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def enlarged(photo: Image.Image, placement: Placement) -> tuple[Image.Image, Placement]:
    """Return a photograph as large as its pictures are, and where the model's image lies in it."""
    from PIL import Image

    size = picture_size(photo.size)
    if size == photo.size:
        return photo, placement
    scale = size[0] / photo.width, size[1] / photo.height
    left, top, right, bottom = placement.box
    box = left * scale[0], top * scale[1], right * scale[0], bottom * scale[1]
    return photo.resize(size, Image.Resampling.BICUBIC), Placement(size, box)


def _figure(size: tuple[int, int], caption: Caption | None) -> Image.Image:
    """Return a picture to draw in, with room for the caption."""
    from PIL import Image

    if caption is None:
        return Image.new("RGB", size, None)
    width = max(WIDTH, size[0])
    colour = None if width == size[0] else (250, 250, 248)
    return Image.new("RGB", (width, size[1] + strip_height(_unit(size))), colour)


def _unit(size: tuple[int, int]) -> float:
    """Return how much larger than on a picture of 640 pixels letters are."""
    return max(1.0, min(math.sqrt(size[0] * size[1]) / _AREA, size[0] / WIDTH))


def _widths(size: tuple[int, int], share: float = 1.0) -> dict[Weight, float]:
    scale = share * min(1.0, min(size) / 160) * max(1.0, math.sqrt(size[0] * size[1]) / _AREA)
    return {weight: width * scale for weight, width in _WIDTHS.items()}


def _levels(heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the heatmap as levels of colour, smooth: uint8, as large or larger."""
    from PIL import Image, ImageFilter

    low, high = np.quantile(heatmap, (_COLD, _HOT))
    if high <= low:  # nearly all the same: only the rest can be told apart
        low, high = heatmap.min(), heatmap.max()
    if high <= low:
        return np.zeros(heatmap.shape, dtype=np.uint8)
    stretched = np.clip((heatmap - low) / (high - low), 0, 1)
    levels = Image.fromarray(np.rint(255 * stretched).astype(np.uint8))
    times = math.ceil(_FINE / max(heatmap.shape))
    if times > 1:
        levels = levels.resize((times * levels.width, times * levels.height), Image.Resampling.BICUBIC)
    return np.asarray(levels.filter(ImageFilter.GaussianBlur(_BLUR * max(levels.size))))


def _dim_unseen(result: Image.Image, photo: Image.Image, frame: Frame, light: float) -> None:
    """Draw what the model did not see of ``photo`` into ``result``: grey and dark."""
    dark = light_levels(light)
    for box in frame.unseen():
        result.paste(dimmed(photo.crop(box), dark).convert("RGB"), box)


def _outline(
    result: Image.Image,
    placement: Placement,
    sets: Sequence[Mask],
    bold: Mask | None,
    contour: Contour,
    share: float = 1.0,
    colour: tuple[int, int, int] = LINES[0],
) -> None:
    """Draw lines around sets, outermost first, beside each other where borders are the same."""
    if contour == "none":
        return
    widths = _widths(placement.photo_size, share)
    scale = widths["bold"] / _WIDTHS["bold"]
    distinct = list({mask.tobytes(): mask for mask in sets if mask.any()}.values())
    distinct.sort(key=lambda mask: -int(mask.sum()))
    main = next((i for i, mask in enumerate(distinct) if bold is not None and (mask == bold).all()), None)
    strokes = []
    for i, mask in enumerate(distinct):
        weight: Weight = "bold" if i == main else "thin"
        inset = (i - (len(distinct) // 2 if main is None else main)) * _APART * scale
        margin = widths[weight] / 2 + max(0.0, inset)
        paths = smooth_paths(mask, placement, inset=inset, margin=margin)
        strokes.append((weight, Stroke(paths, widths[weight], _OPACITY[weight], colour)))
    ordered = [stroke for _, stroke in sorted(strokes, key=lambda pair: pair[0] == "bold")]
    dash = _DASH * scale if contour == "dashed" else None
    draw_strokes(result, ordered, edge=_EDGE * scale, dash=dash)
