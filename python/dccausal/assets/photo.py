"""The photograph that the package carries, as it is and with something planted in front of it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

# left, top, right, bottom in pixels of the photograph; right and bottom are the first ones outside.
OCCLUSION = (330, 120, 470, 260)


def demo_photo() -> Image.Image:
    """
    Return a photograph of a giant panda before trees and a fence, 600 x 399, mode RGB.

    The default model knows it (0.97). By Aaron Logan, CC BY 1.0; see ``assets/LICENSES.md``.
    """
    from PIL import Image

    with resources.files("dccausal").joinpath("assets/panda.jpg").open("rb") as file:
        return Image.open(file).convert("RGB")


def demo_occluded() -> tuple[Image.Image, tuple[int, int, int, int]]:
    """
    Return the photograph with a black square planted in it, and the square.

    It hides a part of the back, not the head; the default model's label stays.

    Returns
    -------
    photo, box
        600 x 399, mode RGB; (left, top, right, bottom) in pixels, right and bottom outside.

    """
    photo = demo_photo()
    photo.paste((0, 0, 0), OCCLUSION)
    return photo, OCCLUSION
