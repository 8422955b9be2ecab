"""Sizes about which ONNX and ONNX Runtime disagree, made certain: of some resizes, and of some pools that round up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source

_SCALES = 2  # which input they are


def settle_sizes(source: Source, sample: Sample) -> Sample:
    """
    Change what ONNX infers another size of than ONNX Runtime makes; the source is changed in place.

    A runtime refuses a backward pass whose shapes, which are known, contradict what was inferred. Of 20 rows by a scale
    of 1.3 ONNX infers 25, and ONNX Runtime makes 26: the scale is enlarged by its last digit. Of pools that round up,
    ONNX counts a last window that lies in the pads alone: the pads are shortened.

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
        if node.op in ("MaxPool", "AveragePool") and node.get("ceil_mode", 0):
            _settle_pads(source, index, sample)
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


def _settle_pads(source: Source, index: int, sample: Sample) -> None:
    """Let a pool that rounds up have pads by which it need not."""
    from onnx import helper

    node, proto = source.nodes[index], source.model.graph.node[index]
    kernel = node.get("kernel_shape")
    n = len(kernel)
    sizes, counts = sample.shapes[node.inputs[0]][2:], sample.shapes[node.outputs[0]][2:]
    if None in (*sizes, *counts) or node.get("auto_pad", "NOTSET") != "NOTSET":
        return
    strides, dilations = node.get("strides") or [1] * n, node.get("dilations") or [1] * n
    given = list(node.get("pads") or [0] * (2 * n))
    shorter, exact = list(given), list(given)
    is_wrong = False
    for axis in range(n):
        size, count = int(sizes[axis] or 0), int(counts[axis] or 0)
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        rest = size + given[axis] + given[n + axis] - reach
        exact[n + axis] = max((count - 1) * strides[axis] + reach - size - given[axis], 0)
        if -(-rest // strides[axis]) + 1 != count:
            is_wrong = True
            shorter[n + axis] = (count - 1) * strides[axis] + reach - size - given[axis]
    if not is_wrong:
        return
    stays = min(shorter) >= 0  # rounding up
    # Pads in place of rounding up are to be smaller than the kernel, and where they count they change the divisor.
    counts_pads = node.op == "AveragePool" and bool(node.get("count_include_pad", 0))
    is_more = counts_pads and any(new > old for new, old in zip(exact, given, strict=True))
    if not stays and (is_more or any(exact[n + axis] >= kernel[axis] for axis in range(n))):
        raise ModelError(
            f"{node.op} {node.name or node.outputs[0]!r} rounds up and steps over the last of {list(sizes)} by strides "
            f"of {list(strides)}: ONNX and ONNX Runtime disagree about its size; a pool that rounds down is needed"
        )
    kept = [a for a in proto.attribute if a.name != "pads" and (stays or a.name != "ceil_mode")]
    del proto.attribute[:]
    proto.attribute.extend([*kept, helper.make_attribute("pads", shorter if stays else exact)])
    source.nodes[index] = Node.of(proto)
