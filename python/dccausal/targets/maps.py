"""Maps of labels: what a segmenter says of each place of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.decoders.facts import sigmoid, softmax
from dccausal.targets.resize import resized

Activation = Literal["softmax", "none", "labels"]


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """
    What a segmenter says of some images.

    Attributes
    ----------
    raw
        float (n, labels, h, w): a number for each label at each place, of the map's own size.
    activation
        What makes probabilities of them: "softmax", or "none" where they are some.

    """

    raw: NDArray[Any]
    activation: Activation

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.raw)

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return int(self.raw.shape[1])

    def rows(self, own: slice) -> Self:
        """Return the answer on some of the images."""
        return replace(self, raw=self.raw[own])

    @classmethod
    def joined(cls, parts: Sequence[LabelMaps]) -> LabelMaps:
        """Return the answers on several batches as one."""
        return cls(np.concatenate([part.raw for part in parts]), parts[0].activation)

    def labels(self, image: int = 0, size: tuple[int, int] | None = None) -> NDArray[np.int64]:
        """Return the best label of each place, int64 (h, w); at another size the numbers are interpolated before."""
        raw = self.raw[image].astype(np.float32)
        best: NDArray[np.int64] = (raw if size is None else resized(raw, size)).argmax(axis=0)
        return best

    def at(self, region: NDArray[np.bool_], label: int) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """
        Return what is said of a region, bool (h, w).

        Returns
        -------
        is_best, probability
            (n, places) each: whether the label is the best one there, and its probability.

        """
        own = self.raw[:, :, region].astype(np.float32)
        is_best = own.argmax(axis=1) == label
        return is_best, (softmax(own, axis=1) if self.activation == "softmax" else own)[:, label]


def of_binary(raw: NDArray[Any], *, is_probability: bool) -> LabelMaps:
    """Return the maps of a yes or no, (n, 1, h, w), as those of two labels."""
    yes = raw.astype(np.float32) if is_probability else sigmoid(raw)
    return LabelMaps(np.concatenate([1 - yes, yes], axis=1), "none")


def of_labels(labels: NDArray[Any], n_labels: int) -> LabelMaps:
    """Return the maps of labels that the model has chosen itself, whole numbers (n, h, w), as 0 and 1."""
    return LabelMaps((labels[:, None] == np.arange(n_labels)[:, None, None]).astype(np.float32), "none")


def connected(mask: NDArray[np.bool_], at: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the part of a set of places (h, w) that hangs together with one of them (row, column) by their sides."""
    part = np.zeros_like(mask)
    part[at] = mask[at]
    while True:
        grown = part.copy()
        grown[1:] |= part[:-1]
        grown[:-1] |= part[1:]
        grown[:, 1:] |= part[:, :-1]
        grown[:, :-1] |= part[:, 1:]
        grown &= mask
        if (grown == part).all():
            return part
        part = grown
