"""Models whose weights are in a file of their own, as models over 2 GB have to be."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dccausal import ModelError, OnnxClassifier
from dccausal.cli.app import main

GIB = 1 << 30


@pytest.fixture
def pair(planted, tmp_path):
    """A planted model as one file, and the same with every tensor in model.onnx.data."""
    scene = planted("needs_a_and_b")
    model = onnx.load(scene.path)
    for tensor in model.graph.initializer:  # only raw data can lie elsewhere
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    folder = tmp_path / "split"
    folder.mkdir()
    onnx.save(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
        convert_attribute=False,
    )
    assert (folder / "model.onnx.data").stat().st_size > 0
    return scene, folder / "model.onnx"


def test_the_explanation_is_that_of_one_file(pair, tmp_path):
    scene, split = pair
    for path, name in ((scene.path, "one"), (split, "two")):
        arguments = ["-m", str(path), "--out", str(tmp_path / name), "--device", "cpu", "--quiet"]
        assert main(["explain", str(scene.photo), *arguments, "--profile", "fast"]) == 0
    results = [tmp_path / name / scene.photo.stem for name in ("one", "two")]
    assert len({(folder / "heatmap.npy").read_bytes() for folder in results}) == 1
    assert len({(folder / "kept.png").read_bytes() for folder in results}) == 1
    of_model = json.loads((results[1] / "result.json").read_text())["provenance"]["classifier"]
    digest = hashlib.sha256(split.with_name("model.onnx.data").read_bytes()).hexdigest()
    assert of_model["model_external_sha256"] == {"model.onnx.data": digest}


def test_a_missing_file_is_named(pair):
    _, split = pair
    split.with_name("model.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx\.data"):
        OnnxClassifier(split, device="cpu")


def test_a_fixed_batch_of_one_is_freed(tmp_path):
    path = write_large(tmp_path, n_bytes=1 << 20, batch=1)
    classifier = OnnxClassifier(path, device="cpu")
    assert classifier(np.zeros((3, 8, 8, 3), np.uint8)).shape == (3, 2)


@pytest.mark.skipif(not os.environ.get("LARGE_MODELS"), reason="LARGE_MODELS is not set: takes gigabytes")
def test_a_model_over_two_gigabytes_works(tmp_path):
    """Takes 2.2 GiB of disk and twice that of memory: ``LARGE_MODELS=1 pytest tests/test_external_data.py``."""
    path = write_large(tmp_path, n_bytes=2 * GIB + GIB // 5)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) > 2 * GIB
    assert main(["inspect", str(path), "--device", "cpu", "--no-speed"]) == 0
    classifier = OnnxClassifier(path, device="cpu", preprocess="unit")
    bright = np.full((1, 8, 8, 3), 255, np.uint8)
    assert classifier(bright)[0].argmax() == 1
    assert classifier(0 * bright)[0].argmax() == 0


def write_large(folder, *, n_bytes, batch="batch"):
    """
    Write a model with one tensor of this size that takes part in every answer; return its path.

    The answer is 1 where an image of 8 x 8 is brighter than half. The tensor is a hole in a
    file but for a number a row.
    """
    n_columns = n_bytes // 4 // 192
    n = 192 * n_columns
    path = folder / "model.onnx"
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(4 * n)
        for row in range(192):
            file.seek(4 * row * n_columns)
            file.write(np.float32(1 / 192).tobytes())
    large = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[192, n_columns])
    large.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(4 * n))):
        large.external_data.add(key=key, value=value)
    small = [
        helper.make_tensor("last", TensorProto.FLOAT, [n_columns, 1], np.eye(n_columns, 1)),
        helper.make_tensor("gain", TensorProto.FLOAT, [1, 2], [0, 20]),
        helper.make_tensor("half", TensorProto.FLOAT, [1, 2], [10, 0]),
    ]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["all"]),
        helper.make_node("MatMul", ["all", "last"], ["mean"]),
        helper.make_node("Mul", ["mean", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 2])],
        [large, *small],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
