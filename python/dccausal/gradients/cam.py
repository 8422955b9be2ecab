"""Class activation maps: Grad-CAM (Selvaraju 2017) and HiResCAM (Draelos 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dccausal.gradients.layers import Layer
    from dccausal.gradients.whitebox import WhiteBox

_TINY = 1e-7


def class_activation_map(
    box: WhiteBox,
    tensor: NDArray[Any],
    label: int,
    layer: Layer,
    *,
    size: tuple[int, int],
    weigh: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """
    Return a layer's map over one image for a label, by one gradient.

    Parameters
    ----------
    box
        The model.
    tensor
        float32, its input for one image.
    label, layer
        What is asked about, and where.
    size
        (height, width) of the map.
    weigh
        ``grad_cam`` or ``hires_cam``.

    Returns
    -------
    NDArray
        (height, width) from 0 to 1, 0 everywhere where nothing argues for the label.

    """
    answer = box.at_layer(tensor, label, layer)
    activation = np.zeros_like(answer.values) if answer.activation is None else answer.activation
    found: NDArray[np.float64] = enlarge(weigh(activation, answer.values), size)[0]
    return found


def grad_cam(activation: NDArray[Any], gradient: NDArray[Any]) -> NDArray[np.float64]:
    """
    Return the activations weighted by the mean gradient of their channel.

    Parameters
    ----------
    activation, gradient
        (N, C, rows, columns).

    Returns
    -------
    NDArray
        (N, rows, columns), signed.

    """
    weights = gradient.astype(np.float64).mean(axis=(2, 3), keepdims=True)
    found: NDArray[np.float64] = (weights * activation).sum(axis=1)
    return found


def hires_cam(activation: NDArray[Any], gradient: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sum over channels of activation times gradient; shapes as in ``grad_cam``."""
    found: NDArray[np.float64] = (gradient.astype(np.float64) * activation).sum(axis=1)
    return found


def enlarge(cam: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """
    Return maps of 0 to 1 over the image, as pytorch-grad-cam makes them.

    What argues against the class is cut off; the rest is brought to 0 to 1, enlarged bilinearly, and brought to
    0 to 1 again.

    Parameters
    ----------
    cam
        (N, rows, columns), signed.
    size
        (height, width).

    Returns
    -------
    NDArray
        (N, height, width), 0 everywhere where nothing argues for the class.

    """
    rows, columns = (_interpolation(n, side) for n, side in zip(cam.shape[1:], size, strict=True))
    small = _stretch(np.maximum(cam, 0))
    return _stretch(rows @ small @ columns.T)


def _stretch(maps: NDArray[Any]) -> NDArray[np.float64]:
    low = maps - maps.min(axis=(1, 2), keepdims=True)
    found: NDArray[np.float64] = low / (_TINY + low.max(axis=(1, 2), keepdims=True))
    return found


def _interpolation(n: int, side: int) -> NDArray[np.float64]:
    """Return the matrix (side, n) of linear interpolation with half-pixel centres, the border repeated."""
    at = np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(n)))
