"""Damaged and hostile models: metadata, dimensions, protobuf structure, external data, sidecars, and changed bytes."""

from __future__ import annotations

import json
import os
import random
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dccausal import OnnxClassifier, explain
from faults.trial import Outcome, Wrong, tried

N = 1510
SIDE = 32
# ONNX Runtime's own endless loops and allocations: a model is a program, and this is what it computes.
NOT_OURS = ("loop-for-ever",)
Files = Mapping[str, bytes]


def run(n: int, seed: int) -> Iterator[Outcome]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    for name, files in cases(n, seed):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "model"
            folder.mkdir()
            _furnish(folder)
            for file, content in files.items():
                (folder / file).write_bytes(content)
            there = sorted(os.listdir(folder))  # noqa: PTH208
            outcome = tried(name, lambda folder=folder: check(folder / "model.onnx"))
            if sorted(os.listdir(folder)) != there:  # noqa: PTH208
                outcome = Outcome(name, "left", "files beside the model")
            if not (outcome.kind in ("hang", "memory") and name in NOT_OURS):
                yield outcome


def _furnish(folder: Path) -> None:
    """Put beside a model what external data may name, and what it must not."""
    (folder / "weights.bin").write_bytes(np.ones(400, np.float32).tobytes())
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")


def check(path: Path) -> str:
    """Open, tell what is known, and explain; scores are finite and the same for any batch."""
    classifier = OnnxClassifier(path, threads=1, batch_size=4, device="cpu")
    json.dumps(classifier.provenance())
    repr(classifier)
    photo = np.full((64, 64, 3), 90, np.uint8)
    photo[20:40, 20:40] = (200, 30, 30)
    explanation = explain(photo, classifier, max_calls=20)
    if not (np.isfinite(explanation.heatmap).all() and 0 <= explanation.label < classifier.n_classes):
        raise Wrong(repr(explanation))
    return repr(classifier)


def cases(n: int, seed: int) -> Iterator[tuple[str, Files]]:
    """Return n models with what lies beside them: those built by hand, and originals changed at random."""
    chance = random.Random(seed)  # noqa: S311
    built = [*_by_metadata(), *_by_shape(), *_by_weights(), *_by_structure(), *_by_sidecar(), *_by_graph()]
    if n < len(built):
        built = chance.sample(built, n // 2)
    yield from built
    fixed = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Reshape", ["p", "r"], ["y"]),
    ]
    one = numpy_helper.from_array(np.array([1, 3], np.int64), "r")
    originals = [net(), external("weights.bin"), graph([1, 3, 8, 8], nodes=fixed, weights=[one], out=[1, 3])]
    for i in range(n - len(built)):
        yield f"changed-{i:04d}", {"model.onnx": changed(originals[i % len(originals)], chance)}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return a model changed at random, in one of nine ways."""
    data = bytearray(content)
    way, at = chance.randrange(9), chance.randrange(len(data))
    if way == 0:
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif way == 1:
        del data[max(1, at) :]
    elif way == 2:
        data[at : at + 1] = varint(chance.choice([0, 2**31, 2**32, 2**63, 2**64 - 1, 127, 128]))
    elif way == 3:
        data[at:at] = varint(chance.randrange(200)) + varint(chance.choice([0, 5, 2**40, 2**63 - 1]))
    elif way == 4:
        length = chance.randrange(1, 30)
        data[at : at + length] = chance.randbytes(length)
    elif way == 5:
        data[at:at] = data[: max(1, at)]
    elif way == 6:
        del data[at : at + chance.randrange(1, 20)]
    elif way == 7:
        for _ in range(3):
            near = chance.choice([chance.randrange(200), len(data) - 1 - chance.randrange(200)])
            data[max(0, min(near, len(data) - 1))] = chance.randrange(256)
    else:
        data += chance.randbytes(chance.randrange(1, 30))
    return bytes(data)


def net(meta: Mapping[str, str] | None = None, side: Any = SIDE, edit: Any = None) -> bytes:
    """Return a small convolutional net of five classes."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=(8, 3, 3, 3)).astype(np.float32), "W"),
        numpy_helper.from_array(rng.normal(size=(8, 5)).astype(np.float32) * 3, "G"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "W"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "G"], ["y"]),
    ]
    named = {"names": json.dumps([f"class {i}" for i in range(5)])} if meta is None else meta
    return graph(["b", 3, side, side], nodes=nodes, weights=weights, out=["b", 5], meta=named, edit=edit)


