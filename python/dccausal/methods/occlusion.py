"""Occlusion by a sliding window: how much the score drops where the window hides the image."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.methods.base import MaskSearch, generator, needs_scores
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class OcclusionOptions:
    """
    Occlusion by a sliding window [1]_.

    A rectangle of the image's proportions slides over it, and what it covers is masked. A pixel's value is the
    mean drop of the label's score over the windows that cover it. The last window of each row and column ends
    at the border, so that every pixel is covered. Windows are asked in a random order, which matters only
    where a budget or an interrupt leaves some of them out; pixels that none covered have no drop. Needs scores.

    Attributes
    ----------
    window
        Side of the window as a share of the image's, above 0 and at most 1.
    stride
        Distance of neighbouring windows as a share of the image's side, above 0 and at most ``window``.

    References
    ----------
    .. [1] M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

    """

    window: float = 0.2
    stride: float = 0.05

    def __post_init__(self) -> None:
        """Check every value."""
        if not 0 < finite_number("window", self.window) <= 1:
            raise OptionError(f"window is {self.window}; a share above 0 and at most 1 is needed")
        if not 0 < finite_number("stride", self.stride) <= self.window:
            raise OptionError(
                f"stride is {self.stride}; a share above 0 and at most the window's, {self.window}, is needed"
            )


class OcclusionSearch(MaskSearch):
    """Notes the score that each window leaves."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: OcclusionOptions
    ) -> None:
        """Lay out the windows."""
        needs_scores("occlusion", target)
        height, width = view.image.shape[:2]
        rows, columns = _spans(height, options), _spans(width, options)
        windows = list(itertools.product(rows, columns))
        super().__init__(view, target, len(windows), budget)
        order = generator(seed, 0).permutation(len(windows))
        self._windows = [windows[place] for place in order]
        self._places = order
        self._drops: dict[int, float] = {}

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return the image behind a window."""
        image = self.view.image.copy()
        window = self._windows[index]
        image[window] = self.view.baseline[window]
        return image

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  scores alone count
        """Note a drop."""
        self._drops[index] = self.target.score - score

    def heatmap(self) -> NDArray[np.float64]:
        """Return the mean drop of each pixel; added up in the order of the windows, not of the questions."""
        drops, counts = np.zeros(self.view.image.shape[:2]), np.zeros(self.view.image.shape[:2])
        for index in sorted(self._drops, key=lambda index: int(self._places[index])):
            drops[self._windows[index]] += self._drops[index]
            counts[self._windows[index]] += 1
        return drops / np.maximum(counts, 1)


def _spans(side: int, options: OcclusionOptions) -> list[slice]:
    window = max(1, round(options.window * side))
    stride = max(1, round(options.stride * side))
    starts = [*range(0, side - window, stride), side - window]
    return [slice(start, start + window) for start in starts]
