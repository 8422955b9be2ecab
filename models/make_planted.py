"""
Write small classifiers with a known causal structure as ONNX files, with an image for each.

    python models/make_planted.py [FOLDER] [--size 64] [--only NAME ...]

Needs onnx and numpy. What they look for is in ``planted_rules.py``, the images are in ``planted_scenes.py``;
this file gives them the many forms that classifiers come in: layouts, types, batch sizes, kinds of scores.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planted_rules import RULES
from planted_scenes import THRESHOLD, Planted
from planted_scenes import plant as plant_scene

_RED_LUMA = 76 / 255  # what ITU-R 601 makes of red


@dataclass(frozen=True, kw_only=True)
class Form:
    """
    How a classifier takes images and gives scores.

    Attributes
    ----------
    rule
        Key of ``RULES``.
    layout, dtype, channels, batch
        Of the input; a batch of None is left open.
    ending
        "logits", or the activation inside the model.
    n_classes
        Columns of the scores, where not the rule's own: 1 is the planted class alone; with more, class 388 is
        the planted one.
    flatten
        How (batch, letters, 1, 1) becomes (batch, letters): an operation that leaves the batch free; a
        Reshape to a constant shape; a Reshape that does away with the batch, so that it can only be 1.
    is_shaded
        The greener an image, the less certain its label, so that images with the same boxes differ in score.
    extra
        Something unusual: a second input or output, answers that are labels, scores that may be NaN, height
        and width left open, no metadata, or vectors in place of images.

    """

    rule: str = "needs_a_and_b"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    channels: Literal[1, 3] = 3
    batch: int | None = None
    ending: Literal["logits", "softmax", "sigmoid"] = "logits"
    n_classes: int | None = None
    flatten: Literal["flatten", "reshape", "merge"] = "flatten"
    is_shaded: bool = False
    extra: Literal["", "input", "output", "argmax", "nan", "open_size", "bare", "vector"] = ""


_PLANTED_OF_MANY = 388

VARIANTS: dict[str, Form] = {name: Form(rule=name) for name in RULES} | {
    "multi_label": Form(rule="multi_label", ending="sigmoid"),
    "multi_label_logits": Form(rule="multi_label"),
    "nhwc": Form(layout="NHWC"),
    "float16": Form(dtype="float16"),
    "float16_nhwc": Form(dtype="float16", layout="NHWC"),
    "uint8": Form(dtype="uint8"),
    "uint8_nhwc": Form(dtype="uint8", layout="NHWC"),
    "greyscale": Form(channels=1),
    "greyscale_nhwc": Form(channels=1, layout="NHWC"),
    "probabilities": Form(ending="softmax"),
    "binary": Form(ending="sigmoid", n_classes=1),
    "binary_logit": Form(n_classes=1),
    "classes_1001": Form(n_classes=1001),
    "classes_1001_nhwc_probabilities": Form(n_classes=1001, layout="NHWC", ending="softmax"),
    "fixed_batch_1_flatten": Form(batch=1, is_shaded=True),
    "fixed_batch_1_reshape": Form(batch=1, flatten="reshape", is_shaded=True),
    "fixed_batch_1_merge": Form(batch=1, flatten="merge", is_shaded=True),
    "fixed_batch_4": Form(batch=4, flatten="reshape", is_shaded=True),
    "dynamic_size": Form(rule="colour_anywhere", extra="open_size"),
    "several_outputs": Form(extra="output"),
    "no_metadata": Form(extra="bare"),
    "nan_scores": Form(extra="nan"),
    # To be refused.
    "two_inputs": Form(extra="input"),
    "labels_only": Form(extra="argmax"),
    "vector": Form(extra="vector"),
}


def plant(name: str, size: tuple[int, int] = (64, 64), share: float = 1.0) -> Planted:
    """
    Return a variant's scene and truth; ``write`` makes its files.

    Parameters
    ----------
    name
        Key of ``VARIANTS``.
    size, share
        See ``planted_scenes.plant``.

    """
    form = VARIANTS[name]
    scene = plant_scene(RULES[form.rule], name, size, share)
    if form.n_classes is not None and form.n_classes > 1:
        return replace(scene, label=_PLANTED_OF_MANY, names=None)
    return replace(scene, names=None) if form.extra == "bare" else scene


def write(planted: Planted, folder: Path) -> Planted:
    """Write ``NAME.onnx`` and ``NAME.png`` into an existing folder; return the scene with their paths."""
    path, photo = folder / f"{planted.name}.onnx", folder / f"{planted.name}.png"
    path.write_bytes(build(planted))
    photo.write_bytes(_png(planted.image))
    return replace(planted, path=path, photo=photo)


def build(planted: Planted) -> bytes:
    """Return a variant's classifier as the bytes of an ONNX file (opset 17), the same at every call."""
    from onnx import TensorProto, helper

    form = VARIANTS[planted.name]
    graph = _Graph()
    if form.extra == "vector":
        shape: list[Any] = ["batch", 16]
        graph.node("Gemm", ["image", graph.constant(np.eye(16, 2))], "logits")
        outputs = {"logits": 2}
    else:
        height, width = ("height", "width") if form.extra == "open_size" else planted.size
        inner = [form.channels, height, width] if form.layout == "NCHW" else [height, width, form.channels]
        shape = [form.batch or "batch", *inner]
        outputs = _classify(graph, planted, form)
    types = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    inputs = ["image", "second_image"] if form.extra == "input" else ["image"]
    score = TensorProto.INT64 if form.extra == "argmax" else types[form.dtype.replace("uint8", "float32")]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            planted.name,
            [helper.make_tensor_value_info(name, types[form.dtype], shape) for name in inputs],
            [
                helper.make_tensor_value_info(name, score, [shape[0], *([n] if n else [])])
                for name, n in outputs.items()
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="dccausal planted models",
    )
    helper.set_model_props(model, _metadata(planted, form))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def cast(self, source: str, dtype: str, output: str = "") -> str:
        from onnx import TensorProto

        to = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}[dtype]
        return self.node("Cast", [source], output, to=to)

    def at_least(self, source: str, needed: Any) -> str:
        """1.0 where whole numbers reach what is needed, 0.0 elsewhere."""
        return self.cast(self.node("Greater", [source, self.constant(np.array(needed) - 0.5)]), "float32")