def graph(
    shape,
    *,
    nodes=None,
    weights=(),
    out=None,
    meta=None,
    kind=TensorProto.FLOAT,
    made=TensorProto.FLOAT,
    edit=None,
) -> bytes:
    """Return a model of one input "image" and one output "y"; by default the average colour."""
    nodes = nodes or [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    outputs = [helper.make_tensor_value_info("y", made, out or ["b", 3])]
    built = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, list(weights)),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    if meta:
        helper.set_model_props(built, dict(meta))
    if edit is not None:
        edit(built)
    return built.SerializeToString()


def external(location: str, offset: Any = None, length: Any = None) -> bytes:
    """Return the net with a weight that lies in another file."""

    def move(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[1]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            if value is not None:
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)

    return net(edit=move)


def _by_metadata() -> Iterator[tuple[str, Files]]:
    deep, digits = "[" * 200_000, "9" * 400
    names = {
        "unhashable": "{[1]: 2}", "infinite": "{1e999: 'a', 1: 'b'}", "nan": "{1e999-1e999: 'a'}", "deep": deep,
        "deep-closed": "[" * 100_000 + "]" * 100_000, "minus": "-" * 200_000 + "1", "sums": "+".join(["1"] * 100_000),
        "joined": "'a' " * 300_000, "digits": "{" + "9" * 100_000 + ": 'a'}", "hex": "{0x" + "f" * 100_000 + ": 'a'}",
        "surrogate": '["\\ud800","b","c","d","e"]', "long": json.dumps(["x" * 1_000_000] * 5), "set": "{'a', 'b'}",
        "markup": '["a\\u0000b","b\\nc","\\u202ed","<script>alert(1)</script>","\\u001b[31mred"]', "none": "None",
        "complex": "{1+2j: 'a'}", "ellipsis": "...", "twice": '{"0":"a","00":"b"}', "bools": "{True:'a',False:'b'}",
        "many": json.dumps({str(i): "n" for i in range(300_000)}), "bytes": "[b'a', b'b']", "brackets": "(" * 5000,
    }  # fmt: skip
    settings = {
        "deep": deep, "deep-dict": '{"a":' * 100_000, "list": "[]", "number": "5", "nan": '{"mean":[NaN,NaN,NaN]}',
        "infinite": '{"std":[Infinity,1,1]}', "zero": '{"std":[0,0,0]}', "huge": '{"size":[1000000000,1000000000]}',
        "large": '{"size":[16384,16384]}', "negative": '{"size":[-1,-1]}', "text": '{"size":"224"}',
        "scale": '{"scale":1e308}', "dict": '{"scale":{}}', "digits": '{"scale":' + digits + "}",
        "more-digits": '{"scale":' + "9" * 5000 + "}", "means": '{"mean":[' + digits + ",1,1]}",
        "crop": '{"geometry":"crop","crop_ratio":1e-300}', "geometry": '{"geometry":["crop"]}',
        "resampling": '{"interpolation":[]}', "order": '{"channel_order":{}}', "unknown": '{"self":1}',
    }  # fmt: skip
    sizes = {"unhashable": "{[1]:2}", "deep": deep, "huge": "[99999999,99999999]", "negative": "-5", "complex": "1j",
             "minus": "-" * 100_000 + "1", "set": "{1,2}", "inside": "{{}:1}", "text": "'a'"}  # fmt: skip
    for key, value in names.items():
        yield f"names-{key}", {"model.onnx": net({"names": value})}
    for key, value in settings.items():
        yield f"settings-{key}", {"model.onnx": net({"preprocess": value}, "h" if "size" in value else SIDE)}
    for key, value in sizes.items():
        meta = {"task": "classify", "names": "{0:'a',1:'b',2:'c',3:'d',4:'e'}", "imgsz": value}
        yield f"imgsz-{key}", {"model.onnx": net(meta, "h")}


