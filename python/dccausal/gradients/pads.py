"""Zeros that are laid around a tensor before a convolution, made the convolution's own pads."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from dccausal.gradients.nodes import Node
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source

_SPATIAL = 2  # the axis at which space begins


def fold_pads(source: Source, sample: Sample, keep: str = "") -> None:
    """
    Give convolutions the pads of Pad operations that nothing else reads; the source is changed in place.

    A runtime does so for the forward pass by itself. The way back then needs no Slice, for which gradients would have
    to leave the layout of the convolutions.

    Parameters
    ----------
    source, sample
        The model, and what its tensors are like.
    keep
        A tensor that has to stay.

    """
    from onnx import helper

    readers = Counter(name for node in source.nodes for name in node.inputs)
    makers = {node.outputs[0]: index for index, node in enumerate(source.nodes) if node.op == "Pad"}
    gone = []
    for index, conv in enumerate(source.nodes):
        at = makers.get(conv.inputs[0]) if conv.op == "Conv" else None
        if at is None or readers[conv.inputs[0]] > 1 or conv.inputs[0] in (keep, source.output):
            continue
        pad = source.nodes[at]
        around = _around(pad, sample)
        own = None if around is None else _own_pads(conv, len(around))
        if around is None or own is None:
            continue
        proto = source.model.graph.node[index]
        kept = [a for a in proto.attribute if a.name not in ("pads", "auto_pad")]
        del proto.attribute[:]
        pads = [int(n) for n in around + own]
        proto.attribute.extend([*kept, helper.make_attribute("pads", pads)])
        proto.input[0] = pad.inputs[0]
        source.nodes[index] = Node.of(proto)
        gone.append(at)
    for at in sorted(gone, reverse=True):
        del source.model.graph.node[at]
        del source.nodes[at]


def _around(pad: Node, sample: Sample) -> NDArray[np.int64] | None:
    """Return the zeros before and behind each spatial axis; None where it is not zeros, or not space alone."""
    sizes, filling = (sample.values.get(pad.input(index)) for index in (1, 2))
    if pad.get("mode", "constant") != "constant" or sizes is None or pad.input(3):
        return None
    if pad.input(2) and (filling is None or np.any(filling)):
        return None
    each = np.asarray(sizes, np.int64).reshape(2, -1)
    if each[:, :_SPATIAL].any() or (each < 0).any():
        return None
    return np.concatenate(each[:, _SPATIAL:])


def _own_pads(conv: Node, n: int) -> NDArray[np.int64] | None:
    """Return the pads that a convolution has already; None where they depend on its input's size."""
    if conv.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    pads = conv.get("pads") or [0] * n
    return np.asarray(pads, np.int64) if len(pads) == n else None
