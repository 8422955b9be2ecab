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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.errors import OptionError

Floats = NDArray[np.float32]

_LEVELS = 8  # of the pyramid of blurred images
_STRONGEST_BLUR = 20.0  # pixels
_RATE, _MOMENTUM, _DAMPING = 0.01, 0.9, 0.9
_AREA_WEIGHT, _AREA_GROWTH = 300.0, 1.0035


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

    def __init__(self, size: tuple[int, int], step: int = 7, sigma: float = 21.0) -> None:
        """Lay out the grid, and weigh each pixel's cells by their distance."""
        self.size = size
        try:
            self._core = _core.SmoothMasks(size, step=step, sigma=sigma)
        except ValueError as e:
            raise OptionError(str(e)) from None
        self.grid, self.full, self.margin = self._core.grid, self._core.full, self._core.margin

    def make(self, grids: Floats) -> _core.Spread:
        """Return the masks (n, *full) of grids (n, *grid) of 0 to 1."""
        return self._core.make(grids)

    def back(self, spread: _core.Spread, slopes: Floats) -> Floats:
        """Return the slopes of grids (n, *grid), from those of their masks (n, *full)."""
        return self._core.back(spread, slopes)

    def crop(self, masks: Floats) -> Floats:
        """Return what of masks lies on the image, (n, height, width)."""
        height, width = self.size
        return masks[:, self.margin : self.margin + height, self.margin : self.margin + width]

    def uncrop(self, slopes: Floats) -> Floats:
        """Return slopes on the image as slopes of whole masks."""
        found = np.zeros((len(slopes), *self.full), np.float32)
        self.crop(found)[...] = slopes
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
        self._levels, self._slope, self.maker = _core.Blurred(blurred(image)), slope, maker
        self.grids = np.ones((len(areas), *maker.grid), np.float32)
        self._velocity = np.zeros_like(self.grids)
        n = math.prod(maker.full)
        self._n_hidden = [int(n * (1 - area)) for area in areas]
        self._weight, self.n_steps = _AREA_WEIGHT, 0
        self.masks = np.ones((len(areas), *maker.size), np.float32)
        self.rewards = np.zeros(len(areas))

    def step(self) -> None:
        """Go one step; ``masks`` (areas, H, W) are those before it."""
        spread = self.maker.make(self.grids)
        full = spread.masks
        self.masks = self.maker.crop(full)
        images = self._levels.shown(self.masks)
        is_flipped = self.n_steps % 2 == 0
        self.rewards, slopes = self._slope(images[..., ::-1] if is_flipped else images)
        slopes = slopes[..., ::-1] if is_flipped else slopes
        uphill = self.maker.uncrop(self._levels.back(self.masks, slopes))
        uphill -= _core.area_slopes(full, self._n_hidden, self._weight)
        self._velocity = _MOMENTUM * self._velocity + self._damped() * self.maker.back(spread, uphill)
        self.grids = np.clip(self.grids + np.float32(_RATE) * self._velocity, 0, 1)
        self._weight *= _AREA_GROWTH
        self.n_steps += 1

    def _damped(self) -> float:
        """Return by how much a step is damped: the first of SGD with momentum is not."""
        return 1.0 if self.n_steps == 0 else 1 - _DAMPING
