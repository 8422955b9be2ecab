"""Convolutions: the gradient of one is a transposed one with the same weights, and the other way round."""

from __future__ import annotations

import math

import numpy as np

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.rules.windows import Window, window_of
from dccausal.gradients.tape import Tape


@rule("Conv")
def conv(tape: Tape, node: Node, g: str, *, weight: str | None = None) -> list[str | None]:
    """Return the gradients of a convolution; ``weight`` stands in for its own, for other rules than this."""
    shape = tape.known_shape(node, node.inputs[1], range(tape.rank(node.inputs[1])), "its weights do too")
    window = window_of(tape, node, tuple(shape[2:]))
    found: list[str | None] = [None] * len(node.inputs)
    if tape.wants(node.inputs[0]):
        found[0] = _back(tape, node, g, window, weight or node.inputs[1])
    if tape.wants(node.inputs[1]) and weight is None:
        found[1] = _of_weights(tape, node, g, window)
    if tape.wants(node.input(2)):
        rank = tape.rank(node.outputs[0])
        found[2] = tape.sum(g, [0, *range(2, rank)], keepdims=False)
    return found


def _of_weights(tape: Tape, node: Node, g: str, window: Window) -> str:
    """
    Return the gradient of weights that are computed from the image.

    It is a convolution of the input with the gradient, which change images and channels for it, and strides and
    dilations.
    """
    x, w = node.inputs[:2]
    group, axes = node.get("group", 1), range(2, tape.rank(x))
    spatial = [tape.dimension(x, axis) for axis in axes]
    images, channels = tape.dimension(x, 0), tape.constant([group, tape.shape(w)[1] or 0])
    groups = tape.op("Reshape", x, tape.op("Concat", images, channels, *spatial, axis=0))
    turned_x = tape.op("Transpose", groups, perm=[2, 1, 0, *range(3, 3 + len(axes))])
    into = tape.constant([tape.shape(w)[1] or 0, -1])
    found = tape.op(
        "Conv",
        tape.op("Reshape", turned_x, tape.op("Concat", into, *spatial, axis=0)),
        tape.op("Transpose", g, perm=[1, 0, *axes]),
        group=group,
        strides=list(window.dilations),
        dilations=list(window.strides),
        pads=window.pads,
    )
    return _cut(tape, tape.op("Transpose", found, perm=[1, 0, *axes]), w)


def refuse_computed_weights(tape: Tape, node: Node) -> None:
    """
    Do nothing if a layer's weights are constants.

    Raises
    ------
    ModelError
        If they are computed from the image.

    """
    if tape.wants(node.inputs[1]):
        raise ModelError(
            f"{node} has weights that are computed from the image, for which there is no rule; explain such a model "
            "with a method that only runs it"
        )


def _back(tape: Tape, node: Node, g: str, window: Window, weight: str) -> str:
    if _is_flipped_faster(window):
        return _flipped(tape, node, g, window, weight)
    return transposed(tape, g, window, weight, node.inputs[0], node.get("group", 1))


def transposed(tape: Tape, g: str, window: Window, weight: str, name: str, group: int) -> str:
    """Return what a transposed convolution makes of a gradient, in the shape of the tensor ``name``."""
    is_open = None in window.remainders
    extra = [
        stride - 1 if rest is None else rest
        for stride, rest in zip(window.strides, window.remainders, strict=True)
    ]
    found = tape.op(
        "ConvTranspose",
        g,
        weight,
        group=group,
        kernel_shape=list(window.kernel),
        strides=list(window.strides),
        dilations=list(window.dilations),
        pads=window.pads,
        output_padding=extra if any(extra) else None,
    )
    return _cut(tape, found, name) if is_open and any(extra) else found


def _cut(tape: Tape, tensor: str, name: str) -> str:
    """Cut the spatial axes to the sizes of a tensor of the forward pass: what is cut off is 0."""
    axes = list(range(2, tape.rank(name)))
    sizes = tape.op("Gather", tape.shape_of(name), tape.constant(axes), axis=0)
    return tape.op("Slice", tensor, tape.constant([0] * len(axes)), sizes, tape.constant(axes))


def _is_flipped_faster(window: Window) -> bool:
    """
    Whether to write the gradient as a convolution with turned weights, which the graph turns itself.

    ONNX Runtime's convolutions are up to twice as fast as its transposed ones on the CPU where the stride is 1. It
    keeps weights in another order for either, so that both take the same memory.
    """
    return (
        all(s == 1 for s in window.strides)
        and min(r - 1 - p for p, r in zip(window.pads, window.reach * 2, strict=True)) >= 0
    )


