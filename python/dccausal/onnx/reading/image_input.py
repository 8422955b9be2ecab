"""Which input of a model takes images, and how they lie in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError, OptionError
from dccausal.inputs.preprocess import Layout, Preprocess

DEFAULT_SIDE = 224


_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    **{f"tensor({name})": np.dtype(name) for name in ("uint8", "int8", "int16", "uint16", "int32", "int64")},
}
# Other types that inputs beside the image have.
_OTHER_DTYPES: dict[str, np.dtype[Any]] = {
    **{f"tensor({name})": np.dtype(name) for name in ("bool", "uint32", "uint64")},
    "tensor(string)": np.dtype(object),
}

_CHANNELS = (3, 1)

_IMAGE_RANK = 4
_MIN_GREY_SIDE = 8  # of three open dimensions, those that may be a greyscale image's

# A side, the pixels of an image, and those of a batch that a model may fix: more would take gigabytes to look at.
MAX_SIDE = 16384
_MAX_PIXELS = 1 << 24
_MAX_BATCH_PIXELS = 1 << 25


@dataclass(frozen=True)
class ImageInput:
    """
    The input of a model that takes images; what the model leaves open is None.

    Attributes
    ----------
    name
        Its name in the graph.
    dtype
        float32, float16, float64 or whole numbers.
    batch
        The number of images it takes at once.
    layout, channels, height, width
        How the other three dimensions are to be read.
    dropped
        The axis of (batch, ...) that the model's own input does not have: that of the batch, or of the only
        channel.

    """

    name: str
    dtype: np.dtype[Any]
    batch: int | None
    layout: Layout
    channels: int | None
    height: int | None
    width: int | None
    dropped: int | None = None

    def size(self, preprocess: Preprocess) -> tuple[int, int]:
        """
        Return (height, width): the model's, else the settings', else 224.

        Raises
        ------
        OptionError
            If the settings ask for a size that the model does not take.
        ModelError
            If the model takes images, or batches of them, that are larger than any classifier's.

        """
        wanted = preprocess.size or (self.height or DEFAULT_SIDE, self.width or DEFAULT_SIDE)
        if (self.height not in (None, wanted[0])) or (self.width not in (None, wanted[1])):
            raise OptionError(
                f"preprocess: size is {wanted}; the model takes (height, width) "
                f"({self.height or 'any'}, {self.width or 'any'})"
            )
        n_pixels = wanted[0] * wanted[1]
        if (
            max(wanted) > MAX_SIDE
            or n_pixels > _MAX_PIXELS
            or n_pixels * (self.batch or 1) > _MAX_BATCH_PIXELS
        ):
            raise ModelError(
                f"the model's input {self.name} takes {self.batch or 'any number of'} images of {wanted[0]} x "
                f"{wanted[1]} pixels; sides of at most {MAX_SIDE}, and {_MAX_PIXELS} pixels an image and "
                f"{_MAX_BATCH_PIXELS} a batch are needed"
            )
        return wanted

    @property
    def is_open(self) -> bool:
        """Whether the model leaves the size of its images open."""
        return self.height is None or self.width is None

    def presented(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return a tensor as the model's own input has it."""
        return tensor if self.dropped is None else tensor.squeeze(axis=self.dropped)

    def shape(self, n: int, size: tuple[int, int], channels: int) -> tuple[int, ...]:
        """Return the shape of a tensor of ``n`` images."""
        return (n, channels, *size) if self.layout == "NCHW" else (n, *size, channels)


