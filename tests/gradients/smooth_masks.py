"""Smooth masks of extremal perturbations, as readable as they come: what the core's are held against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SHARPNESS = 20.0


@dataclass(frozen=True)
class Spread:
    """
    Masks, and what they were made of.

    Attributes
    ----------
    padded
        (n, rows, columns): the grids with cells of 0 around them.
    top, total
        (step, step, n, rows, columns): by a pixel's place in its cell, the most of the cells around, times the
        sharpness, and the sum of their exponentials.
    masks
        (n, *full).

    """

    padded: Floats
    top: Floats
    total: Floats
    masks: Floats


def _exponentials(values: Floats, top: Floats, out: Floats) -> Floats:
    """Return how much cells weigh in a smooth maximum, before it is shared out."""
    np.multiply(values, np.float32(_SHARPNESS), out=out)
    return np.exp(np.subtract(out, top, out=out), out=out)


@dataclass
class MaskMaker:
    """Smooth masks of an image (height, width): cells of ``step`` pixels, each spread over ``sigma`` pixels."""

    size: tuple[int, int]
    step: int = 7
    sigma: float = 21.0
    _weights: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the grid, and weigh each pixel's cells by their distance, which is alike in every cell."""
        self.margin = math.ceil(self.sigma)
        self.radius = 1 + math.ceil(self.sigma / self.step)
        self.padding = 1 + math.ceil((self.margin + self.sigma) / self.step)
        self.grid = tuple(math.ceil(side / self.step) for side in self.size)
        self._middle = tuple(n + 2 * (self.padding - self.radius) for n in self.grid)
        self.full = tuple(self.step * (n - 1) + 1 for n in self._middle)
        if any(n < self.margin + side for n, side in zip(self.full, self.size, strict=True)):
            raise ValueError("masks would not reach over the image")
        self._weights = self._kernel()

    def _kernel(self) -> Floats:
        """Return the weights (cells around, step, step), by a pixel's place in its cell."""
        offsets = np.arange(2 * self.radius + 1) - self.padding
        squares = (np.arange(self.step) - (self.margin + self.step * offsets[:, None])) ** 2.0
        distance = np.sqrt(squares[:, None, :, None] + squares[None, :, None, :]) / self.sigma
        weights = np.exp(-2 * np.maximum(distance - 0.5, 0) ** 2)
        found: Floats = weights.reshape(-1, self.step, self.step).astype(np.float32)
        return found

    def _around(self, padded: Floats) -> Iterator[tuple[Floats, Floats, tuple[slice, slice]]]:
        """
        Yield for each cell around: its weights, its values, and where it lies.

        The values (step, step, n, rows, columns) are overwritten by the next.
        """
        (rows, columns), side = self._middle, 2 * self.radius + 1
        values = np.empty((self.step, self.step, len(padded), rows, columns), np.float32)
        for k, weights in enumerate(self._weights):
            top, left = divmod(k, side)
            place = (slice(top, top + rows), slice(left, left + columns))
            part = np.ascontiguousarray(padded[:, *place])
            yield weights, np.multiply(weights[:, :, None, None, None], part, out=values), place

    def make(self, grids: Floats) -> Spread:
        """Return the masks of grids (n, *grid) of 0 to 1."""
        pad = self.padding
        padded = np.pad(grids, ((0, 0), (pad, pad), (pad, pad)))
        top = np.zeros((self.step, self.step, len(grids), *self._middle), np.float32)
        total, masks = np.zeros_like(top), np.zeros_like(top)
        for _, values, _ in self._around(padded):
            np.maximum(top, values, out=top)
        top *= _SHARPNESS
        shares = np.empty_like(top)
        for _, values, _ in self._around(padded):
            total += _exponentials(values, top, shares)
        for _, values, _ in self._around(padded):
            np.divide(_exponentials(values, top, shares), total, out=shares)
            masks += np.multiply(values, shares, out=shares)
        return Spread(padded, top, total, self._whole(masks))

    def back(self, spread: Spread, slopes: Floats) -> Floats:
        """Return the slopes of grids (n, *grid), from those of their masks (n, *full)."""
        found = np.zeros_like(spread.padded)
        each = self._by_place(slopes) / spread.total
        masks, shares = self._by_place(spread.masks), np.empty_like(each)
        for weights, values, (rows, columns) in self._around(spread.padded):
            _exponentials(values, spread.top, shares)
            np.multiply(shares, each, out=shares)
            np.subtract(values, masks, out=values)
            np.multiply(values, _SHARPNESS, out=values)
            np.multiply(np.add(values, 1, out=values), shares, out=values)
            summed = weights.reshape(1, -1) @ values.reshape(weights.size, -1)
            found[:, rows, columns] += summed.reshape(values.shape[2:])
        pad = self.padding
        return found[:, pad : pad + self.grid[0], pad : pad + self.grid[1]]

    def _whole(self, values: Floats) -> Floats:
        """Return values by place (step, step, n, rows, columns) as they lie, (n, *full)."""
        lying = values.transpose(2, 3, 0, 4, 1)
        n, rows, step, columns, _ = lying.shape
        found: Floats = lying.reshape(n, rows * step, columns * step)[:, : self.full[0], : self.full[1]]
        return found

    def _by_place(self, values: Floats) -> Floats:
        """Return values (n, *full) by place in their cell (step, step, n, rows, columns), 0 where there are none."""
        (rows, columns), step = self._middle, self.step
        missing = [step * n - side for n, side in zip(self._middle, self.full, strict=True)]
        whole = np.pad(values, ((0, 0), (0, missing[0]), (0, missing[1])))
        lying = whole.reshape(len(values), rows, step, columns, step).transpose(2, 4, 0, 1, 3)
        return np.ascontiguousarray(lying)


def perturbed(levels: Floats, masks: Floats) -> tuple[Floats, Floats]:
    """Return what masks (n, H, W) show of levels (L, C, H, W), and how that grows with the masks, each (n, C, H, W)."""
    at = masks * (len(levels) - 1)
    low = np.clip(np.floor(at), 0, len(levels) - 2).astype(np.intp)
    share = (at - low)[:, None]
    rows, columns = np.indices(masks.shape[1:])
    below = levels[low, :, rows, columns].transpose(0, 3, 1, 2)
    above = levels[low + 1, :, rows, columns].transpose(0, 3, 1, 2)
    return (1 - share) * below + share * above, (len(levels) - 1) * (above - below)


def area_slopes(full: Floats, n_hidden: list[int], weight: float) -> Floats:
    """Return the slopes of the weighted distance from masks of the wanted areas."""
    flat = full.reshape(len(full), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    wanted = np.arange(flat.shape[1]) >= np.array(n_hidden)[:, None]
    off = np.take_along_axis(flat, order, axis=1) - wanted
    slopes = np.empty_like(flat)
    np.put_along_axis(slopes, order, (2 * weight / flat.shape[1]) * off, axis=1)
    return slopes.reshape(full.shape).astype(np.float32)
