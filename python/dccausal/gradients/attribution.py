"""Attributions from gradients: by the gradient alone, times the input, and integrated along a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import OptionError
from dccausal.gradients.whitebox import WhiteBox

Nodes = Literal["middle", "gausslegendre"]
NODES = ("middle", "gausslegendre")


@dataclass(frozen=True)
class Attribution:
    """
    What each number of the input brought to a logit.

    Attributes
    ----------
    values
        float64, like one input of the model: (C, H, W) or (H, W, C); signed.
    total
        What the values should add up to; None where nothing says.

    """

    values: NDArray[np.float64]
    total: float | None = None

    @property
    def gap(self) -> float | None:
        """What is missing from the sum, as a share of the total; None where no total is known or it is 0."""
        if not self.total:
            return None
        return float(abs(self.values.sum() - self.total) / abs(self.total))


def integrated_gradients(
    box: WhiteBox,
    tensor: NDArray[Any],
    baseline: NDArray[Any],
    target: int,
    *,
    steps: int = 50,
    nodes: Nodes = "middle",
    batch: int = 16,
    report: Callable[[float], object] | None = None,
) -> Attribution:
    """
    Return integrated gradients [1]_: the difference to a baseline, times the mean gradient along the line to it.

    Parameters
    ----------
    box
        The classifier.
    tensor, baseline
        One input of the model each, without the batch.
    target
        Index of the logit.
    steps
        Gradients along the line, at least 1.
    nodes
        Where they are taken: "middle" of equal parts, or at the nodes of Gauss and Legendre, which is more exact for
        smooth networks and less so for those with ReLU.
    batch
        Images a run.
    report
        Is called with the share that is done.

    Returns
    -------
    Attribution
        Its total is the difference of the logits, which the values add up to as far as the steps suffice.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    """
    at, weights = line(steps, nodes)
    x, b = (np.asarray(one, np.float32) for one in (tensor, baseline))
    mean = np.zeros(x.shape)
    for rows in _chunks(steps, batch):
        points = b + at[rows].astype(np.float32).reshape(-1, *[1] * x.ndim) * (x - b)
        answer = box.gradient(points, target)
        mean += np.tensordot(weights[rows], answer.values.astype(np.float64), axes=1)
        if report is not None:
            report(rows.stop / steps)
    ends = box.gradient(np.stack([x, b]), target).logits.astype(np.float64)
    return Attribution(
        (x.astype(np.float64) - b) * mean, score_of(ends[0], target) - score_of(ends[1], target)
    )


def score_of(logits: NDArray[Any], target: int) -> float:
    """Return the logit of a target; of a model of one output, target 0 is its negative."""
    if len(logits) == 1:
        return float(logits[0]) * (1 if target else -1)
    return float(logits[target])


def line(steps: int, nodes: Nodes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the places on the line from 0 to 1, and their weights, each (steps,).

    Raises
    ------
    OptionError
        If the nodes have another name.

    """
    if nodes == "middle":
        return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)
    if nodes == "gausslegendre":
        at, weights = np.polynomial.legendre.leggauss(steps)
        return (1 + at) / 2, weights / 2
    raise OptionError(f"nodes is {nodes!r}; one of {', '.join(NODES)} is needed")


def _chunks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