def _flipped(tape: Tape, node: Node, g: str, window: Window, weight: str) -> str:
    return tape.op(
        "Conv",
        g,
        turned(tape, weight, tape.shape(node.inputs[1]), node.get("group", 1)),
        group=node.get("group", 1),
        kernel_shape=list(window.kernel),
        dilations=list(window.dilations),
        pads=[r - 1 - p for p, r in zip(window.pads, window.reach * 2, strict=True)],
    )


def turned(tape: Tape, weight: str, shape: tuple[int | None, ...], group: int) -> str:
    """Return weights (out, in / group, ...) as (in, out / group, ...), the other way round along space."""
    out, into = shape[0] or 0, shape[1] or 0
    axes = list(range(2, len(shape)))
    back = np.full(len(axes), -1, np.int64)
    found = tape.op(
        "Slice",
        weight,
        tape.constant(back),
        tape.constant(back * 2**31),
        tape.constant(axes),
        tape.constant(back),
    )
    if out == group and into == 1:
        return found
    spatial = [n or 0 for n in shape[2:]]
    if group > 1:
        found = tape.op("Reshape", found, tape.constant([group, out // group, into, *spatial]))
        found = tape.op("Transpose", found, perm=[0, 2, 1, *range(3, 3 + len(axes))])
        return tape.op("Reshape", found, tape.constant([group * into, out // group, *spatial]))
    return tape.op("Transpose", found, perm=[1, 0, *axes])


@rule("ConvTranspose")
def conv_transpose(tape: Tape, node: Node, g: str, *, weight: str | None = None) -> list[str | None]:
    """Return the gradient of a transposed convolution; ``weight`` stands in for its own."""
    refuse_computed_weights(tape, node)
    shape = tape.known_shape(node, node.inputs[1], range(tape.rank(node.inputs[1])), "its weights do too")
    kernel, n = shape[2:], len(shape) - 2
    strides = node.get("strides") or [1] * n
    dilations = node.get("dilations") or [1] * n
    pads = _transposed_pads(tape, node, kernel, strides, dilations)
    found: list[str | None] = [None] * len(node.inputs)
    if tape.wants(node.inputs[0]):
        part = tape.op(
            "Conv",
            g,
            weight or node.inputs[1],
            group=node.get("group", 1),
            kernel_shape=list(kernel),
            strides=list(strides),
            dilations=list(dilations),
            pads=pads,
        )
        has_more = any(o >= s for o, s in zip(node.get("output_padding") or [0] * n, strides, strict=True))
        found[0] = _cut(tape, part, node.inputs[0]) if has_more else part
    if tape.wants(node.input(2)):
        found[2] = tape.sum(g, [0, *range(2, n + 2)], keepdims=False)
    return found


def _transposed_pads(
    tape: Tape, node: Node, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[int]:
    """Return the pads of a transposed convolution, which may be given by the size of its result."""
    n = len(kernel)
    auto, asked = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if not auto.startswith("SAME") and not asked:
        return list(node.get("pads") or [0] * (2 * n))
    why = "its pads follow from it"
    sizes = tape.known_shape(node, node.inputs[0], range(2, 2 + n), why)
    results = tape.known_shape(node, node.outputs[0], range(2, 2 + n), why)
    extra = node.get("output_padding") or [0] * n
    totals = [
        strides[i] * (sizes[i] - 1) + extra[i] + (kernel[i] - 1) * dilations[i] + 1 - results[i]
        for i in range(n)
    ]
    half = [total // 2 for total in totals]
    rest = [total - part for total, part in zip(totals, half, strict=True)]
    return half + rest if auto == "SAME_UPPER" else rest + half


@rule("Col2Im")
def _columns_to_image(tape: Tape, node: Node, g: str) -> str:
    """Take the blocks out again, each place of a block as a channel: a convolution with ones and zeros."""
    x, y = node.inputs[0], node.outputs[0]
    block = [int(n) for n in tape.known(node, 2, "blocks").ravel()]
    sides = tape.known_shape(node, y, range(2, tape.rank(y)), "its blocks lie in it")
    places = np.eye(math.prod(block)).reshape(-1, 1, *block)
    one = {key: value for key, value in node.attributes.items() if key in ("dilations", "pads", "strides")}
    images = tape.op("Reshape", g, tape.constant([-1, 1, *sides]))
    found = tape.op("Conv", images, tape.constant(places, tape.float_dtype(x)), **one)
    return tape.reshape_like(found, x)
