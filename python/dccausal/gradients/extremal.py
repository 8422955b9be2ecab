"""
Extremal perturbations (Fong 2019): the smooth mask of a fixed area that keeps a logit highest.

A mask is drawn on a coarse grid and made smooth: at each pixel the smooth maximum of the cells around it, weighted by a
kernel of their distance. Where it is 1 the image is seen as it is, where it is 0 blurred, in between less blurred. The
grid goes uphill on the logit, less the distance of the sorted mask from one that is 1 on the wanted area and 0
elsewhere; the weight of that grows from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import OptionError

Floats = NDArray[np.float32]

_SHARPNESS = 20.0  # of the smooth maximum
_LEVELS = 8  # of the pyramid of blurred images
_STRONGEST_BLUR = 20.0  # pixels
_RATE, _MOMENTUM, _DAMPING = 0.01, 0.9, 0.9
_AREA_WEIGHT, _AREA_GROWTH = 300.0, 1.0035


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
    """
    Smooth masks from coarse grids.

    Parameters
    ----------
    size
        (height, width) of the image.
    step
        Pixels a cell of the grid.
    sigma
        Pixels over which a cell is spread; also the margin around the image in which a mask goes on.

    Raises
    ------
    OptionError
        If masks would not reach over the image.

    """

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
            raise OptionError(
                f"sigma is {self.sigma} with cells of {self.step} pixels, and masks would not reach over the image; "
                "a sigma that is a multiple of the cell is needed"
            )
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

    def crop(self, masks: Floats) -> Floats:
        """Return what of masks lies on the image, (n, height, width)."""
        height, width = self.size
        return masks[:, self.margin : self.margin + height, self.margin : self.margin + width]

    def uncrop(self, slopes: Floats) -> Floats:
        """Return slopes on the image as slopes of whole masks."""
        found = np.zeros((len(slopes), *self.full), np.float32)
        height, width = self.size
        found[:, self.margin : self.margin + height, self.margin : self.margin + width] = slopes
        return found


def blurred(image: Floats) -> Floats:
    """Return an image (C, H, W) at each level of blur, (levels, C, H, W), the strongest first, zeros around it."""
    return np.stack([_blur(image, (1 - level / (_LEVELS - 1)) * _STRONGEST_BLUR) for level in range(_LEVELS)])


def _blur(image: Floats, sigma: float) -> Floats:
    width = math.ceil(4 * sigma)
    if width == 0:
        return image
    at = np.arange(-width, width + 1) / (math.sqrt(2) * sigma)
    kernel = np.exp(-at * at)
    kernel /= kernel.sum()
    found = image.astype(np.float64)
    for axis in (1, 2):
        side = image.shape[axis]
        distance = np.arange(side)[:, None] - np.arange(side)
        inside = np.abs(distance) <= width
        matrix = np.where(inside, kernel[np.clip(distance + width, 0, 2 * width)], 0)
        found = np.moveaxis(np.moveaxis(found, axis, -1) @ matrix.T, -1, axis)
    return found.astype(np.float32)


class Extremal:
    """
    The search for the extremal masks of one image.

    Parameters
    ----------
    image
        The model's input, float32 (C, H, W).
    slope
        Returns the logits (n,) of images (n, C, H, W), and their slopes like the images.
    areas
        Shares of the mask, each above 0 and below 1.
    maker
        Makes the masks.

    """

    def __init__(
        self,
        image: Floats,
        slope: Callable[[Floats], tuple[NDArray[Any], Floats]],
        areas: Sequence[float],
        maker: MaskMaker,
    ) -> None:
        """Begin with masks of ones."""
        self._levels, self._slope, self.maker = blurred(image), slope, maker
        self.grids = np.ones((len(areas), *maker.grid), np.float32)
        self._velocity = np.zeros_like(self.grids)
        n = math.prod(maker.full)
        self._wanted = np.stack([np.arange(n) >= int(n * (1 - area)) for area in areas]).astype(np.float32)
        self._weight, self.n_steps = _AREA_WEIGHT, 0
        self.masks = np.ones((len(areas), *maker.size), np.float32)
        self.rewards = np.zeros(len(areas))

    def step(self) -> None:
        """Go one step; ``masks`` (areas, H, W) are those before it."""
        spread = self.maker.make(self.grids)
        self.masks = self.maker.crop(spread.masks)
        images, growth = self._perturbed(self.masks)
        is_flipped = self.n_steps % 2 == 0
        self.rewards, slopes = self._slope(images[..., ::-1] if is_flipped else images)
        slopes = slopes[..., ::-1] if is_flipped else slopes
        uphill = self.maker.uncrop((slopes * growth).sum(axis=1)) - self._area_slopes(spread.masks)
        self._velocity = _MOMENTUM * self._velocity + self._damped() * self.maker.back(spread, uphill)
        self.grids = np.clip(self.grids + np.float32(_RATE) * self._velocity, 0, 1)
        self._weight *= _AREA_GROWTH
        self.n_steps += 1

    def _damped(self) -> float:
        """Return by how much a step is damped: the first of SGD with momentum is not."""
        return 1.0 if self.n_steps == 0 else 1 - _DAMPING

    def _perturbed(self, masks: Floats) -> tuple[Floats, Floats]:
        """Return the images that masks show, and how they grow with the masks, each (n, C, H, W)."""
        at = masks * (_LEVELS - 1)
        low = np.clip(np.floor(at), 0, _LEVELS - 2).astype(np.intp)
        share = (at - low)[:, None]
        rows, columns = np.indices(masks.shape[1:])
        below = self._levels[low, :, rows, columns].transpose(0, 3, 1, 2)
        above = self._levels[low + 1, :, rows, columns].transpose(0, 3, 1, 2)
        return (1 - share) * below + share * above, (_LEVELS - 1) * (above - below)

    def _area_slopes(self, full: Floats) -> Floats:
        """Return the slopes of the weighted distance from a mask of the wanted area."""
        flat = full.reshape(len(full), -1)
        order = np.argsort(flat, axis=1, kind="stable")
        off = np.take_along_axis(flat, order, axis=1) - self._wanted
        slopes = np.empty_like(flat)
        np.put_along_axis(slopes, order, (2 * self._weight / flat.shape[1]) * off, axis=1)
        return slopes.reshape(full.shape).astype(np.float32)