def _classify(graph: _Graph, planted: Planted, form: Form) -> dict[str, int]:
    """Add the classifier; return the names of the outputs and their columns, 0 for one number an image."""
    rule = planted.rule
    at = "image"
    if form.extra == "input":
        at = graph.node("Max", ["image", "second_image"])
    if form.dtype != "float32":
        at = graph.cast(at, "float32")
    if form.dtype == "uint8":
        at = graph.node("Div", [at, graph.constant(255)])
    if form.layout == "NHWC":
        at = graph.node("Transpose", [at], perm=[0, 3, 1, 2])
    presence = _presence(graph, planted, form, _red(graph, at, form))
    signs, needed, members = rule.terms()
    terms = graph.at_least(graph.node("MatMul", [presence, graph.constant(signs)]), needed)
    holds = graph.at_least(graph.node("MatMul", [terms, graph.constant(members)]), 1)
    weights, bias = _columns(np.array(rule.weights), np.array(rule.bias), form)
    if form.is_shaded:
        holds, weights = _shade(graph, at, holds), np.concatenate([weights, [[2.0, -2.0]]])
    if form.extra == "nan":
        # 0 / 0 where just one of the two boxes is there.
        both = graph.node("ReduceSum", [presence, graph.constant([1], np.int64)])
        odd = graph.node("Abs", [graph.node("Sub", [both, graph.constant(1)])])
        holds = graph.node("Mul", [holds, graph.node("Div", [odd, odd])])
    last = {"logits": "", "softmax": "Softmax", "sigmoid": "Sigmoid"}[form.ending]
    name = {"logits": "logits", "softmax": "probabilities", "sigmoid": "probabilities"}[form.ending]
    is_plain = not last and form.dtype != "float16" and form.extra != "argmax"
    at = graph.node("Gemm", [holds, graph.constant(weights), graph.constant(bias)], name if is_plain else "")
    if last:
        at = graph.node(last, [at], "" if form.dtype == "float16" else name)
    if form.dtype == "float16":
        at = graph.cast(at, "float16", name)
    if form.extra == "argmax":
        return {graph.node("ArgMax", [at], "label", axis=1, keepdims=0): 0}
    outputs = {at: len(bias)}
    if form.extra == "output":
        outputs = {graph.node("Identity", [presence], "presence"): len(rule.letters)} | outputs
    return outputs


