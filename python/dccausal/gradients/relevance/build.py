"""From a classifier's model to the model of its relevance."""

from __future__ import annotations

import os
from typing import Any, Literal

from dccausal.gradients.backward import assemble, write_backward
from dccausal.gradients.pads import fold_pads
from dccausal.gradients.relevance.graph import Forward, fold_batch_norms
from dccausal.gradients.relevance.lrp import Lrp, LrpRules
from dccausal.gradients.relevance.rap import Rap
from dccausal.gradients.sample import take_sample
from dccausal.gradients.sizes import settle_sizes
from dccausal.gradients.source import Source, read_source


def relevance_model(
    model: str | os.PathLike[str] | bytes | Any,
    rules: LrpRules | Literal["rap"] | None = None,
    *,
    image: str | None = None,
    output: str | None = None,
    size: tuple[int, int] | None = None,
) -> Any:
    """
    Return a model of a classifier's logits and of the relevance that its image has for one.

    Parameters
    ----------
    model, image, output, size
        As in ``gradient_model``.
    rules
        Those of the linear layers, by default ``LrpRules()``; or "rap" for relative attributing propagation.

    Returns
    -------
    onnx.ModelProto
        Like that of ``gradient_model``, with the output ``relevance``, like the image: signed, its sum the target's
        logit but for what biases and stabilisers took.

    Raises
    ------
    ModelError, OptionError, RuntimeMissingError
        As in ``gradient_model``.

    """
    source = read_source(model, image=image, output=output, size=size)
    fold_batch_norms(source)
    _in_order(source)
    sample = take_sample(source, size)
    fold_pads(source, sample)
    sample = settle_sizes(source, sample)
    forward = Forward(source)
    book = Rap(forward).book() if rules == "rap" else Lrp(forward, rules or LrpRules()).book()
    backward = write_backward(source, sample, book, [source.image], weigh=True)
    return assemble(
        backward,
        {"logits": (backward.logits, ""), "relevance": (backward.handed[source.image], source.image)},
    )


def _in_order(source: Source) -> None:
    """Drop what folding left without a reader."""
    wanted = {source.output}
    kept = []
    for index in reversed(range(len(source.nodes))):
        if wanted & set(source.nodes[index].outputs):
            wanted.update(source.nodes[index].inputs)
            kept.append(index)
    for index in reversed(range(len(source.nodes))):
        if index not in kept:
            del source.model.graph.node[index]
            del source.nodes[index]
