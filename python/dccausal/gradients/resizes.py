"""Scales of Resize operations that give a size by rounding only, made certain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dccausal.gradients.nodes import Node
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source

_SCALES = 2  # which input they are


def settle_scales(source: Source, sample: Sample) -> Sample:
    """
    Enlarge scales by the last digit where a size is whole by rounding only; the source is changed in place.

    Of 20 by 1.3 ONNX infers 25 rows and ONNX Runtime makes 26. It then refuses the backward pass, whose shapes are
    known and contradict what was inferred.

    Parameters
    ----------
    source, sample
        The model, and what its tensors are like.

    Returns
    -------
    Sample
        With the new scales.

    """
    from onnx import numpy_helper

    added: dict[str, NDArray[np.float32]] = {}
    for index, node in enumerate(source.nodes):
        scales = _settled(node, sample) if node.op == "Resize" else None
        if scales is not None:
            proto = source.model.graph.node[index]
            name = proto.input[_SCALES] = f"{node.outputs[0]}::scales"
            source.model.graph.initializer.append(numpy_helper.from_array(scales, name))
            source.nodes[index] = Node.of(proto)
            added[name] = scales
    return replace(
        sample,
        shapes={**sample.shapes, **{name: scales.shape for name, scales in added.items()}},
        dtypes={**sample.dtypes, **dict.fromkeys(added, "float32")},
        values={**sample.values, **added},
        image_free=sample.image_free | added.keys(),
    )


def _settled(node: Node, sample: Sample) -> NDArray[np.float32] | None:
    """Return scales that leave no doubt, None where they leave none already."""
    given = sample.values.get(node.input(_SCALES))
    if given is None or not np.size(given) or node.get("axes") is not None:
        return None
    old = np.asarray(given, np.float32)
    new = old.copy()
    pairs = zip(sample.shapes[node.inputs[0]], sample.shapes[node.outputs[0]], strict=True)
    for axis, (small, large) in enumerate(pairs):
        if small and large and np.floor(float(old[axis]) * small) < large:
            new[axis] = np.nextafter(old[axis], np.float32(np.inf))
    return new if np.any(new != old) else None
