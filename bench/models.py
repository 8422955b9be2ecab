"""Write classifiers with random weights, for measurements of speed: what they say means nothing.

Run ``python bench/models.py FOLDER [--kind resnet50 vit_b small] [--size 224 384 1024] [--dtype float32 float16]``.
The graphs have the layers of ResNet-50 and of ViT-B/16 (tokens are averaged in place of a class token), without
normalisation layers where these would be folded into convolutions anyway. "small" is a net of five convolutions.
Needs the package onnx. Nothing is written that is there already.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

N_CLASSES = 1000
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


class Graph:
    """Nodes and weights, as they are added; every method returns the name of what it adds."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        array = np.asarray(array)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def random(self, *shape: int, fan_in: int, gain: float = 2.0) -> str:
        return self.constant(self.rng.standard_normal(shape, dtype=np.float32) * (gain / fan_in) ** 0.5)

    def conv(
        self, at: str, channels: tuple[int, int], side: int = 1, stride: int = 1, gain: float = 2.0
    ) -> str:
        into, out = channels
        weights = self.random(out, into, side, side, fan_in=into * side * side, gain=gain)
        pads = [(side - 1) // 2] * 4 if side != stride else [0] * 4
        bias = self.constant(np.zeros(out))
        return self.node("Conv", at, weights, bias, kernel_shape=[side] * 2, strides=[stride] * 2, pads=pads)

    def linear(self, at: str, into: int, out: int, gain: float = 1.0) -> str:
        product = self.node("MatMul", at, self.random(into, out, fan_in=into, gain=gain))
        return self.node("Add", product, self.constant(np.zeros(out)))

    def norm(self, at: str, width: int) -> str:
        scale, bias = self.constant(np.ones(width)), self.constant(np.zeros(width))
        return self.node("LayerNormalization", at, scale, bias, axis=-1)


def resnet50(graph: Graph, _size: int) -> str:
    at = graph.node("Relu", graph.conv("image", (3, 64), 7, 2))
    at = graph.node("MaxPool", at, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    into = 64
    for stage, n_blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(n_blocks):
            stride = 2 if stage and not block else 1
            branch = graph.node("Relu", graph.conv(at, (into, width)))
            branch = graph.node("Relu", graph.conv(branch, (width, width), 3, stride))
            branch = graph.conv(branch, (width, 4 * width), gain=0.2)
            if not block:
                side = graph.node("MaxPool", at, kernel_shape=[1, 1], strides=[stride] * 2)
                at = graph.conv(side, (into, 4 * width), gain=1.0)
            at, into = graph.node("Relu", graph.node("Add", branch, at)), 4 * width
    at = graph.node("Flatten", graph.node("GlobalAveragePool", at))
    return graph.linear(at, into, N_CLASSES)


def vit_b(graph: Graph, size: int, width: int = 768, heads: int = 12, patch: int = 16) -> str:
    n_tokens = (size // patch) ** 2
    at = graph.conv("image", (3, width), patch, patch)
    at = graph.node("Reshape", at, graph.constant(np.array([0, width, n_tokens])))
    at = graph.node("Transpose", at, perm=[0, 2, 1])
    at = graph.node("Add", at, graph.random(1, n_tokens, width, fan_in=width))
    split = graph.constant(np.array([0, n_tokens, heads, width // heads]))
    join = graph.constant(np.array([0, n_tokens, width]))
    root = graph.constant(np.array((width // heads) ** -0.5))
    for _ in range(12):
        normed = graph.norm(at, width)
        query, key, value = (
            graph.node(
                "Transpose", graph.node("Reshape", graph.linear(normed, width, width), split), perm=perm
            )
            for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
        weights = graph.node("Softmax", graph.node("Mul", graph.node("MatMul", query, key), root), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", weights, value), perm=[0, 2, 1, 3])
        at = graph.node("Add", at, graph.linear(graph.node("Reshape", mixed, join), width, width))
        hidden = graph.linear(graph.norm(at, width), width, 4 * width)
        error = graph.node("Erf", graph.node("Mul", hidden, graph.constant(np.array(0.5**0.5))))
        gate = graph.node("Mul", graph.node("Add", error, graph.constant(np.array(1.0))), hidden)
        half = graph.node("Mul", gate, graph.constant(np.array(0.5)))
        at = graph.node("Add", at, graph.linear(half, 4 * width, width))
    at = graph.node("ReduceMean", graph.norm(at, width), axes=[1], keepdims=0)
    return graph.linear(at, width, N_CLASSES)


def small(graph: Graph, _size: int) -> str:
    at, into = "image", 3
    for width in (16, 32, 64, 128, 256):
        at, into = graph.node("Relu", graph.conv(at, (into, width), 3, 2)), width
    at = graph.node("Flatten", graph.node("GlobalAveragePool", at))
    return graph.linear(at, into, N_CLASSES)


KINDS = {"resnet50": resnet50, "vit_b": vit_b, "small": small}


def write(folder: Path, kind: str, size: int = 224, dtype: str = "float32") -> Path:
    """Write a model, if it is not there, and return its path."""
    path = folder / f"{kind}-{size}-{dtype}.onnx"
    if path.is_file():
        return path
    graph = Graph(dtype)
    last = KINDS[kind](graph, size)
    # Random weights give nearly every image the same label. What the grey image gets is taken from all scores, so that
    # what an image shows decides, and a photograph loses its label when it is masked.
    graph.nodes.append(helper.make_node("Add", [last, graph.constant(np.zeros(N_CLASSES))], ["logits"]))
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            kind,
            [value("image", TYPES[dtype], ["batch", 3, size, size])],
            [value("logits", TYPES[dtype], ["batch", N_CLASSES])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (grey,) = session.run(None, {"image": np.full((1, 3, size, size), 128 / 255, dtype)})
    bias = model.graph.initializer[-1]
    bias.CopyFrom(numpy_helper.from_array(-grey[0], bias.name))
    folder.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_bytes(model.SerializeToString())
    half.rename(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--size", nargs="+", type=int, default=[224])
    parser.add_argument("--dtype", nargs="+", choices=TYPES, default=["float32"])
    options = parser.parse_args()
    for kind in options.kind:
        for size in options.size:
            for dtype in options.dtype:
                path = write(options.folder, kind, size, dtype)
                print(f"{path}  {path.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
