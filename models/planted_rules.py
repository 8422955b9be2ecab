"""
What planted classifiers look for: Boolean functions of which boxes are present, and what follows from them.

Needs only NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
