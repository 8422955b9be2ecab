"""Which input of a model takes images, and how they lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dccausal.errors import ModelError, OptionError
from dccausal.inputs.preprocess import Layout, Preprocess

DEFAULT_SIDE = 224


_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}


_CHANNELS = (3, 1)


_IMAGE_RANK = 4


@dataclass(frozen=True)
class ImageInput:
    """
    The input of a model that takes images; what the model leaves open is None.

    Attributes
    ----------
    name
        Its name in the graph.
    dtype
        float32, float16, float64 or uint8.
    batch
        The number of images it takes at once.
    layout, channels, height, width
        How the other three dimensions are to be read.

    """

    name: str
    dtype: np.dtype[Any]
    batch: int | None
    layout: Layout
    channels: int | None
    height: int | None
    width: int | None

    def size(self, preprocess: Preprocess) -> tuple[int, int]:
        """
        Return (height, width): the model's, else the settings', else 224.

        Raises
        ------
        OptionError
            If the settings ask for a size that the model does not take.

        """
        wanted = preprocess.size or (self.height or DEFAULT_SIDE, self.width or DEFAULT_SIDE)
        if (self.height not in (None, wanted[0])) or (self.width not in (None, wanted[1])):
            raise OptionError(
                f"preprocess: size is {wanted}; the model takes (height, width) "
                f"({self.height or 'any'}, {self.width or 'any'})"
            )
        return wanted

    def shape(self, n: int, size: tuple[int, int], channels: int) -> tuple[int, ...]:
        """Return the shape of a tensor of ``n`` images."""
        return (n, channels, *size) if self.layout == "NCHW" else (n, *size, channels)


def image_inputs(session: Any, what: str, wanted: str | None, layout: Layout | None) -> list[ImageInput]:
    """
    Return the ways to read a session's input as images, the likeliest first.

    There is one wherever a dimension of 1 or 3 tells where the channels are. A model that leaves its channels
    open is to be tried in each way.

    Parameters
    ----------
    session
        An onnxruntime.InferenceSession.
    what
        How errors name the model.
    wanted
        The name of the input, if one was asked for.
    layout
        The layout, if one was asked for.

    Raises
    ------
    ModelError
        If the model has several inputs, or none like an image.
    OptionError
        If there is no input of the name, or the model cannot be read in the layout.

    """
    inputs = session.get_inputs()
    listed = ", ".join(describe(i) for i in inputs) or "none"
    if wanted is not None and wanted not in [i.name for i in inputs]:
        raise OptionError(f"input {wanted!r} was asked for; {what} has {listed}")
    if len(inputs) != 1:
        raise ModelError(f"{what} has {len(inputs)} inputs ({listed}); exactly one, of images, is needed")
    node = inputs[0]
    ways = _ways(node) if node.type in _DTYPES else []
    if not ways:
        raise ModelError(
            f"{what} has no image-like input: it has {listed}; (batch, 3, height, width) or "
            "(batch, height, width, 3), or 1 in place of 3, as float32, float16, float64 or uint8 is needed"
        )
    fitting = [way for way in ways if layout in (None, way.layout)]
    if not fitting:
        raise OptionError(
            f"preprocess: layout is {layout!r}; {what} has {listed}, so {ways[0].layout} is needed"
        )
    return fitting


def describe(node: Any) -> str:
    """Return an input or output in words: ``x float32 (batch, 3, 224, 224)``."""
    dtype = str(_DTYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")")))
    shape = ", ".join("?" if side is None else str(side) for side in node.shape or ())
    return f"{node.name} {dtype} ({shape})"


def _ways(node: Any) -> list[ImageInput]:
    if len(node.shape or ()) != _IMAGE_RANK:
        return []
    sides = [_fixed(side) for side in node.shape]
    dtype: np.dtype[Any] = _DTYPES[node.type]

    def way(layout: Layout, channels: int | None) -> ImageInput:
        height, width = sides[2:] if layout == "NCHW" else sides[1:3]
        return ImageInput(node.name, dtype, sides[0], layout, channels, height, width)

    known = [way(layout, sides[at]) for layout, at in _AXES if sides[at] in _CHANNELS]
    if known:
        return known
    open_axes = [(layout, at) for layout, at in _AXES if sides[at] is None]
    # Exporters that leave the channels open tend to name them: "num_channels".
    open_axes.sort(key=lambda axis: "channel" not in str(node.shape[axis[1]]).lower())
    return [way(layout, channels) for channels in _CHANNELS for layout, _ in open_axes]


_AXES: Sequence[tuple[Layout, int]] = (("NCHW", 1), ("NHWC", 3))


def _fixed(side: Any) -> int | None:
    """Return a dimension's size; None for a name, nothing, 0 or -1, which all mean that it is open."""
    return side if isinstance(side, int) and side > 0 else None
