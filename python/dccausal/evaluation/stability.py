"""How much of an explanation another seed gives again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import metrics
from dccausal.explanation.explanation import Explanation

_N_SEEDS = 1 << 64


def further_seeds(seed: int, n: int) -> list[int]:
    """Return the ``n - 1`` seeds after the first of ``n``."""
    return [(seed + step) % _N_SEEDS for step in range(1, n)]


def stability(first: Explanation, others: Sequence[Explanation]) -> dict[str, Any]:
    """
    Return how alike the explanations by several seeds are, and what the others took, by column.

    Parameters
    ----------
    first
        The explanation that is measured.
    others
        Those by further seeds, at least one.

    Returns
    -------
    dict
        The means over all pairs: ``seeds_spearman`` of the heatmaps, None where one is flat; ``seeds_iou`` of the
        kept pixels. ``seeds_calls`` and ``seeds_seconds`` are those of ``others`` alone.

    """
    every = (first, *others)
    spearman = _mean([metrics.spearman(a.heatmap, b.heatmap) for a, b in itertools.combinations(every, 2)])
    return {
        "seeds_spearman": None if math.isnan(spearman) else spearman,
        "seeds_iou": _mean([metrics.iou(a.kept, b.kept) for a, b in itertools.combinations(every, 2)]),
        "seeds_calls": sum(int(one.statistics["model_calls"]) for one in others),
        "seeds_seconds": sum(float(one.statistics["seconds"]) for one in others),
    }


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values))
