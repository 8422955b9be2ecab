"""What part of a photograph a model sees, and how large the photograph is resized for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Geometry = Literal["squash", "crop", "squash-crop", "pad", "pad-corner", "pad-crop", "native", "crop-first"]
# Whose way of rounding sides and margins is followed.
Rounding = Literal["torchvision", "transformers", "timm", "paddle", "exact"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Frame:
    """
    A model's image within a photograph that is resized as a whole.

    Attributes
    ----------
    whole
        (width, height) of the resized photograph.
    size
        (height, width) of the image.
    left, top
        Where the image begins in the resized photograph; negative where it begins before it.

    """

    whole: tuple[int, int]
    size: tuple[int, int]
    left: int = 0
    top: int = 0

    @property
    def window(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of what the image shows, in pixels of the resized photograph."""
        height, width = self.size
        return (
            max(0, self.left),
            max(0, self.top),
            min(self.whole[0], self.left + width),
            min(self.whole[1], self.top + height),
        )

    @property
    def is_full(self) -> bool:
        """Whether the photograph covers the image."""
        left, top, right, bottom = self.window
        return (bottom - top, right - left) == self.size

    def box(self, photo: tuple[int, int]) -> Box:
        """Return the image's (left, top, right, bottom) in a photograph (width, height); beyond it where padded."""
        height, width = self.size
        return self._in(photo, (self.left, self.top, self.left + width, self.top + height))

    def window_in(self, photo: tuple[int, int]) -> Box:
        """Return the window in the pixels of a photograph (width, height)."""
        return self._in(photo, self.window)

    def _in(self, photo: tuple[int, int], area: tuple[int, int, int, int]) -> Box:
        left, top, right, bottom = area
        step_x, step_y = photo[0] / self.whole[0], photo[1] / self.whole[1]
        # No more than the photograph has, where rounding would say so.
        far_x = min(photo[0], right * step_x) if right <= self.whole[0] else right * step_x
        far_y = min(photo[1], bottom * step_y) if bottom <= self.whole[1] else bottom * step_y
        return left * step_x, top * step_y, far_x, far_y


def frame(
    photo: tuple[int, int],
    size: tuple[int, int],
    geometry: Geometry,
    target: tuple[int, int],
    rounding: Rounding,
) -> Frame:
    """
    Return what an image of ``size`` (height, width) shows of a photograph (width, height).

    Parameters
    ----------
    photo, size
        The photograph and the image.
    geometry
        How the photograph is resized: as in ``Preprocess``, but for "crop-first".
    target
        (height, width) that it is resized to, covers or is fitted into before the centre is cut out.
    rounding
        Whose roundings are followed.

    """
    height, width = size
    if geometry == "squash":
        return Frame((width, height), size)
    if geometry == "pad-corner":
        return Frame(_cornered(photo, size), size)
    if geometry in ("pad", "pad-crop"):
        return _centred(_fitted(photo, size if geometry == "pad" else target), size, "timm")
    if geometry == "native":
        return _centred(photo, size, rounding)
    if geometry == "squash-crop":
        return _centred((target[1], target[0]), size, rounding)
    return _centred(_covering(photo, target, rounding), size, rounding)


def first_cut(photo: tuple[int, int], size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    """
    Return the (left, top, right, bottom) that is cut out of a photograph (width, height) before it is resized.

    It is the share ``ratio`` of the largest centre that has the proportions of ``size`` (height, width), in whole
    pixels, rounded as Perceiver's processor does.
    """
    if size[0] == size[1]:
        sides = [int(ratio * min(photo))] * 2
    else:
        step = min(photo[0] / size[1], photo[1] / size[0])
        sides = [int(ratio * size[1] * step), int(ratio * size[0] * step)]
    width, height = (max(1, side) for side in sides)
    left, top = (photo[0] - width) // 2, (photo[1] - height) // 2
    return left, top, left + width, top + height


def exact_cut(photo: tuple[int, int], size: tuple[int, int], ratio: float) -> Box:
    """
    Return the (left, top, right, bottom) of a photograph (width, height) that ``ImageOps.fit`` of Pillow resizes.

    It is the share ``ratio`` of the largest centre that has the proportions of ``size`` (height, width), in parts of
    pixels.
    """
    step = min(photo[0] / size[1], photo[1] / size[0]) * ratio
    width, height = min(photo[0], size[1] * step), min(photo[1], size[0] * step)
    left, top = (photo[0] - width) / 2, (photo[1] - height) / 2
    return left, top, min(photo[0], left + width), min(photo[1], top + height)


def _fitted(photo: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of a photograph fitted into ``target``, its proportions kept to the pixel."""
    height, width = target
    shrink = max(photo[0] / width, photo[1] / height)
    return max(1, min(width, round(photo[0] / shrink))), max(1, min(height, round(photo[1] / shrink)))


def _cornered(photo: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of a photograph fitted into ``target``, rounded down as YOLOX does."""
    grow = min(target[0] / photo[1], target[1] / photo[0])
    return max(1, int(photo[0] * grow)), max(1, int(photo[1] * grow))


def _covering(photo: tuple[int, int], target: tuple[int, int], rounding: Rounding) -> tuple[int, int]:
    """Return the (width, height) of a photograph that is resized until it covers ``target`` (height, width)."""
    height, width = target
    if rounding == "paddle":
        grow = max(width / photo[0], height / photo[1])
        return max(1, round(photo[0] * grow)), max(1, round(photo[1] * grow))
    if rounding == "timm" and height != width:
        shrink = min(photo[0] / width, photo[1] / height)
        return max(1, round(photo[0] / shrink)), max(1, round(photo[1] / shrink))
    if width * photo[1] >= height * photo[0]:
        return width, max(height, int(width * photo[1] / photo[0]))
    return max(width, int(height * photo[0] / photo[1])), height


def _centred(whole: tuple[int, int], size: tuple[int, int], rounding: Rounding) -> Frame:
    """Return the centre of a photograph once it is resized to ``whole`` (width, height)."""
    left, top = (-_margin(side - full, rounding) for side, full in zip(size[::-1], whole, strict=True))
    return Frame(whole, size, left, top)


def _margin(room: int, rounding: Rounding) -> int:
    """
    Return the margin before what is put into, or cut out of, the centre; ``room`` is negative where it is cut.

    What is cut off is halved as each library does: transformers and Paddle round down, the others half to even.
    """
    if room >= 0:
        return room // 2
    return -(-room // 2) if rounding in ("transformers", "paddle") else -round(-room / 2)


def target_of(size: tuple[int, int], ratio: float, resize: tuple[int, int] | None) -> tuple[int, int]:
    """Return the (height, width) that photographs are resized to before ``size`` is cut out of them."""
    if resize is not None:
        return resize
    return math.floor(size[0] / ratio), math.floor(size[1] / ratio)