def _by_shape() -> Iterator[tuple[str, Files]]:
    for shape in (
        [1, 3, 10**9, 10**9], ["b", 3, 10**9, 2], ["b", 3, 16384, 16384], [10**9, 3, 8, 8], [10**6, 3, 224, 224],
        [1, 3, 0, 0], [1, 3, -1, -1], ["b", 3, 1, 1], ["b", 3, 2, 2], [1, 1, 1, 1], ["b", 3, 1, 100_000],
        [2**62, 3, 8, 8], [1, 3, 2**31, 2], ["b", 3, 2**63 - 1, 2**63 - 1], [], [3], ["b", "c", "h", "w"],
        ["b", 10**9, 8, 8], ["b", 3, 100_000, 100_000], [4096, 3, 32, 32],
    ):  # fmt: skip
        yield f"shape-{shape}", {"model.onnx": graph(shape, out=[shape[0] if shape else "b", 3])}
    for kind in (TensorProto.COMPLEX64, TensorProto.STRING, TensorProto.BFLOAT16, TensorProto.BOOL):
        yield f"input-{kind}", {"model.onnx": graph(["b", 3, 8, 8], kind=kind)}


def _by_weights() -> Iterator[tuple[str, Files]]:
    for location in (
        "../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "pipe", "folder", "link", "", "a\0b",
        "/proc/kcore", "/proc/self/mem", "not-there", "../model/weights.bin", "http://127.0.0.1:1/x", "C:\\x",
        "*/_ORT_MEM_ADDR_/*", "model.onnx",
    ):  # fmt: skip
        yield f"external-{location!r}", {"model.onnx": external(location)}
    for offset, length in ((2**62, 100), (-5, 100), (0, 2**62), ("abc", "1e9"), (0, 160), (4096, 160)):
        yield f"external-{offset}-{length}", {"model.onnx": external("weights.bin", offset, length)}
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 160\n"
    yield "external-lfs", {"model.onnx": external("weights.bin"), "weights.bin": pointer}
    yield "external-short", {"model.onnx": external("weights.bin"), "weights.bin": b"12345"}
    for name, edit in {
        "many": lambda tensor: tensor.dims.__setitem__(0, 10**9),
        "negative": lambda tensor: tensor.dims.__setitem__(0, -1),
        "wrapping": lambda tensor: tensor.dims.__setitem__(slice(None), [2**32, 2**32, 1, 1]),
        "scalar": lambda tensor: tensor.dims.__delitem__(slice(None)),
        "text": lambda tensor: setattr(tensor, "data_type", TensorProto.STRING),
        "unknown": lambda tensor: setattr(tensor, "data_type", 999),
    }.items():
        yield (
            f"weight-{name}",
            {"model.onnx": net(edit=lambda model, edit=edit: edit(model.graph.initializer[0]))},
        )


def _by_structure() -> Iterator[tuple[str, Files]]:
    nested = attributes = b""
    for _ in range(3000):
        nested, attributes = field(7, nested), field(1, field(5, field(6, attributes)))
    for name, content in {
        "nested": nested, "nested-attributes": field(7, attributes), "length": b"\x3a" + varint(2**62) + b"x",
        "negative-length": b"\x3a" + varint(2**64 - 1), "groups": b"\x3b" * 1000, "varint": b"\xff" * 100_000,
        "no-tag": b"\x02\x00", "empty-graph": b"\x3a\x00", "zeros": bytes(100_000), "empty": b"", "text": b"hello",
        "many-fields": b"\x08\x08" * 3_000_000, "many-nodes": field(7, field(1, b"") * 1_000_000),
        "ort": bytes(4) + b"ORTM" + bytes(4000), "ort-offset": struct.pack("<I", 16) + b"ORTM" + bytes(4000),
        "html": b"<!DOCTYPE html><html></html>", "zip": b"PK\3\4" + bytes(1000), "gzip": b"\x1f\x8b\x08" + bytes(99),
    }.items():  # fmt: skip
        yield f"structure-{name}", {"model.onnx": content}
    first = lambda model: model.graph.node[0]  # noqa: E731
    for name, edit in {
        "cycle": lambda model: first(model).input.__setitem__(0, "y"),
        "own-input": lambda model: first(model).output.__setitem__(0, "image"),
        "twice": lambda model: model.graph.node.add().CopyFrom(first(model)),
        "two-outputs": lambda model: model.graph.output.add().CopyFrom(model.graph.output[0]),
        "opset": lambda model: setattr(model.opset_import[0], "version", 99999),
        "domain": lambda model: setattr(model.opset_import[0], "domain", "elsewhere"),
        "ir": lambda model: setattr(model, "ir_version", 2**40),
        "no-opset": lambda model: model.opset_import.__delitem__(slice(None)),
        "operation": lambda model: setattr(first(model), "op_type", "x" * 100_000),
    }.items():
        yield f"edited-{name}", {"model.onnx": net(edit=edit)}


