"""The heat as far as it is known: for those who watch a search, and for nothing that is decided."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.causal import CausalSearch
from dccausal.engine.findings import Findings
from dccausal.engine.maps import scaled
from dccausal.engine.nesting import Nest
from dccausal.engine.phase import Phase
from dccausal.engine.phases import Find


def sketch(phase: Phase, found: Findings) -> NDArray[np.float32]:
    """
    Return the heat as far as it is known, between two batches.

    Parameters
    ----------
    phase
        Where the explanation stands.
    found
        What was known when it began.

    Returns
    -------
    NDArray
        float32 (H, W) in [0, 1]; all 0 before anything is known.

    """
    if isinstance(phase, Find) and isinstance(phase.search, CausalSearch):
        return scaled(phase.search.sketch())
    if isinstance(phase, Nest):
        return phase.sketch()
    return found.heatmap
