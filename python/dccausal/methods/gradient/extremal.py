"""Extremal perturbation: what a smooth mask of a fixed area has to show for the logit to stay high."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, whole_number
from dccausal.engine.guide import GRADIENT_COST
from dccausal.errors import OptionError
from dccausal.gradients.attribution import score_of
from dccausal.gradients.extremal import Extremal, MaskMaker
from dccausal.methods.gradient.base import WhiteBoxSearch


@dataclass(frozen=True, kw_only=True)
class ExtremalOptions:
    """
    Extremal perturbation [1]_: masks of fixed areas, found uphill on the logit; the heatmap is their mean.

    What a mask hides is blurred. Nothing is random. A step costs a gradient for each area.

    Attributes
    ----------
    areas
        Shares of the mask (which goes on in a margin around the image), each above 0 and below 1; a number is one.
    steps
        1 to 100,000.
    cell
        Pixels a cell of the mask's grid, 1 to 64.
    sigma
        Pixels over which a cell is spread, 1 to 256.

    References
    ----------
    .. [1] R. Fong, M. Patrick, A. Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks",
       ICCV 2019.

    """

    areas: Sequence[float] | float = (0.05, 0.1, 0.2, 0.4)
    steps: int = 800
    cell: int = 7
    sigma: float = 21.0

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("steps", self.steps, 1, 100_000)
        whole_number("cell", self.cell, 1, 64)
        if not 1 <= finite_number("sigma", self.sigma) <= 256:  # noqa: PLR2004
            raise OptionError(f"sigma is {self.sigma}; a number from 1 to 256 is needed")
        given: Any = [self.areas] if isinstance(self.areas, int | float) else self.areas
        if not isinstance(given, list | tuple) or not given:
            raise OptionError(f"areas is {given!r}; a list of shares above 0 and below 1 is needed")
        for area in given:
            if not 0 < finite_number("areas", area) < 1:
                raise OptionError(f"areas has {area}; shares above 0 and below 1 are needed")
        object.__setattr__(self, "areas", tuple(given))


class ExtremalSearch(WhiteBoxSearch):
    """Asks for the gradients of all areas, step by step."""

    def find(self) -> NDArray[np.float64]:
        """Return the mean of the masks."""
        options, n_areas = self.options, len(self.options.areas)
        steps = self._affordable_steps()
        is_last = self.classifier.layout == "NHWC"
        image = self.tensor[0].transpose(2, 0, 1) if is_last else self.tensor[0]

        def slope(images: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32]]:
            answer = self.box.gradient(images.transpose(0, 2, 3, 1) if is_last else images, self.label)
            scores = np.array([score_of(row, self.label) for row in answer.logits])
            return scores, answer.values.transpose(0, 3, 1, 2) if is_last else answer.values

        maker = MaskMaker(self.view.image.shape[:2], step=options.cell, sigma=options.sigma)
        search = Extremal(image, slope, options.areas, maker)
        for n in range(steps):
            search.step()
            self.spend(n_areas, (n + 1) / steps)
        rewards = ", ".join(
            f"{score:.3g} at {area:.0%}" for area, score in zip(options.areas, search.rewards, strict=True)
        )
        self.note(f"The masks keep a logit of {rewards}.")
        found: NDArray[np.float64] = search.masks.astype(np.float64).mean(axis=0)
        return found

    def _affordable_steps(self) -> int:
        steps, cost = self.options.steps, GRADIENT_COST * len(self.options.areas)
        if self.budget is None or steps * cost <= self.budget:
            return int(steps)
        allowed = max(1, self.budget // cost)
        self.note(f"The budget of model calls allowed the method {allowed} of {steps} steps.")
        return allowed
