"""The survey of regular lattices, and halves of a lattice, written to be read: what the core has to equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from explanation_reference import Blocks
from reference import Masked, Verdict


def survey(
    verdict: Callable[[Masked], Verdict],
    height: int,
    width: int,
    masked: Sequence[int],
    shown: Sequence[int],
    balanced: Sequence[int],
    blank: float,
) -> NDArray[np.float64]:
    """What every superpixel of some lattices does, masked alone, shown alone or in halves: (H, W), by the peak.

    The intact image has the score 1, the blank one ``blank``; not a number where there are labels only.
    """

    def change(by: float, *, has_label_changed: bool) -> float:
        return float(has_label_changed) if np.isnan(by) else max(float(np.float32(by)), 0.0)

    def lost(superpixel: Masked) -> float:
        passes, score = verdict(superpixel)
        return change(1.0 - score, has_label_changed=not passes)

    def gained(superpixel: Masked) -> float:
        passes, score = verdict(~superpixel)
        return change(score - blank, has_label_changed=passes)

    total = np.zeros((height, width))
    for sides, found, weight in [(masked, lost, 1.0), (shown, gained, 0.5)]:
        for side in sides:
            blocks = Blocks.of(height, width, side)
            superpixels = [blocks.pixels(frozenset([block])) for block in blocks.all()]
            values = [found(superpixel) for superpixel in superpixels]
            for superpixel, value in zip(superpixels, values, strict=True):
                total[superpixel] += weight * value / (max(values) or 1) / len(sides)
    for side in balanced:
        blocks = Blocks.of(height, width, side)
        superpixels = [blocks.pixels(frozenset([block])) for block in blocks.all()]
        found = np.maximum(effects(verdict, superpixels), 0)
        for superpixel, value in zip(superpixels, found, strict=True):
            total[superpixel] += value / (found.max() or 1) / len(balanced)
    return total / (total.max() or 1)


def n_runs(n_cells: int) -> int:
    """How many balanced halves tell the effects of so many cells apart: a power of two."""
    n = 2
    while n < n_cells + 1:
        n *= 2
    return n


def effects(verdict: Callable[[Masked], Verdict], cells: Sequence[Masked]) -> NDArray[np.float64]:
    """The scores of balanced halves with each cell, less those of the halves without it."""
    n = n_runs(len(cells))
    found = np.zeros(len(cells))
    for run in range(n):
        keeps = [(run & column).bit_count() % 2 == 0 for column in columns(n, len(cells))]
        shown = np.logical_or.reduce([cell & is_kept for cell, is_kept in zip(cells, keeps, strict=True)])
        # The whole image has the score 1 here, as everywhere in a survey.
        passes, score = verdict(~shown) if not shown.all() else (True, 1.0)
        found += np.where(keeps, 1, -1) * (float(passes) if np.isnan(score) else score)
    return found


def columns(n_runs: int, n_cells: int) -> list[int]:
    """A fixed choice of the columns 1, 2, ... of a Hadamard matrix, scattered by hashing."""

    def scattered(column: int) -> int:
        word = column * 0x9E3779B9 % 2**32
        word = (word << 13 | word >> 19) % 2**32
        return word * 0x85EBCA6B % 2**32

    return sorted(range(1, n_runs), key=scattered)[:n_cells]


def halves(
    verdict: Callable[[Masked], Verdict], kept: Masked, side: int, *, is_both: bool
) -> NDArray[np.float64]:
    """What the cells of a lattice do outside of an explanation: (H, W), their effects as shares of the greatest."""
    blocks = Blocks.of(*kept.shape, side)
    cells = [blocks.pixels(frozenset([block])) for block in blocks.all()]
    n = n_runs(len(cells))
    found = np.zeros(len(cells))
    for is_shown in (True, False)[: 1 + is_both]:
        for run in range(n):
            keeps = [((run & column).bit_count() % 2 == 0) == is_shown for column in columns(n, len(cells))]
            shown = np.logical_or.reduce([cell & is_kept for cell, is_kept in zip(cells, keeps, strict=True)])
            passes, score = verdict(~(shown | kept) if is_shown else ~(shown & ~kept))
            found += np.where(keeps, 1, -1) * (float(passes) if np.isnan(score) else score)
    found *= [bool((cell & ~kept).any()) for cell in cells]
    most = np.abs(found).max(initial=0.0) or 1.0
    return np.sum([cell * effect / most for cell, effect in zip(cells, found, strict=True)], axis=0) * ~kept