def _by_sidecar() -> Iterator[tuple[str, Files]]:
    digits = "9" * 400
    processors = (
        '{"do_resize":true,"size":{"shortest_edge":1e400}}', '{"size":[[1],2]}', '{"resample":{}}', "[", "null", "",
        '{"size":{"height":99999999999,"width":5},"do_normalize":true,"image_mean":"abc","image_std":[0,0,0]}',
        '{"rescale_factor":' + digits + "}", '{"image_processor":[1]}', '{"image_mean":[' + digits + ",1,1]}",
        '{"crop_pct":1e-320,"size":{"shortest_edge":224},"image_processor_type":"ConvNext"}', '{"a":' * 100_000,
        '{"size":{"shortest_edge":100},"crop_pct":5e-324,"image_processor_type":"ConvNextX"}',
    )  # fmt: skip
    configs = (
        '{"id2label":' * 50_000, '{"id2label":{"0":"a","1":"<script>"}}', '{"id2label":[1,2]}', "[]", "\xff",
        '{"pretrained_cfg":{"mean":[1e400,0,0],"crop_pct":1e-320,"input_size":[3,1e9,2]}}', '{"id2label":{"x":[]}}',
        '{"pretrained_cfg":[]}', '{"label2id":{"a":' + digits + "}}", '{"problem_type":{}}',
    )  # fmt: skip
    plain = net({})
    for i, text in enumerate(processors):
        yield f"processor-{i}", {"model.onnx": plain, "preprocessor_config.json": text.encode("latin-1")}
    for i, text in enumerate(configs):
        yield f"config-{i}", {"model.onnx": plain, "config.json": text.encode("latin-1")}


def _by_graph() -> Iterator[tuple[str, Files]]:
    def chain(n: int) -> bytes:
        nodes = [helper.make_node("Add", [f"y{i}" if i else "image", "c"], [f"y{i + 1}"]) for i in range(n)]
        nodes += [
            helper.make_node("GlobalAveragePool", [f"y{n}"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ]
        return graph(["b", 3, 8, 8], nodes=nodes, weights=[numpy_helper.from_array(np.float32([0.1]), "c")])

    def after(
        kind: str, array: Any, out: Any = None, made: int = TensorProto.FLOAT, **attributes: Any
    ) -> bytes:
        nodes = [
            helper.make_node("GlobalAveragePool", ["image"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
        ]
        inputs, weights = ["f"], []
        if array is not None:
            inputs, weights = ["f", "k"], [numpy_helper.from_array(np.asarray(array), "k")]
        nodes.append(helper.make_node(kind, inputs, ["y"], **attributes))
        return graph(["b", 3, 8, 8], nodes=nodes, weights=weights, out=out, made=made)

    for n in (2000, 8000):
        yield f"chain-{n}", {"model.onnx": chain(n)}
    yield "nan", {"model.onnx": after("Mul", np.float32([np.nan]))}
    yield "infinite", {"model.onnx": after("Mul", np.float32([np.inf]))}
    yield "texts", {"model.onnx": after("Cast", None, made=TensorProto.STRING, to=TensorProto.STRING)}
    yield "many-columns", {"model.onnx": after("Tile", np.int64([1, 1_000_000]), out=["b", 3_000_000])}
    yield "one-column", {"model.onnx": after("ReduceMean", None, out=["b", 1], axes=[1])}
    body = helper.make_graph(
        [helper.make_node("Identity", ["cin"], ["cout"]), helper.make_node("Identity", ["v"], ["vo"])],
        "b",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in
         (("i", TensorProto.INT64, []), ("cin", TensorProto.BOOL, []), ("v", TensorProto.FLOAT, None))],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in
         (("cout", TensorProto.BOOL, []), ("vo", TensorProto.FLOAT, None))],
    )  # fmt: skip
    loop = [
        helper.make_node("Loop", ["M", "C", "image"], ["z"], body=body),
        helper.make_node("GlobalAveragePool", ["z"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    for name, times in (("loop-for-ever", 2**62), ("loop-short", 3)):
        weights = [
            numpy_helper.from_array(np.array(times, np.int64), "M"),
            numpy_helper.from_array(np.array(True), "C"),
        ]
        yield name, {"model.onnx": graph(["b", 3, 8, 8], nodes=loop, weights=weights)}
