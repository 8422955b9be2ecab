"""Integrated gradients: slopes along a line from the baseline to the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import one_of, whole_number
from dccausal.gradients.attribution import NODES, Nodes, integrated_gradients
from dccausal.methods.gradient.base import WhiteBoxSearch, conservation


@dataclass(frozen=True, kw_only=True)
class IntegratedOptions:
    """
    Integrated gradients [1]_: the difference to the baseline, times the mean gradient on the way; summed over channels.

    The baseline is that of the explanation. ``notes`` says how nearly the attributions add up to the difference of the
    two logits.

    Attributes
    ----------
    steps
        Gradients on the way, 1 to 10,000.
    nodes
        "middle" of equal parts, or "gausslegendre", which is more exact for smooth networks only.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    """

    steps: int = 50
    nodes: Nodes = "middle"

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("steps", self.steps, 1, 10_000)
        one_of("nodes", self.nodes, NODES)


class IntegratedSearch(WhiteBoxSearch):
    """Asks for the gradients on the way."""

    def find(self) -> NDArray[np.float64]:
        """Return attributions, summed over channels."""
        steps = self.affordable(self.options.steps, "steps")
        baseline = self.classifier.encode(self.view.baseline[None]).astype(np.float32)
        spent = 0

        def report(done: float) -> None:
            nonlocal spent
            self.spend(round(done * steps) - spent, done)
            spent = round(done * steps)

        found = integrated_gradients(
            self.box,
            self.tensor[0],
            baseline[0],
            self.label,
            steps=steps,
            nodes=self.options.nodes,
            batch=self.classifier.batch_size,
            report=report,
        )
        self.note(conservation("Completeness", float(found.values.sum()), found.total or 0.0))
        return self.over_channels(found.values)
