"""
Preprocessing that a model does itself: what its graph does with the pixels before the network begins.

Keras' EfficientNet, ConvNeXt and MobileNetV3 begin with layers that scale the pixels, and so do models that were
wrapped together with their preprocessing before the export. What range of pixels such a model takes can be told from
the scale: after it, images of a classifier span a few units. It can be told from a stage of it too, where what comes
is turned into 0..1 or 0..255 first, and from the bounds that untouched pixels are clipped to or quantised over. A
batch normalisation at the start has learned the mean and the deviation of the pixels themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dccausal.onnx.graph.functions import written_out
from dccausal.onnx.graph.graph import Graph, Node
from dccausal.onnx.graph.values import constant_values
from dccausal.onnx.reading.pixel_values import Beginning, Stage, Values, beginning_of

Pixels = Literal["raw", "unit", "tf", "imagenet"]  # presets of ``Preprocess``

_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_CLIP_MEAN = np.array([0.481, 0.458, 0.408])
_CLOSE = 0.01  # as means are rounded
_STAGES: tuple[tuple[Pixels, float, float], ...] = (
    ("raw", 1 / 255, 0.0),
    ("unit", 255.0, 0.0),
    ("tf", 0.5, 0.5),
    ("tf", 127.5, 127.5),
)
_SIZES_INPUT = 3
_BATCH_NORMALISATION = 5  # inputs: of the image, scale, bias, mean, variance
_SPAN = (0.5, 12.0)  # of what comes out, from black to white: 1 / std is 4.4 for ImageNet, 2 for -1..1
_PIXELS = 10.0  # a mean above this is one of pixels of 0..255, not of 0..1
# The deviation of pixels of 0..1, over photographs; -1..1 has twice that, ImageNet's 1.
_LEARNED = (0.15, 0.5)
_LEARNED_MEAN = 0.1  # and at least this mean; the others' is near 0


@dataclass(frozen=True)
class InGraph:
    """
    The preprocessing that a graph begins with.

    Attributes
    ----------
    pixels
        Which the model takes: "raw" for 0 to 255, "unit" for 0 to 1, "tf" for -1 to 1, "imagenet" for what is
        normalised already and undone first; None where the graph does not tell.
    is_bgr
        Whether it takes blue first: ImageNet's means, or CLIP's, meet its channels the other way round.
    is_resized
        Whether it brings its images to size itself.
    size
        (height, width) that it resizes them to, if that is constant.

    """

    pixels: Pixels | None = None
    is_bgr: bool = False
    is_resized: bool = False
    size: tuple[int, int] | None = None


def read_in_graph(graph: Graph, image: str) -> InGraph:
    """
    Return the preprocessing that a model does itself; nothing of it where its beginning cannot be followed.

    Parameters
    ----------
    graph
        The model's.
    image
        The name of its input.

    """
    graph = written_out(graph)
    found = beginning_of(graph, image)
    if found is None:
        return InGraph()
    resize = found.values.resized_by
    return InGraph(
        pixels=_pixels(graph, found),
        is_bgr=any(map(_is_bgr, (*found.values.stages, found.values.last))),
        is_resized=resize is not None,
        size=None if resize is None else _sides(graph, resize),
    )


def _pixels(graph: Graph, found: Beginning) -> Pixels | None:
    values, taker = found.values, found.taker
    if taker is not None and taker.op == "BatchNormalization" and not values.stages:
        return _learned(graph, taker)
    told = next((pixels for pixels in map(_of_stage, values.stages) if pixels is not None), None)
    return told or _of_span(values) or _of_bounds(values.clipped) or _of_quantised(values.quantised)


def _is_bgr(stage: Stage) -> bool:
    if sorted(stage.sources) != [0, 1, 2] or np.any(stage.gain == 0):
        return False
    with np.errstate(all="ignore"):
        means = np.broadcast_to(-stage.offset / stage.gain, 3)[np.argsort(stage.sources)]
    means = means / 255 if np.abs(means).max() > _PIXELS else means
    return any(bool(np.all(np.abs(means - known[::-1]) < _CLOSE)) for known in (_MEAN, _CLIP_MEAN))


def _of_stage(stage: Stage) -> Pixels | None:
    """Return what comes in, where it has become plain pixels of 0..1 or 0..255 at this stage."""
    for pixels, gain, offset in _STAGES:
        if np.allclose(stage.gain, gain, rtol=1e-3) and np.allclose(
            stage.offset, offset, rtol=1e-3, atol=1e-6
        ):
            return pixels
    if sorted(stage.sources) != [0, 1, 2]:
        return None
    order = list(stage.sources)
    for white in (1.0, 255.0):
        if np.allclose(stage.gain, white * _STD[order], rtol=1e-2) and np.allclose(
            stage.offset, white * _MEAN[order], rtol=1e-2
        ):
            return "imagenet"
    return None


def _of_span(values: Values) -> Pixels | None:
    """Return which pixels give a span that classifiers take."""
    gain, offset = values.last.gain, values.last.offset
    if not values.stages or not np.all(np.isfinite(gain)) or not np.all(np.isfinite(offset)):
        return None
    low, high = _SPAN
    span = float(np.abs(gain).mean())
    if low <= 255 * span <= high:
        return "raw"
    if low <= span <= high and not (span == 1 and not offset.any()):
        return "raw" if np.abs(offset).max() > _PIXELS else "unit"
    return None


def _of_bounds(bounds: tuple[float | None, float | None] | None) -> Pixels | None:
    """Return which pixels are clipped so."""
    low, high = bounds or (None, None)
    if high == 255:  # noqa: PLR2004
        return "raw"
    return None if high != 1 else "tf" if low == -1 else "unit"


def _of_quantised(bounds: tuple[float, float] | None) -> Pixels | None:
    """Return which pixels are quantised so: the bounds are those of the images that were looked at for it."""
    low, high = bounds or (0.0, 0.0)
    ways: tuple[tuple[Pixels, bool], ...] = (
        ("raw", 100 < high <= 260),  # noqa: PLR2004
        ("unit", -0.1 <= low <= 0 and 0.4 <= high <= 1.2),  # noqa: PLR2004
        ("tf", -1.1 <= low <= -0.8 and 0.8 <= high <= 1.1),  # noqa: PLR2004
        ("imagenet", -3 <= low <= -1.5 and 1.5 <= high <= 3),  # noqa: PLR2004
    )
    return next((pixels for pixels, holds in ways if holds), None)


def _sides(graph: Graph, node: Node) -> tuple[int, int] | None:
    """Return the constant (height, width) that an operation resizes to; None where it is computed."""
    if len(node.inputs) <= _SIZES_INPUT:
        return None
    source = node.inputs[_SIZES_INPUT]
    maker = graph.producers.get(source)
    if maker is not None and maker.op == "Concat":
        source = maker.inputs[-1]  # behind the batch and the channels as they come
    values = constant_values(graph, source)
    sides = [] if values is None else [int(side) for side in values]
    if len(sides) == 4:  # noqa: PLR2004  batch, height, width, channels or batch, channels, height, width
        sides = sides[1:3] if sides[3] in (1, 3) else sides[2:]
    if len(sides) != 2 or min(sides) < 1:  # noqa: PLR2004
        return None
    return sides[0], sides[1]


def _learned(graph: Graph, node: Node) -> Pixels | None:
    """Return which pixels a batch normalisation has seen, from the mean and the variance that it has learned."""
    if len(node.inputs) < _BATCH_NORMALISATION:
        return None
    mean, variance = (constant_values(graph, source) for source in node.inputs[3:5])
    if mean is None or variance is None or not np.all(np.isfinite(mean)) or not np.all(variance >= 0):
        return None
    kinds: tuple[tuple[Pixels, float], ...] = (("unit", 1.0), ("raw", 255.0))
    for pixels, white in kinds:
        deviation = float(np.sqrt(variance).mean()) / white
        if _LEARNED[0] <= deviation <= _LEARNED[1] and _LEARNED_MEAN <= float(mean.mean()) / white <= 1:
            return pixels
    return None
