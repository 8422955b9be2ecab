"""The causal search: the responsibilities of many random partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.findings import Findings
from dccausal.engine.maps import scaled
from dccausal.errors import DccausalError


@dataclass(frozen=True, eq=False)
class Guidance:
    """
    A map that was there before anything was asked.

    Attributes
    ----------
    heat
        float32 (H, W) in [0, 1]; all 0 where it says nothing.
    n_calls, seconds
        What it cost, in calls of the model, and the time that took.

    """

    heat: NDArray[np.float32]
    n_calls: int
    seconds: float


class CausalSearch:
    """
    A ``HeatmapSearch`` by causal responsibility; the core asks the questions.

    Parameters
    ----------
    findings
        The image, the options and the evidence.
    budget
        At most this many questions; None for as many as it likes.
    guidance
        What sets grow from, added to the survey.

    """

    def __init__(self, findings: Findings, budget: int | None, guidance: Guidance | None = None) -> None:
        """Begin with the evidence as it is."""
        self.n_own_calls, self.own_seconds = (guidance.n_calls, guidance.seconds) if guidance else (0, 0.0)
        self._guide = guidance.heat if guidance is not None and guidance.heat.any() else None
        if findings.evidence is None:
            raise DccausalError("a search was begun before the label was known")
        options = findings.options
        settings = options.settings
        self._reestimate = settings.reestimate
        self._search = _core.Search(
            findings.evidence,
            partitions=settings.partitions,
            seed=options.seed,
            world=settings.world,
            weighting=settings.weighting,
            min_side=settings.min_side,
            refine_equal=settings.refine_equal,
            concentration=settings.concentration,
            wave=settings.wave,
            reach=settings.reach if settings.evidence == "shared" else None,
            audit=settings.audit,
            survey=settings.surveyed_sides(),
            shown=settings.shown_sides(),
            balanced=[settings.balanced] if settings.balanced else [],
            trees=options.trees,
            max_calls=budget,
        )

    @property
    def is_done(self) -> bool:
        """Whether every partition is finished, or the budget used up."""
        return self._search.is_done

    @property
    def progress(self) -> float:
        """The share of all partitions' area that is settled."""
        return self._search.progress

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: what there is to say is in the statistics."""
        return ()

    def propose(self, capacity: int) -> _core.Batch | None:
        """Return the next questions, at most ``capacity``; None while it waits for answers, or at the end."""
        return self._search.propose(capacity)

    def submit(self, asked: _core.Batch, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None:
        """Take the verdicts on a batch."""
        self._search.submit(asked.id, is_passing, scores)

    def heatmap(self) -> NDArray[np.float32]:
        """Return the mean over the partitions begun, and what the survey found or the guide, (H, W)."""
        heat = self._search.heatmap()
        return heat if self._guide is None else (scaled(heat) + self._guide) / np.float32(2)

    def sketch(self) -> NDArray[np.float32]:
        """Return the map as far as it is known, (H, W), also while the survey is asked; for the eye."""
        return self._search.sketch()

    def ranking(self) -> NDArray[np.float32]:
        """Return the map that nested sets are grown from, (H, W), which owes nothing to chance: survey and guide."""
        surveyed = self._search.surveyed()
        if self._guide is not None:
            return self._guide if surveyed is None else surveyed + self._guide
        return self._search.partitions() if surveyed is None else surveyed

    def partitions(self) -> NDArray[np.float32]:
        """Return the mean responsibility over the partitions begun, (H, W)."""
        return self._search.partitions()

    def statistics(self) -> dict[str, Any]:
        """Return what the core counted."""
        return {**self._search.counts()}

    def trees(self) -> tuple[dict[str, Any], ...]:
        """Return the causal trees that were recorded, as plain values."""
        return tuple({**tree} for tree in self._search.trees())

    def improved(
        self, heatmap: NDArray[np.float32], extraction: _core.Extraction, kept: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """
        Add to a heatmap what the extraction found: 1 where it kept, less where it dropped, 0 elsewhere.

        What was dropped last has most: every set that shrinking went through was found sufficient.
        """
        grown = extraction.grown()
        if grown is None or self._reestimate == 0:
            return heatmap
        ranks = _pixelwise(extraction.ranks(), kept.shape)
        n_kept = int(ranks[kept].max(initial=-1)) + 1
        n_grown = int(ranks[grown].max(initial=-1)) + 1
        found = 1 - np.clip((ranks - n_kept + 1) / (n_grown - n_kept + 1), 0, 1)
        weight = self._reestimate
        improved: NDArray[np.float32] = ((heatmap + weight * found) / (1 + weight)).astype(np.float32)
        return improved


def _pixelwise(blocks: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give every pixel the value of its block; the blocks of a lattice are as even as whole pixels allow."""
    for axis, side in enumerate(shape):
        n_blocks = blocks.shape[axis]
        edges = np.arange(n_blocks + 1) * side // n_blocks
        blocks = np.repeat(blocks, np.diff(edges), axis=axis)
    return blocks