def _red(graph: _Graph, image: str, form: Form) -> str:
    """1.0 where a pixel is red, (batch, 1, height, width)."""
    if form.channels == 1:
        distance = graph.node("Abs", [graph.node("Sub", [image, graph.constant(_RED_LUMA)])])
        return graph.cast(graph.node("Less", [distance, graph.constant(0.04)]), "float32")
    difference = graph.node("Conv", [image, graph.constant([[[[1]], [[-1]], [[-1]]]])])
    return graph.cast(graph.node("Greater", [difference, graph.constant(THRESHOLD)]), "float32")


def _presence(graph: _Graph, planted: Planted, form: Form, red: str) -> str:
    """1.0 for each box that is there, (batch, letters)."""
    letters = planted.rule.letters
    needed = [planted.n_needed(letter) for letter in letters]
    if planted.rule.anywhere:
        rows, columns = planted.boxes["A"].slices
        window = np.ones((1, 1, rows.stop - rows.start, columns.stop - columns.start))
        counts = graph.node("GlobalMaxPool", [graph.node("Conv", [red, graph.constant(window)])])
    else:
        windows = np.stack([planted.pixels(letter) for letter in letters])[:, None]
        counts = graph.node("Conv", [red, graph.constant(windows)])
    if form.flatten == "flatten":
        counts = graph.node("Flatten", [counts], axis=1)
    elif form.flatten == "reshape":
        shape = graph.constant([form.batch, len(letters)], np.int64)
        counts = graph.node("Reshape", [counts, shape])
    else:
        counts = graph.node("Reshape", [counts, graph.constant([len(letters)], np.int64)])
        counts = graph.node("Unsqueeze", [counts, graph.constant([0], np.int64)])
    return graph.at_least(counts, needed)


def _shade(graph: _Graph, image: str, holds: str) -> str:
    """Put the mean of the green channel beside the conditions."""
    green = graph.node("Conv", [image, graph.constant([[[[0]], [[1]], [[0]]]])])
    mean = graph.node("ReduceMean", [green], axes=[2, 3], keepdims=0)
    return graph.node("Concat", [holds, mean], axis=1)


def _columns(
    weights: NDArray[np.float64], bias: NDArray[np.float64], form: Form
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights and the bias for as many columns as the form has."""
    if form.n_classes is None:
        return weights, bias
    if form.n_classes == 1:  # a sigmoid of the difference is the softmax of the two
        return weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    wide = np.zeros((len(weights), form.n_classes)), np.full(form.n_classes, -8.0)
    for column, source in ((0, 0), (_PLANTED_OF_MANY, 1)):
        wide[0][:, column], wide[1][column] = weights[:, source], bias[source]
    return wide


def _metadata(planted: Planted, form: Form) -> dict[str, str]:
    if form.extra in ("bare", "vector"):
        return {}
    scale = 1.0 if form.dtype == "uint8" else 1 / 255
    metadata = {"preprocess": json.dumps({"geometry": "squash", "interpolation": "bilinear", "scale": scale})}
    return metadata if planted.names is None else metadata | {"names": json.dumps(planted.names)}


def _png(image: NDArray[np.uint8]) -> bytes:
    """Return an RGB image as a PNG file."""
    height, width, _ = image.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), image.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def main(arguments: Sequence[str]) -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, help="where to write; a new temporary folder by default"
    )
    parser.add_argument("--size", type=int, default=64, help="side of the images, a multiple of 8")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME", default=list(VARIANTS))
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="planted-"))
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        planted = write(plant(name, (options.size, options.size)), folder)
        minimal = " or ".join(planted.rule.minimal)
        print(f"{planted.path}  label {planted.label}, minimal explanations: {minimal}")


if __name__ == "__main__":
    main(sys.argv[1:])
