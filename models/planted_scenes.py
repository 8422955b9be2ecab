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
class Rule:
    """
    What a classifier looks for.

    Attributes
    ----------
    cells
        (column, row) of each box in the grid of cells, by the box's letter; None is the whole image.
    absent
        Letters of boxes that the classifier knows and that the image does not show.
    conditions
        Each a Boolean function in disjunctive form: a tuple of terms, each the letters of the boxes that must
        be present, or absent if preceded by "!".
    weights, bias
        Scores are ``bias + conditions @ weights``: (conditions, classes) and (classes).
    label
        The label of the image: the column that is highest.
    minimal
        The minimal sufficient sets of boxes for that label: with everything but one of them masked, it stays.
    responsibility
        Of each box for that label, the boxes being the superpixels.
    anywhere
        The classifier finds a box of the size of a cell wherever it lies, and knows only the letter "A".

    """

    cells: Mapping[str, tuple[int, int] | None]
    conditions: tuple[tuple[str, ...], ...]
    minimal: tuple[str, ...]
    responsibility: Mapping[str, float]
    absent: str = ""
    weights: tuple[tuple[float, ...], ...] = ((-8.0, 8.0),)
    bias: tuple[float, ...] = (4.0, -4.0)
    label: int = 1
    names: tuple[str, ...] = ("other", "planted")
    anywhere: bool = False

    @property
    def letters(self) -> str:
        """What the conditions are about."""
        return "A" if self.anywhere else "".join(self.cells)

    def terms(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """
        Return the conditions as arrays.

        Returns
        -------
        signs, needed, members
            (letters, terms): 1 must be present, -1 must not, 0 does not matter. (terms,): what
            ``presence @ signs`` reaches iff the term holds. (terms, conditions): 1 for a condition's own
            terms.

        """
        flat = [(i, term) for i, condition in enumerate(self.conditions) for term in condition]
        signs = np.zeros((len(self.letters), len(flat)), dtype=np.float32)
        needed = np.zeros(len(flat), dtype=np.float32)
        members = np.zeros((len(flat), len(self.conditions)), dtype=np.float32)
        for column, (condition, term) in enumerate(flat):
            members[column, condition] = 1
            for word in term.split():
                signs[self.letters.index(word[-1]), column] = -1 if word.startswith("!") else 1
                needed[column] += not word.startswith("!")
        return signs, needed, members


_A, _B, _C = (1, 1), (6, 6), (6, 1)
_MULTI_LABELS = np.diag([5.0, 4.0, 6.0, 5.0])

RULES: dict[str, Rule] = {
    # One region.
    "needs_a": Rule(cells={"A": _A}, conditions=(("A",),), minimal=("A",), responsibility={"A": 1.0}),
    # Two far regions, both needed.
    "needs_a_and_b": Rule(
        cells={"A": _A, "B": _B},
        conditions=(("A B",),),
        minimal=("AB",),
        responsibility={"A": 1.0, "B": 1.0},
    ),
    # The four corners, all needed.
    "needs_four_corners": Rule(
        cells={"A": (0, 0), "B": (7, 0), "C": (0, 7), "D": (7, 7)},
        conditions=(("A B C D",),),
        minimal=("ABCD",),
        responsibility=dict.fromkeys("ABCD", 1.0),
    ),
    # Every pixel of the image.
    "needs_everything": Rule(
        cells={"A": None}, conditions=(("A",),), minimal=("A",), responsibility={"A": 1.0}
    ),
    # Either of two regions will do.
    "a_or_b": Rule(
        cells={"A": _A, "B": _B},
        conditions=(("A", "B"),),
        minimal=("A", "B"),
        responsibility={"A": 1 / 2, "B": 1 / 2},
    ),
    # Any one of four.
    "any_of_four": Rule(
        cells={"A": (0, 0), "B": (7, 0), "C": (0, 7), "D": (7, 7)},
        conditions=(("A", "B", "C", "D"),),
        minimal=("A", "B", "C", "D"),
        responsibility=dict.fromkeys("ABCD", 1 / 4),
    ),
    # Any two of three.
    "two_of_three": Rule(
        cells={"A": _A, "B": _B, "C": _C},
        conditions=(("A B", "A C", "B C"),),
        minimal=("AB", "AC", "BC"),
        responsibility=dict.fromkeys("ABC", 1 / 2),
    ),
    # A region of the size of a cell that is red, wherever it is; there are two.
    "colour_anywhere": Rule(
        cells={"A": (2, 5), "B": (5, 2)},
        conditions=(("A",),),
        minimal=("A", "B"),
        responsibility={"A": 1 / 2, "B": 1 / 2},
        anywhere=True,
    ),
    # Masking C takes the label away, masking B as well brings it back. B is no cause: SC2 forbids W = {C}.
    "non_monotone": Rule(
        cells={"A": _A, "B": _B, "C": _C},
        conditions=(("A !B", "A C"),),
        minimal=("A",),
        responsibility={"A": 1.0, "B": 0.0, "C": 1.0},
    ),
    # The label stays whatever is masked.
    "always": Rule(cells={"A": _A}, conditions=(("",),), minimal=("",), responsibility={"A": 0.0}),
    # As two_of_three, but three present boxes give softmax scores of 0.953 and two 0.731.
    "graded": Rule(
        cells={"A": _A, "B": _B, "C": _C},
        conditions=(("A",), ("B",), ("C",)),
        weights=((0.0, 2.0),) * 3,
        bias=(0.0, -3.0),
        minimal=("AB", "AC", "BC"),
        responsibility=dict.fromkeys("ABC", 1 / 2),
    ),
    # Four labels at once, of which the image has three.
    "multi_label": Rule(
        cells={"A": _A, "B": _B, "C": _C},
        absent="C",
        conditions=(("A",), ("B",), ("A B",), ("C",)),
        weights=tuple(tuple(row) for row in _MULTI_LABELS.tolist()),
        bias=(-2.5, -2.0, -3.0, -2.5),
        label=2,
        names=("has A", "has B", "has A and B", "has C"),
        minimal=("AB",),
        responsibility={"A": 1.0, "B": 1.0, "C": 0.0},
    ),
}


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
