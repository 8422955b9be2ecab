"""From a classifier's model to the model of its gradient."""

from __future__ import annotations

import os
from typing import Any

from dccausal.errors import OptionError
from dccausal.gradients.backward import assemble, check_rules, find_active, write_backward
from dccausal.gradients.guided import GUIDED_BOOK, check_guided
from dccausal.gradients.pads import fold_pads
from dccausal.gradients.rules import GRADIENT, RuleBook
from dccausal.gradients.sample import take_sample
from dccausal.gradients.sizes import settle_sizes
from dccausal.gradients.source import Explained, inner_name, read_source

GRADIENT_BOOK = RuleBook("gradient", {}, GRADIENT)


def gradient_model(
    model: str | os.PathLike[str] | bytes | Any,
    *,
    image: str | None = None,
    output: str | None = None,
    explained: Explained = "logits",
    size: tuple[int, int] | None = None,
    layer: str | None = None,
    book: RuleBook = GRADIENT_BOOK,
) -> Any:
    """
    Return a model of a classifier's output and of its gradient.

    Parameters
    ----------
    model
        Path of an ONNX file, its bytes, or a ModelProto.
    image, output
        Names, for models with several inputs or outputs.
    explained
        "logits" leaves off the softmax or sigmoid that the model ends in. "probabilities" keeps it, or adds a softmax
        where there is none.
    size
        (height, width) of the images, where the model leaves them open; they stay open where all its operations
        allow it.
    layer
        Name of a tensor in between: its gradient is taken in place of the image's.
    book
        The rules of the backward pass: ``GRADIENT_BOOK``, or ``GUIDED_BOOK`` for guided backpropagation.

    Returns
    -------
    onnx.ModelProto
        Inputs: the image under its own name, float32, otherwise as the model takes it; ``target`` int64 (N,), the
        index of the output that is asked about in each row. Outputs: ``logits`` (N, n_classes) and ``gradient``,
        like the image, of the target's logit; with ``layer`` also ``activation``, the layer's values. A model of one
        output has two targets: 1 is the output, 0 its negative. All is float32 (float64 for a model of float64).

    Raises
    ------
    ModelError
        If the file is no ONNX model, or has no image input, or an operation without a rule.
    OptionError
        If a name is not there.
    RuntimeMissingError
        If the package onnx or ONNX Runtime is not installed.

    Notes
    -----
    Where a function has a kink, the slope is that of PyTorch: 0 for ReLU at 0 and for Clip at its bounds; the first of
    equal maxima in a pool; equal shares in ReduceMax, Max and Min. Roundings in quantised models are passed straight
    through.

    """
    source = read_source(model, image=image, output=output, explained=explained, size=size)
    start = source.image if layer is None else inner_name(layer)
    if layer is not None and not any(start in node.outputs for node in source.nodes):
        raise OptionError(f"layer is {layer!r}; no tensor of that name leads to the output that is explained")
    if not book.stops:
        check_rules(source, book, find_active(source, [start]))
    sample = take_sample(source, size)
    fold_pads(source, sample, start)
    sample = settle_sizes(source, sample)
    if book is GUIDED_BOOK:
        check_guided(source, sample)
    backward = write_backward(source, sample, book, [start])
    outputs = {"logits": (backward.logits, ""), "gradient": (backward.handed[start], start)}
    if layer is not None:
        outputs["activation"] = (start, start)
    return assemble(backward, outputs)
