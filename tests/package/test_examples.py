"""The example programs do what they say: each is run as a user would run it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal import ClassifierError, OnnxClassifier

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_readme_names_every_example():
    named = set(re.findall(r"^\| `(\w+)\.py`", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= named


class TestKeras:
    class RedOnTheLeft:
        """What the example needs of a Keras model: here the mean of the left half's red, against a half."""

        input_shape = (None, 16, 32, 3)

        def predict(self, pixels, verbose):
            assert verbose == 0
            assert pixels.dtype == np.float32
            assert pixels.max() <= 1
            red = pixels[:, :, :16, 0].mean(axis=(1, 2))
            return np.stack([1 - red, red], axis=1)

    def test_a_model_with_predict_is_explained(self, tmp_path):
        keras_model = load("keras_model")
        photo = np.zeros((32, 64, 3), np.uint8)
        photo[:, :32, 0] = 255
        Image.fromarray(photo).save(tmp_path / "photo.png")
        classifier = keras_model.KerasClassifier(self.RedOnTheLeft(), names=["other", "red"])
        found = keras_model.explain_photo(tmp_path / "photo.png", classifier, baseline="black", max_calls=200)
        assert found.name == "red"
        assert found.heatmap.shape == (16, 32)
        assert found.kept[:, :16].any()
        assert not found.kept[:, 16:].any()

    def test_what_is_missing_is_told(self, tmp_path):
        if importlib.util.find_spec("keras") is not None:
            pytest.skip("Keras is installed")
        done = run("keras_model", tmp_path / "photo.png", tmp_path / "model.keras")
        assert done.returncode == 2
        assert done.stderr.startswith("error: this example needs Keras")
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.filterwarnings("default")  # of Keras' own
    def test_keras_itself(self, tmp_path):
        keras = pytest.importorskip("keras", reason="Keras is not installed")
        inner = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]
        model = keras.Sequential(
            [keras.Input((16, 16, 3)), *inner, keras.layers.Dense(3, activation="softmax")]
        )
        model.save(tmp_path / "model.keras")
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / "photo.png")
        out = tmp_path / "out"
        done = run(
            "keras_model", tmp_path / "photo.png", tmp_path / "model.keras", "--max-calls", 60, "--out", out
        )
        assert done.returncode == 0, done.stderr
        assert (out / "result.json").is_file()


class TestCompositionalNet:
    NETWORK = """
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        red = x[:, 0, 8:16, 8:16].mean(dim=(1, 2))
        return torch.stack([torch.zeros_like(red), 4 * red], dim=1), x

def load():
    return Net()
"""

    def test_what_is_missing_is_told(self, tmp_path):
        if importlib.util.find_spec("torch") is not None:
            pytest.skip("PyTorch is installed")
        done = run("compositional_net", tmp_path / "photo.png", "net.py:load")
        assert done.returncode == 2
        assert done.stderr == "error: this example needs PyTorch: pip install torch\n"

    def test_the_file_of_the_network_has_to_be_there(self, tmp_path):
        with pytest.raises(SystemExit, match=r"FILE\.py:FUNCTION is needed"):
            load("compositional_net").load_network(f"{tmp_path}/net.py:load")

    def test_a_network_that_returns_more_than_scores(self, tmp_path):
        pytest.importorskip("torch", reason="PyTorch is not installed")
        (tmp_path / "net.py").write_text(self.NETWORK)
        photo = np.zeros((32, 32, 3), np.uint8)
        photo[8:16, 8:16, 0] = 255
        Image.fromarray(photo).save(tmp_path / "photo.png")
        place, out = f"{tmp_path}/net.py:load", tmp_path / "out"
        done = run("compositional_net", tmp_path / "photo.png", place, "--size", 32, "--out", out)
        assert done.returncode == 0, done.stderr
        kept = np.asarray(Image.open(out / "kept.png")) > 0
        assert kept[8:16, 8:16].any()


class TestRemote:
    @pytest.fixture
    def server(self, planted):
        remote = load("remote")
        with remote.Server(OnnxClassifier(planted("needs_a_and_b").path, device="cpu")) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield remote, server
            server.shutdown()
            thread.join()

    def test_the_client_explains_what_the_server_says(self, server, planted, tmp_path):
        _, serving = server
        photo, port = planted("needs_a_and_b").photo, serving.server_port
        done = run("remote", "explain", photo, "--port", port, "--max-calls", 300, "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert "planted (1)" in done.stdout
        kept = np.asarray(Image.open(tmp_path / "out" / "kept.png")) > 0
        red = np.asarray(Image.open(photo).convert("RGB"))[..., 0] > 200
        assert kept.sum() == 2 * 8 * 8
        assert red[kept].all()

    def test_the_answers_are_the_classifiers(self, server):
        remote, serving = server
        client = remote.RemoteClassifier("127.0.0.1", serving.server_port)
        images = np.random.default_rng(0).integers(0, 256, (3, client.height, client.width, 3), np.uint8)
        assert np.array_equal(client(images), serving.classifier(images))
        assert list(client.names) == list(serving.classifier.names)
        client.close()

    def test_what_the_server_refuses_is_an_error_of_the_classifier(self, server):
        remote, serving = server
        client = remote.RemoteClassifier("127.0.0.1", serving.server_port)
        with pytest.raises(ClassifierError, match="422"):
            remote.explain(np.zeros((8, 8, 3), np.uint8), client)
        client.close()

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/nowhere", None, 404),
            ("POST", "/nowhere", b"x", 400),
            ("POST", "/classify", b"", 400),
            ("POST", "/classify", b"no array", 422),
        ],
    )
    def test_what_is_no_question_is_refused(self, server, method, path, body, status):
        connection = HTTPConnection("127.0.0.1", server[1].server_port, timeout=10)
        connection.request(method, path, body)
        assert connection.getresponse().status == status
        connection.close()
