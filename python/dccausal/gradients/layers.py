"""The layers that class activation maps are drawn from: tensors with a grid of places over the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError, OptionError
from dccausal.gradients.backward import assemble, find_active, write_backward
from dccausal.gradients.nodes import Node
from dccausal.gradients.relevance.graph import Forward
from dccausal.gradients.rules import RuleBook
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source

# Operations that leave a feature map behind them, in networks as they are exported.
_MAPS = {
    *(
        "Conv",
        "ConvTranspose",
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Clip",
        "HardSwish",
        "Gelu",
        "Sigmoid",
        "Add",
    ),
    *(
        "Sum",
        "Mul",
        "Concat",
        "BatchNormalization",
        "LayerNormalization",
        "InstanceNormalization",
        "Identity",
    ),
    *("GroupNormalization", "DequantizeLinear", "MatMul"),
}
# Operations that a map stays a map through; a Reshape is none, behind which lie tokens or attention's heads.
_KEEPING_MAPS = _MAPS | {
    *(
        "MaxPool",
        "AveragePool",
        "Pad",
        "Slice",
        "Split",
        "Resize",
        "Transpose",
        "QuantizeLinear",
        "Cast",
        "Sub",
        "Div",
    ),
    *(
        "Erf",
        "Tanh",
        "Pow",
        "Sqrt",
        "HardSigmoid",
        "DepthToSpace",
        "SpaceToDepth",
        "Softplus",
        "Exp",
        "LRN",
        "Where",
    ),
    *(
        "Selu",
        "Celu",
        "LpNormalization",
        "Neg",
        "Abs",
        "Mish",
        "Swish",
        "ConvInteger",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "Dropout",
    ),
}
# Where a map begins anew, whatever it was made of: shuffled channels, say, which were reshaped on the way.
_BEGINNING_MAPS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"}
_MOST_EXTRA_TOKENS = 8
_ALIKE = 0.15  # by which the grid's steps may differ, for pads and odd sizes
_TRIED = 24  # layers from the end on


@dataclass(frozen=True)
class Layer:
    """
    A tensor with a grid.

    Attributes
    ----------
    name
        Of the tensor.
    grid
        (rows, columns).
    kind
        "NCHW" or "NHWC" for a feature map, "tokens" for (N, tokens, C), whose last rows * columns tokens are the grid.

    """

    name: str
    grid: tuple[int, int]
    kind: str

    def as_map(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of the tensor as (N, C, rows, columns), extra tokens left out."""
        if self.kind == "NCHW":
            return values
        if self.kind == "NHWC":
            return values.transpose(0, 3, 1, 2)
        rows, columns = self.grid
        tokens = values[:, values.shape[1] - rows * columns :]
        return tokens.reshape(len(values), rows, columns, -1).transpose(0, 3, 1, 2)


def named_layer(name: str, source: Source, sample: Sample) -> Layer:
    """
    Return the layer of a name.

    Raises
    ------
    OptionError
        If there is no such tensor, or it has no grid.

    """
    if not any(name in node.outputs for node in source.nodes):
        raise OptionError(f"layer is {name!r}; the model computes no tensor of that name")
    found = _layer_of(name, source, sample)
    if found is None:
        shape = sample.shapes[name]
        raise OptionError(
            f"layer {name!r} has the shape {shape}, which is no grid over the image; a feature map is needed"
        )
    return found


def find_layer(source: Source, sample: Sample, book: RuleBook, run: Any) -> Layer:
    """
    Return the last layer with a grid that the output still depends on at every place.

    Of a network of tokens it is the last normalised one before the tokens are mixed for the last time: behind that, a
    class token alone is read.

    Parameters
    ----------
    source, sample
        The model.
    book
        The rules of the gradient.
    run
        Runs a ModelProto on a random image and returns its outputs by name.

    Raises
    ------
    ModelError
        If there is none.

    """
    found = list(_candidates(source, sample))
    candidates = found[:_TRIED]
    if not candidates:
        raise ModelError(
            "the model has no layer with a grid over the image; a class activation map needs one"
        )
    if all(layer.kind != "tokens" for layer in found):
        return candidates[0]
    backward = write_backward(source, sample, book, [layer.name for layer in candidates])
    names = {f"gradient_{i}": (backward.handed[layer.name], layer.name) for i, layer in enumerate(candidates)}
    answer = run(assemble(backward, names))
    for i, layer in enumerate(candidates):
        if np.any(layer.as_map(answer[f"gradient_{i}"])):
            return layer
    return candidates[-1]


def _candidates(source: Source, sample: Sample) -> Iterator[Layer]:
    active = find_active(source, [source.image])
    forward, maps = Forward(source), _maps(source, sample)
    for node in reversed(source.nodes):
        name = node.outputs[0]
        if name not in active:
            continue
        rank = len(sample.shapes[name])
        is_map = name in maps and node.op in _MAPS
        is_tokens = rank == 3 and _is_normalised(node, forward, sample)  # noqa: PLR2004
        if is_map or is_tokens:
            found = _layer_of(name, source, sample)
            if found is not None:
                yield found


def _maps(source: Source, sample: Sample) -> set[str]:
    seen, found = {source.image}, {source.image}
    for node in source.nodes:
        if not seen & set(node.inputs):
            continue
        seen.update(node.outputs)
        goes_on = node.op in _KEEPING_MAPS and bool(found & set(node.inputs))
        rank = len(sample.shapes[node.outputs[0]])
        if (goes_on or node.op in _BEGINNING_MAPS) and rank == 4:  # noqa: PLR2004
            found.update(node.outputs)
    return found


def _is_normalised(node: Node, forward: Forward, sample: Sample) -> bool:
    """Whether a node ends a layer normalisation, also one that is taken apart: ... Div, Mul, Add."""
    if node.op == "LayerNormalization":
        return True
    for op in ("Add", "Mul"):
        if node.op != op:
            return False
        computed = [name for name in node.inputs if name not in sample.image_free]
        maker = forward.maker(computed[0]) if len(computed) == 1 else None
        if maker is None:
            return False
        node = maker
    return node.op == "Div"


def _layer_of(name: str, source: Source, sample: Sample) -> Layer | None:
    image, shape = sample.sizes[source.image], sample.sizes[name]
    is_last = len(image) == 4 and image[3] in (1, 3) and image[1] not in (1, 3)  # noqa: PLR2004
    sides = image[1:3] if is_last else image[2:4]
    if len(shape) == 4:  # noqa: PLR2004
        for kind, grid in (("NCHW", shape[2:]), ("NHWC", shape[1:3])):
            if _is_grid(grid, sides):
                return Layer(name, (grid[0], grid[1]), kind)
    if len(shape) == 3:  # noqa: PLR2004
        for extra in range(_MOST_EXTRA_TOKENS):
            rows = round(((shape[1] - extra) * sides[0] / sides[1]) ** 0.5) if shape[1] > extra else 0
            columns = (shape[1] - extra) // rows if rows else 0
            if rows * columns == shape[1] - extra and _is_grid((rows, columns), sides):
                return Layer(name, (rows, columns), "tokens")
    return None


def _is_grid(grid: tuple[int, ...], sides: tuple[int, ...]) -> bool:
    """Whether a grid of more than one place goes with the image's sides."""
    if min(grid) < 2 and max(grid) < 3:  # noqa: PLR2004
        return False
    steps = [side / max(n, 1) for side, n in zip(sides, grid, strict=True)]
    return min(steps) >= 1 and max(steps) / min(steps) <= 1 + _ALIKE + 2 / min(grid)
