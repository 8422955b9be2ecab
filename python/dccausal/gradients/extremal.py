"""
Extremal perturbations (Fong 2019): the smooth mask of a fixed area that keeps a logit highest.

A mask is drawn on a coarse grid and made smooth: at each pixel the smooth maximum of the cells around it, weighted by a
kernel of their distance. Where it is 1 the image is seen as it is, where it is 0 blurred, in between less blurred. The
grid goes uphill on the logit, less the distance of the sorted mask from one that is 1 on the wanted area and 0
elsewhere; the weight of that grows from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
    values
        (cells around, n, *full): each pixel's cells times their weights.
    shares
        What each has of the smooth maximum.
    masks
        (n, *full).

    """

    values: Floats
    shares: Floats
    masks: Floats


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
        """Lay out the grid, and weigh each pixel's cells by their distance."""
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
        """Return the weights (cells around, *full)."""
        squares = []
        for side in self.full:
            at = np.arange(side, dtype=np.float64)
            offsets = np.arange(2 * self.radius + 1) - self.padding
            centres = self.margin + self.step * (at // self.step + offsets[:, None])
            squares.append((at - centres) ** 2)
        rows, columns = squares
        distance = np.sqrt(rows[:, None, :, None] + columns[None, :, None, :]) / self.sigma
        weights = np.exp(-2 * np.maximum(distance - 0.5, 0) ** 2)
        found: Floats = weights.reshape(-1, *self.full).astype(np.float32)
        return found

    def make(self, grids: Floats) -> Spread:
        """Return the masks of grids (n, *grid) of 0 to 1."""
        pad, side = self.padding, 2 * self.radius + 1
        padded = np.pad(grids, ((0, 0), (pad, pad), (pad, pad)))
        rows, columns = self._middle
        values = np.empty((len(self._weights), len(grids), *self.full), np.float32)
        for k, weight in enumerate(self._weights):
            top, left = divmod(k, side)
            part = padded[:, top : top + rows, left : left + columns]
            large = part.repeat(self.step, axis=1).repeat(self.step, axis=2)
            np.multiply(large[:, : self.full[0], : self.full[1]], weight, out=values[k])
        shares = _SHARPNESS * values
        shares -= shares.max(axis=0)
        np.exp(shares, out=shares)
        shares /= shares.sum(axis=0)
        return Spread(values, shares, np.einsum("k...,k...->...", values, shares))

    def back(self, spread: Spread, slopes: Floats) -> Floats:
        """Return the slopes of grids (n, *grid), from those of their masks (n, *full)."""
        pad, side = self.padding, 2 * self.radius + 1
        n = len(slopes)
        found = np.zeros((n, self.grid[0] + 2 * pad, self.grid[1] + 2 * pad), np.float32)
        rows, columns = self._middle
        for k, weight in enumerate(self._weights):
            top, left = divmod(k, side)
            steep = spread.shares[k] * (1 + _SHARPNESS * (spread.values[k] - spread.masks)) * weight
            found[:, top : top + rows, left : left + columns] += self._gathered(steep * slopes)
        return found[:, pad : pad + self.grid[0], pad : pad + self.grid[1]]

    def _gathered(self, values: Floats) -> Floats:
        """Return sums over the pixels of each cell."""
        rows, columns = self._middle
        missing = [self.step * n - side for n, side in zip(self._middle, self.full, strict=True)]
        whole = np.pad(values, ((0, 0), (0, missing[0]), (0, missing[1])))
        found: Floats = whole.reshape(len(values), rows, self.step, columns, self.step).sum(axis=(2, 4))
        return found

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
