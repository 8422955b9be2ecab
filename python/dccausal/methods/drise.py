"""D-RISE: RISE's masks, weighted by how well each leaves a detector's box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.view import View
from dccausal.methods.rise import RiseOptions, RiseSearch
from dccausal.targets import Target


@dataclass(frozen=True, kw_only=True)
class DriseOptions(RiseOptions):
    """
    D-RISE [1]_: masks as RISE draws them, weighted by the target's score.

    With a ``Box`` as the target that score is the highest product of IoU and score over the boxes of the label: the
    paper's similarity, without its factor for the scores of the other labels. The heatmap is ``sum(score * mask)``.

    Attributes
    ----------
    masks
        Number of masks, 1 to 1,000,000 (the paper: 5,000).
    cells
        Cells a side, 1 to 256 (the paper: 16).
    probability
        With which a cell is visible, above 0 and below 1 (the paper: 0.5).

    References
    ----------
    .. [1] V. Petsiuk et al., "Black-box Explanation of Object Detectors via Saliency Maps", CVPR 2021.

    """

    masks: int = 5000
    cells: int = 16


class DriseSearch(RiseSearch):
    """Adds up masks, weighted by the target's scores."""

    def __init__(
        self, view: View, target: Target, budget: int | None, *, seed: int, options: DriseOptions
    ) -> None:
        """Begin as RISE does."""
        super().__init__(view, target, budget, seed=seed, options=options)

    def heatmap(self) -> NDArray[np.float64]:
        """Return the weighted sum of the masks."""
        return self._sum
