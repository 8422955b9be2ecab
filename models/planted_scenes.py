"""
Images with red boxes planted in them, and classifiers that look at nothing else.

What a classifier answers is a Boolean function of which boxes are *present*, so the causes of its answer,
their responsibilities and the minimal explanations are known by hand. Needs only NumPy; ``make_planted.py``
writes the same classifiers as ONNX files.

**The rule.** A pixel is red iff ``(R - G - B) / 255 > 0.5``. A box is present iff at least the ``share`` of
its pixels is red: with the default, 1, iff every pixel is, so masking a single one of them makes the box
absent. Any masking colour but a red one will do. The background has no red pixel, and nothing outside the
boxes matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planted_rules import Rule

RED = (255, 0, 0)
CELLS = 8  # positions are cells of a grid of 8 x 8; a box fills one cell
THRESHOLD = 0.5


class Box(NamedTuple):
    """A rectangle of pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an (H, W) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """
    A classifier, an image for it, and the truth.

    Attributes
    ----------
    name
        Of the variant; see ``make_planted.VARIANTS``.
    rule
        What the classifier looks for.
    image
        uint8 (H, W, 3) RGB.
    boxes
        The planted boxes by letter, those that the image does not show included.
    share
        Share of a box's pixels that must be red.
    label
        The classifier's label of the image, as an index into its scores.
    names
        Of the classes; None where the file does not say.
    path, photo
        The ONNX file and the image as PNG, once they have been written.

    """

    name: str
    rule: Rule
    image: NDArray[np.uint8]
    boxes: Mapping[str, Box]
    share: float
    label: int
    names: tuple[str, ...] | None
    path: Path = field(default=Path())
    photo: Path = field(default=Path())

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def explanations(self) -> tuple[NDArray[np.bool_], ...]:
        """The minimal sufficient sets of pixels, each bool (H, W); exact for a share of 1."""
        return tuple(self.pixels(letters) for letters in self.rule.minimal)

    def pixels(self, letters: str) -> NDArray[np.bool_]:
        """Return the pixels of some boxes, bool (H, W)."""
        inside = np.zeros(self.size, dtype=np.bool_)
        for letter in letters:
            inside[self.boxes[letter].slices] = True
        return inside

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Return what the classifier gives, without ONNX: before softmax or sigmoid, float32 (n, classes).

        ``images`` is uint8 (n, H, W, 3), so this is a classifier for ``dccausal.explain``.
        """
        signs, needed, members = self.rule.terms()
        presence = self._presence(images).astype(np.float32)
        holds = (presence @ signs >= needed) @ members > 0
        weights, bias = (np.array(part, dtype=np.float32) for part in (self.rule.weights, self.rule.bias))
        scores: NDArray[np.float32] = holds.astype(np.float32) @ weights + bias
        return scores

    def is_kept(self, kept: NDArray[np.bool_]) -> bool:
        """Return whether the image has its label while all but ``kept``, bool (H, W), is masked in grey."""
        mutant = np.where(kept[..., None], self.image, np.uint8(128))
        return int(self.scores(mutant[None])[0].argmax()) == self.rule.label

    def _presence(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which of the rule's letters are present, bool (n, letters)."""
        channels = images.astype(np.int32)
        red = channels[..., 0] - channels[..., 1] - channels[..., 2] > 255 * THRESHOLD
        if self.rule.anywhere:  # every window of the size of a cell
            cell = self.boxes["A"]
            shape = (cell.bottom - cell.top, cell.right - cell.left)
            windows = np.lib.stride_tricks.sliding_window_view(red, shape, axis=(1, 2))
            counts = windows.sum(axis=(3, 4)).max(axis=(1, 2))[:, None]
        else:
            counts = np.stack([red[:, *box.slices].sum(axis=(1, 2)) for box in self.boxes.values()], axis=1)
        presence: NDArray[np.bool_] = np.greater_equal(
            counts, [self.n_needed(letter) for letter in self.rule.letters]
        )
        return presence

    def n_needed(self, letter: str) -> int:
        """Return how many pixels of a box must be red."""
        return math.ceil(self.share * self.boxes[letter].area - 1e-9)


def plant(rule: Rule, name: str, size: tuple[int, int] = (64, 64), share: float = 1.0) -> Planted:
    """
    Return the scene of a rule.

    Parameters
    ----------
    rule, name
        What the classifier looks for, and what the scene is called.
    size
        (height, width), multiples of 8.
    share
        Share of a box's pixels that must be red, in (0, 1].

    Raises
    ------
    ValueError
        If ``size`` or ``share`` is out of its range.

    """
    height, width = size
    if height < CELLS or width < CELLS or height % CELLS or width % CELLS:
        raise ValueError(f"size is {size}; two multiples of {CELLS} are needed")
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; more than 0 and at most 1 is needed")
    cell_height, cell_width = height // CELLS, width // CELLS
    boxes = {}
    for letter, cell in rule.cells.items():
        if cell is None:
            boxes[letter] = Box(0, 0, width, height)
        else:
            left, top = cell[0] * cell_width, cell[1] * cell_height
            boxes[letter] = Box(left, top, left + cell_width, top + cell_height)
    image = _background(height, width)
    for letter, box in boxes.items():
        if letter not in rule.absent:
            image[box.slices] = RED
    scene = Planted(
        name=name, rule=rule, image=image, boxes=boxes, share=share, label=rule.label, names=rule.names
    )
    return replace(scene, image=_frozen(image))


def _background(height: int, width: int) -> NDArray[np.uint8]:
    """Return greens and blues, the same at each call; far from red, and lighter than red in greyscale."""
    rng = np.random.default_rng(0)
    low, high = np.array([0, 150, 120]), np.array([61, 221, 241])
    return rng.integers(low, high, (height, width, 3)).astype(np.uint8)


def _frozen(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    array.flags.writeable = False
    return array
