"""Planted classifiers with known answers to every kind of question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE, CELL = 64, 8
# Letters of regions, each a cell of the 8 x 8 lattice: row, column.
PLACES = {"A": (1, 1), "B": (4, 5), "C": (1, 6), "D": (6, 1)}


@dataclass(frozen=True)
class KindModel:
    """
    An image, and a classifier of it.

    Attributes
    ----------
    letters
        The regions of the image.
    logits
        From which regions are there, (n,) of 0 or 1 by letter, to logits, a list of (n,).

    """

    letters: str
    logits: Callable[[dict[str, NDArray[Any]]], list[Any]]

    @property
    def image(self) -> NDArray[np.uint8]:
        """uint8 (64, 64, 3), red where regions are."""
        image = np.full((SIDE, SIDE, 3), 60, dtype=np.uint8)
        image[self.pixels(self.letters)] = (255, 0, 0)
        return image

    def pixels(self, letters: str) -> NDArray[np.bool_]:
        """Bool (64, 64): some regions."""
        pixels = np.zeros((SIDE, SIDE), dtype=bool)
        for letter in letters:
            row, column = (CELL * place for place in PLACES[letter])
            pixels[row : row + CELL, column : column + CELL] = True
        return pixels

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, (n, classes)."""
        red = (images[..., 0] > 200) & (images[..., 1] < 50)
        seen = {letter: red[:, self.pixels(letter)].mean(axis=1) > 0.5 for letter in self.letters}
        given = self.logits(seen)
        columns = np.stack(
            [np.broadcast_to(np.asarray(one, dtype=float), len(images)) for one in given], axis=1
        )
        raised = np.exp(columns - columns.max(axis=1, keepdims=True))
        return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def _least(*shares: NDArray[Any]) -> NDArray[Any]:
    return np.min(shares, axis=0)


def _most(*shares: NDArray[Any]) -> NDArray[Any]:
    return np.max(shares, axis=0)


MODELS = {
    # Either region will do; or any of three.
    "either": KindModel("AB", lambda seen: [3.0, 6.0 * _most(seen["A"], seen["B"])]),
    "any_of_three": KindModel("ABC", lambda seen: [3.0, 6.0 * _most(seen["A"], seen["B"], seen["C"])]),
    # Both are needed.
    "both": KindModel("AB", lambda seen: [3.0, 6.0 * _least(seen["A"], seen["B"])]),
    # A, and B or C.
    "and_or": KindModel("ABC", lambda seen: [3.0, 6.0 * _least(seen["A"], _most(seen["B"], seen["C"]))]),
    # A gives the label; D adds to the score, and is not needed.
    "distractor": KindModel("AD", lambda seen: [3.0, 5.0 * seen["A"] + 1.0 * seen["D"]]),
    # Label 1 wins by A; without A label 2 wins by B, without both label 0; label 3 never does.
    "next_in_line": KindModel("AB", lambda seen: [2.0, 7.0 * seen["A"], 5.0 * seen["B"], -9.0]),
}
