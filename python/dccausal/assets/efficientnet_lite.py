"""
EfficientNet-Lite as an ONNX graph: Lite0, and those that differ from it in depth and size only.

The network of Tan and Le [1]_ in its "Lite" form: inverted bottlenecks without squeeze-and-excitation, ReLU6
for every activation, stem and head of fixed width. Batch normalisations are folded into the convolutions
before them. Strided convolutions pad as TensorFlow's "SAME" does: the odd pixel on the right and at the
bottom.

.. [1] EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019, arXiv 1905.11946.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE = 224
N_CLASSES = 1000
_N_STEM = 32
_N_HEAD = 1280
_EPSILON = 1e-3  # of the batch normalisations


class _Stage(NamedTuple):
    """Blocks of one kind in a row; only the first has the stride."""

    n_blocks: int
    kernel: int
    stride: int
    expansion: int
    n_out: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_N_BLOCKS = tuple(stage.n_blocks for stage in _STAGES)


def build_efficientnet_lite(
    weights: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str],
    *,
    name: str = "efficientnet-lite0",
    size: int = SIZE,
    n_blocks: Sequence[int] = _N_BLOCKS,
) -> bytes:
    """
    Return the network as the bytes of an ONNX file (opset 17), the same for the same weights and metadata.

    Parameters
    ----------
    weights
        float32 arrays by their names in the PyTorch port: ``_conv_stem.weight``, ``_bn0.running_mean``,
        ``_blocks.0._depthwise_conv.weight``, ...
    metadata
        Goes into the file's ``metadata_props``.
    name
        Of the graph.
    size
        Height and width of the images.
    n_blocks
        Number of blocks of each of the seven stages: (1, 2, 2, 3, 3, 4, 1) in Lite0, (1, 3, 3, 4, 4, 5, 1) in Lite1.

    Returns
    -------
    content
        Input "image": float32 (batch, 3, size, size) RGB, (pixel - 127) / 128. Output "logits": float32
        (batch, 1000).

    Raises
    ------
    ValueError
        If an array is missing or has the wrong shape.
    ModuleNotFoundError
        If the package onnx is not installed.

    """
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    graph.constant("zero", np.array(0, dtype=np.float32))
    graph.constant("six", np.array(6, dtype=np.float32))
    at = graph.conv("image", "_conv_stem", "_bn0", (_N_STEM, 3, 3, 3), stride=2)
    at, n_in = graph.relu6(at), _N_STEM
    blocks = [
        stage._replace(stride=1 if i else stage.stride)
        for stage, n in zip(_STAGES, n_blocks, strict=True)
        for i in range(n)
    ]
    for i, block in enumerate(blocks):
        at = _add_block(graph, at, f"_blocks.{i}", n_in, block)
        n_in = block.n_out
    at = graph.relu6(graph.conv(at, "_conv_head", "_bn1", (_N_HEAD, n_in, 1, 1)))
    at = graph.node("Flatten", [graph.node("GlobalAveragePool", [at], "pool")], "features", axis=1)
    graph.constant("fc.weight", graph.weight("_fc.weight", (N_CLASSES, _N_HEAD)))
    graph.constant("fc.bias", graph.weight("_fc.bias", (N_CLASSES,)))
    graph.node("Gemm", [at, "fc.weight", "fc.bias"], "logits", transB=1)

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", N_CLASSES])
    model = helper.make_model(
        helper.make_graph(graph.nodes, name, [image], [logits], graph.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="dccausal",
        producer_version="1",
    )
    helper.set_model_props(model, dict(metadata))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _add_block(graph: _Graph, source: str, name: str, n_in: int, block: _Stage) -> str:
    """Add an inverted bottleneck: expand, filter each channel on its own, project; return its output."""
    n_inner, at = n_in * block.expansion, source
    if block.expansion != 1:
        at = graph.relu6(graph.conv(at, f"{name}._expand_conv", f"{name}._bn0", (n_inner, n_in, 1, 1)))
    kernel = (n_inner, 1, block.kernel, block.kernel)
    at = graph.conv(at, f"{name}._depthwise_conv", f"{name}._bn1", kernel, stride=block.stride, group=n_inner)
    at = graph.relu6(at)
    at = graph.conv(at, f"{name}._project_conv", f"{name}._bn2", (block.n_out, n_inner, 1, 1))
    if block.stride == 1 and n_in == block.n_out:
        at = graph.node("Add", [at, source], f"{name}.sum")
    return at


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def weight(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of the checkpoint, checked."""
        if name not in self._weights:
            raise ValueError(f"the weights have no {name}; an array of shape {shape} is needed")
        array = self._weights[name]
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(f"{name} is {array.shape} {array.dtype}; {shape} float32 is needed")
        return array

    def constant(self, name: str, array: NDArray[Any]) -> None:
        """Add an initializer."""
        from onnx import TensorProto, helper

        raw = array.astype("<f4").tobytes()
        self.constants.append(helper.make_tensor(name, TensorProto.FLOAT, array.shape, raw, raw=True))

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def relu6(self, source: str) -> str:
        """Add an activation."""
        return self.node("Clip", [source, "zero", "six"], f"{source}.relu6")

    def conv(
        self,
        source: str,
        name: str,
        norm: str,
        shape: tuple[int, int, int, int],
        *,
        stride: int = 1,
        group: int = 1,
    ) -> str:
        """Add a convolution with the batch normalisation behind it folded in."""
        n_out, _, kernel, _ = shape
        gamma, beta, mean, variance = (
            self.weight(f"{norm}.{part}", (n_out,)).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / np.sqrt(variance + _EPSILON)
        folded = self.weight(f"{name}.weight", shape).astype(np.float64) * gain[:, None, None, None]
        output = name.replace("_", "", 1).replace("._", ".")
        self.constant(f"{output}.weight", folded)
        self.constant(f"{output}.bias", beta - mean * gain)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        return self.node(
            "Conv",
            [source, f"{output}.weight", f"{output}.bias"],
            output,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=group,
        )