def image_inputs(
    session: Any, what: str, wanted: str | None, layout: Layout | None, fed: Collection[str] = ()
) -> list[ImageInput]:
    """
    Return the ways to read an input of a session as images, the likeliest first.

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
    fed
        Names of the inputs that get a constant.

    Raises
    ------
    ModelError
        If the model has several inputs that may be the image, or none.
    OptionError
        If there is no input of the name, or the model cannot be read in the layout.

    """
    inputs = session.get_inputs()
    listed = ", ".join(describe(i) for i in inputs) or "none"
    if wanted is not None and wanted not in [i.name for i in inputs]:
        raise OptionError(f"input {wanted!r} was asked for; {what} has {listed}")
    found = {i.name: ways for i in inputs if i.name not in fed and (ways := _ways(i))}
    if wanted is not None:
        found = {name: ways for name, ways in found.items() if name == wanted}
    if not found:
        raise ModelError(
            f"{what} has no image-like input: it has {listed}; (batch, 3, height, width) or "
            "(batch, height, width, 3), or 1 in place of 3, as float32, float16, float64, uint8 or other whole "
            "numbers is needed"
        )
    name = next(iter(found)) if len(found) == 1 else _only_colour(found)
    if name is None:
        raise ModelError(
            f"{what} has {len(found)} inputs that may be the image ({listed}); "
            f"the name of one as input, and a value for the others (feed), is needed"
        )
    fitting = [way for way in found[name] if layout in (None, way.layout)]
    if not fitting:
        raise OptionError(
            f"preprocess: layout is {layout!r}; {what} has {listed}, so {found[name][0].layout} is needed"
        )
    return fitting


def _only_colour(found: Mapping[str, Sequence[ImageInput]]) -> str | None:
    """Return the only input of several that has three channels, and sides of its own; None where it is not one."""
    colour = [
        name
        for name, (way, *_) in found.items()
        if way.channels != 1 and way.dropped is None and 1 not in (way.height, way.width)
    ]
    return colour[0] if len(colour) == 1 else None


def input_dtype(node: Any) -> np.dtype[Any] | None:
    """Return the type of an input's elements; None for one that numpy does not have."""
    return _DTYPES.get(node.type) or _OTHER_DTYPES.get(node.type)


def metadata_of(session: Any) -> Mapping[str, str]:
    """Return the metadata of a session's model; none where they are no text."""
    try:
        metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        return {}
    return metadata


def check_names(session: Any, what: str) -> None:
    """
    Check that the names of a session's inputs and outputs are text.

    Raises
    ------
    ModelError
        If they are not.

    """
    try:
        for node in (*session.get_inputs(), *session.get_outputs(), *session.get_overridable_initializers()):
            describe(node)
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{what} has inputs or outputs whose names are no text ({error}); names are needed"
        ) from error


def describe(node: Any) -> str:
    """Return an input or output in words: ``x float32 (batch, 3, 224, 224)``."""
    dtype = str(_DTYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")")))
    shape = ", ".join("?" if side is None else str(side) for side in node.shape or ())
    return f"{node.name} {dtype} ({shape})"


def _ways(node: Any) -> list[ImageInput]:
    shape: Sequence[Any] = node.shape or ()
    if node.type not in _DTYPES:
        return []
    if len(shape) == _IMAGE_RANK:
        return _full_ways(node, shape, None)
    if len(shape) != _IMAGE_RANK - 1:
        return []
    sides = [_fixed(side) for side in shape]
    if sides[0] in _CHANNELS or sides[2] in _CHANNELS:  # one image, without the axis of a batch
        return _full_ways(node, (1, *shape), 0)
    # Greyscale, without the axis of channels.
    if all(side is None or side >= _MIN_GREY_SIDE for side in sides[1:]):
        return _full_ways(node, (shape[0], 1, *shape[1:]), 1)
    return []


def _full_ways(node: Any, shape: Sequence[Any], dropped: int | None) -> list[ImageInput]:
    sides = [_fixed(side) for side in shape]
    dtype: np.dtype[Any] = _DTYPES[node.type]

    def way(layout: Layout, channels: int | None) -> ImageInput:
        height, width = sides[2:] if layout == "NCHW" else sides[1:3]
        return ImageInput(node.name, dtype, sides[0], layout, channels, height, width, dropped)

    known = [way(layout, sides[at]) for layout, at in _AXES if sides[at] in _CHANNELS]
    if known:
        return known
    open_axes = [(layout, at) for layout, at in _AXES if sides[at] is None]
    # Exporters that leave the channels open tend to name them: "num_channels".
    open_axes.sort(key=lambda axis: "channel" not in str(shape[axis[1]]).lower())
    return [way(layout, channels) for channels in _CHANNELS for layout, _ in open_axes]


_AXES: Sequence[tuple[Layout, int]] = (("NCHW", 1), ("NHWC", 3))


def _fixed(side: Any) -> int | None:
    """Return a dimension's size; None for a name, nothing, 0 or -1, which all mean that it is open."""
    return side if isinstance(side, int) and side > 0 else None
