"""Files that are no models, models made to hurt, and what ONNX Runtime says of those that it cannot load."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import time
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal.errors import DccausalError, ModelError
from dccausal.onnx.failures import brief
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.normalisation import read_in_graph
from small_models import build, on_cpu

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 98\n"


def _torch():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    return buffer.getvalue()


def _safetensors():
    head = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(4)


@pytest.mark.parametrize(
    ("content", "what", "advice"),
    [
        (LFS, "a pointer of Git LFS", "git lfs pull"),
        (b"<!DOCTYPE html><html><body>404", "a web page", "address of the file itself"),
        (b"\n<HTML>", "a web page", "address"),
        (gzip.compress(build()), "compressed by gzip", "gunzip"),
        (_torch(), r"a file of PyTorch's \(\.pt, \.pth\)", r"torch\.onnx\.export"),
        (b"\x80\x02}q\x00.", "a pickle", r"torch\.onnx\.export"),
        (_safetensors(), "weights in safetensors", r"torch\.onnx\.export"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(40), "a TFLite model", "tf2onnx"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file", "Keras"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture", "--model"),
        (b"<?xml version='1.0'?><net/>", "an XML file", "ONNX"),
        (b'{"format": "graph-model"}', "a text", "ONNX"),
    ],
)
def test_what_is_no_model_is_named_by_its_first_bytes(tmp_path, content, what, advice):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{what}.*; an ONNX image classifier is needed.*{advice}"):
        on_cpu(path)


def test_a_pointer_in_the_place_of_weights(tmp_path):
    path = tmp_path / "small.onnx"
    onnx.save(
        onnx.load_from_string(build()),
        path,
        save_as_external_data=True,
        location="small.data",
        size_threshold=0,
    )
    (tmp_path / "small.data").write_bytes(LFS)
    with pytest.raises(
        ModelError, match=r"keeps weights in small\.data, which is a pointer of Git LFS.*git lfs pull"
    ):
        on_cpu(path)


# What ONNX Runtime says


def test_versions_that_are_too_new_are_named():
    model = onnx.load_from_string(build())
    model.ir_version = 99
    with pytest.raises(
        ModelError, match=r"Unsupported model IR version: 99, max supported IR version: \d+ \(of version"
    ):
        on_cpu(model.SerializeToString())
    model.ir_version, model.opset_import[0].version = 8, 99
    with pytest.raises(ModelError, match=r"needs opset 99, and this ONNX Runtime knows opsets up to \d+"):
        on_cpu(model.SerializeToString())


def test_weights_that_are_cut_off_are_named(tmp_path):
    path = tmp_path / "small.onnx"
    onnx.save(
        onnx.load_from_string(build()),
        path,
        save_as_external_data=True,
        location="small.data",
        size_threshold=0,
    )
    (tmp_path / "small.data").write_bytes(b"12")
    with pytest.raises(ModelError, match="out of bounds or can not be read in full"):
        on_cpu(path)


def test_the_end_of_a_long_text_stays_and_signatures_go():
    signature = "onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::ModelOptions&) "
    text = f"[ONNXRuntimeError] : 1 : FAIL : Load failed:/a/onnxruntime/core/graph/model.cc:180 {signature}the cause"
    assert brief(RuntimeError(text)) == "1 : FAIL : Load failed: the cause"
    longest = brief(RuntimeError("start " + "x" * 1_000_000 + " the cause"))  # would take hours, read whole
    assert longest.startswith("start x")
    assert longest.endswith("x the cause")
    long = brief(RuntimeError("start " + "x" * 5000 + " the cause"))
    assert len(long) < 320
    assert (long[:6], long[-10:]) == ("start ", " the cause")


# Models made to hurt


def _shaped(shape, metadata=None):
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["p"]),
            helper.make_node("Flatten", ["p"], ["scores"]),
        ],
        "shaped",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


@pytest.mark.parametrize(
    "shape",
    [
        (1, 3, 10**9, 10**9),
        ("b", 3, 10**9, 2),
        (10**9, 3, 8, 8),
        (2**62, 3, 8, 8),
        ("b", 3, 16384, 16384),
        (10**6, 3, 224, 224),
    ],
)
def test_dimensions_are_bounded_before_anything_is_made(shape):
    start = time.process_time()
    with pytest.raises(ModelError, match=r"images of .* pixels; sides of at most 16384"):
        on_cpu(_shaped(shape))
    assert time.process_time() - start < 2


def test_outputs_that_are_declared_too_large_are_not_made():
    model = onnx.load_from_string(build())
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 20_000_000]), "times"))
    model.graph.node.append(helper.make_node("Tile", ["scores", "times"], ["tiled"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("tiled", TensorProto.FLOAT, ["b", 80_000_000]))
    with pytest.raises(ModelError, match="is larger than 33554432 numbers"):
        on_cpu(model.SerializeToString())


@pytest.mark.parametrize("key", ["names", "preprocess"])
@pytest.mark.parametrize(
    "text",
    [
        "{[1]: 2}",
        "{1e999: 'a', 1: 'b'}",
        "[" * 200_000,
        "{" + "9" * 400 + ": 'a'}",
        '{"scale": ' + "9" * 400 + "}",
        '{"mean": [' + "9" * 5000 + "]}",
    ],
)
def test_metadata_that_raises_anything_is_passed_over(key, text):
    classifier = on_cpu(build(metadata={key: text}))
    assert classifier.names is None
    assert classifier.is_guessed


def test_ultralytics_sizes_that_raise_anything_are_passed_over():
    for size in ("{[1]: 2}", "[99999999, 99999999]", "[" * 100_000, "-" * 1000 + "1", "{{}: 1}"):
        metadata = {"task": "classify", "names": "{0: 'a', 1: 'b', 2: 'c'}", "imgsz": size}
        try:
            assert on_cpu(_shaped(("b", 3, "h", "w"), metadata)).size == (224, 224)
        except DccausalError:
            pytest.fail(f"{size[:20]} was not passed over")


def _chain(n):
    nodes = [helper.make_node("Add", [f"y{i}", f"c{i}"], [f"y{i + 1}"]) for i in range(n)]
    constants = [numpy_helper.from_array(np.float32([0.1]), f"c{i}") for i in range(n)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["b", 3, 8, 8])],
        [],
        constants,
    )
    return memoryview(helper.make_model(graph).SerializeToString())


def test_a_long_graph_is_read_in_linear_time():
    def seconds(n):
        model = _chain(n)
        start = time.process_time()
        graph = Graph.read(model)
        read_in_graph(graph, "y0")
        return time.process_time() - start

    few, many = min(seconds(1000) for _ in range(3)), min(seconds(8000) for _ in range(2))
    assert many < 24 * few + 0.2  # 64 times as long where each constant is looked for in all


@pytest.mark.parametrize("content", [b"\x08\x08" * 3_000_000, b"\x3a\x80\x89\x7a" + b"\x0a\x00" * 1_000_000])
def test_millions_of_empty_fields_are_given_up_on(content):
    start = time.process_time()
    with pytest.raises(ValueError, match=r"more than \d+|ends beyond"):
        Graph.read(memoryview(content))
    assert time.process_time() - start < 3


def test_a_graph_with_damaged_parts_is_still_an_error_of_the_tree():
    model = onnx.load_from_string(build()).SerializeToString()
    for at in range(8, len(model), 7):
        damaged = bytearray(model)
        damaged[at] ^= 0xFF
        with contextlib.suppress(DccausalError):
            on_cpu(bytes(damaged), batch_size=1)


@pytest.mark.parametrize("text", [b"names", b"image", b"scores"])
def test_bytes_that_are_no_text(text):
    """Of a key of the metadata, and of the names of the input and the output."""
    model = build(metadata={"names": "a"})
    damaged = model.replace(text, b"\xbd" + text[1:])
    if text == b"names":
        assert on_cpu(damaged).names is None
        return
    with pytest.raises(DccausalError):
        on_cpu(damaged)
