"""Models on a server: the same explanation as here, limits on time and trying again, and errors that say what is."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dccausal import OnnxClassifier, explain, explain_many
from dccausal.cli.app import main
from dccausal.errors import ClassifierError, DeviceError, ModelError, OptionError
from dccausal.remote import RemoteClassifier
from dccausal.remote.address import Address
from mlserver_here import mlserver
from open_inference import serving

FAST = {"partitions": 4}


@pytest.fixture(scope="module")
def scene(planted):
    return planted("needs_a_and_b")


@pytest.fixture(scope="module")
def local(scene):
    return OnnxClassifier(scene.path, device="cpu")


def remote(url, local, **options):
    return RemoteClassifier(url, "planted", preprocess=local.preprocess, **{"retries": 1, **options})


def same(one, other):
    return np.array_equal(one.heatmap, other.heatmap) and np.array_equal(one.kept, other.kept)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"most_rows": 5},
        {"is_binary": False, "extensions": ("a",)},
        {"is_binary": False, "extensions": ()},
    ],
)
def test_an_explanation_is_the_one_of_the_model_itself(scene, local, how):
    with serving(scene.path, **how) as server:
        there = explain(scene.photo, remote(server.url, local), **FAST)
        assert max(server.sizes) == how.get("most_rows", 16)
        # A server that cannot read tensors in binary form is tried once, and not at all if it says so.
        assert server.n_requests - len(server.sizes) <= (how.get("extensions") == ())
    here = explain(scene.photo, local, **FAST)
    assert same(here, there)
    assert there.outcome == "minimal"
    known = there.provenance["classifier"]
    assert (known["url"], known["versions"]) == (f"{server.url}/v2/models/planted", ["1"])


def test_images_of_several_photographs_share_requests(scene, local):
    with serving(scene.path) as server:
        classifier = remote(server.url, local, requests=4)
        before = server.n_requests
        found = dict(explain_many([scene.photo] * 3, classifier, **FAST))
        together = server.n_requests - before
        explain(scene.photo, classifier, **FAST)
        alone = server.n_requests - before - together
    assert together < 3 * alone
    assert all(same(found[0], found[i]) for i in (1, 2))


def test_a_busy_server_is_asked_again_and_a_dead_one_is_an_error(scene, local):
    x = np.zeros((3, *local.size, 3), np.uint8)
    with serving(scene.path) as server:
        classifier = remote(server.url, local, retries=2)
        server.busy = 2
        assert np.array_equal(classifier(x), local(x))
        server.busy = 100
        with pytest.raises(DeviceError, match=r"does not answer \(too busy; tried 3 times\)"):
            classifier(x)
        assert server.busy == 97


def test_a_slow_server_is_not_waited_for_longer_than_said(scene, local):
    with serving(scene.path) as server:
        classifier = remote(server.url, local, retries=0, timeout=0.3)
        server.seconds = 2
        with pytest.raises(DeviceError, match="does not answer"):
            classifier(np.zeros((1, *local.size, 3), np.uint8))


def test_what_the_server_refuses_is_said_at_once(scene, local):
    with serving(scene.path) as server:
        classifier = remote(server.url, local, batch_size=8)
        server.most_rows = 4
        with pytest.raises(ClassifierError, match=r"refused image float32 .*at most 4 rows"):
            classifier(np.zeros((8, *local.size, 3), np.uint8))


def test_a_number_of_images_that_the_server_does_not_take_is_halved(scene, local):
    with serving(scene.path) as server:
        classifier = remote(server.url, local)
        assert (classifier.batch_size, classifier.batch_size_reason) == (16, "default")
        server.most_rows, server.tells_most = 6, False
        classifier = remote(server.url, local)
        assert (classifier.batch_size, classifier.batch_size_reason) == (4, "as many as the server takes")
        server.tells_most = True
        with pytest.raises(OptionError, match="at most 6 is needed"):
            remote(server.url, local, batch_size=7)


def test_headers_go_with_every_request(scene, local):
    with serving(scene.path) as server:
        remote(server.url, local, headers={"authorization": "Bearer a"})
        assert server.headers_seen
        assert all(seen.get("authorization") == "Bearer a" for seen in server.headers_seen)


def test_it_can_be_pickled(scene, local):
    x = np.zeros((2, *local.size, 3), np.uint8)
    with serving(scene.path) as server:
        again = pickle.loads(pickle.dumps(remote(server.url, local, batch_size=7)))  # noqa: S301
        assert again.batch_size == 7
        assert np.array_equal(again(x), local(x))


@pytest.mark.parametrize(
    ("url", "model", "found"),
    [
        ("http://h:1", "m", ("http", "h:1", "m", "")),
        ("http://h:1/", "m", ("http", "h:1", "m", "")),
        ("http://h:1/v2", "m", ("http", "h:1", "m", "")),
        ("https://h/base/v2/models/m", None, ("https", "h/base", "m", "")),
        ("grpc://h:1/v2/models/m/versions/3", None, ("grpc", "h:1", "m", "3")),
        ("http://[::1]:8/v2/models/a%20b", None, ("http", "[::1]:8", "a b", "")),
    ],
)
def test_addresses(url, model, found):
    address = Address.of(url, model)
    assert (address.scheme, address.host, address.model, address.version) == found


@pytest.mark.parametrize(
    ("url", "model", "text"),
    [
        ("ftp://h", "m", "no address"),
        ("http://", "m", "no address"),
        ("http://h:99999", "m", "no address"),
        ("http://h?x=1", "m", "no address"),
        ("http://u:p@h", "m", "no address"),
        (5, "m", "no address"),
        ("http://h", None, "without a model's name"),
        ("http://h/v2/models/a/b", None, "no model's"),
        ("http://h/v2/models/a", "b", "one name"),
        ("grpc://h/base", "m", "no path"),
    ],
)
def test_what_is_no_address(url, model, text):
    with pytest.raises(OptionError, match=text):
        Address.of(url, model)


def test_nobody_there_another_model_and_another_protocol(scene, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
        for scheme in ("http", "grpc"):
            with pytest.raises(DeviceError, match=r"does not answer .* tried 2 times"):
                RemoteClassifier(f"{scheme}://{closed}", "m", retries=1)
    with serving(scene.path) as server, pytest.raises(ModelError, match="404: /v2/models/other is not here"):
        RemoteClassifier(server.url, "other")
    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path))
    threading.Thread(target=files.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with files, pytest.raises(ModelError, match="404: something that is not of the protocol"):
        RemoteClassifier(f"http://127.0.0.1:{files.server_address[1]}", "m")
    files.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_on_the_command_line(scene, local, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pre.json").write_text(json.dumps(local.preprocess.to_dict()))
    with serving(scene.path) as server:
        url = f"{server.url}/v2/models/planted"
        given = ("-m", url, "--preprocess", "pre.json", "--partitions", "4", "--json")
        assert main(["explain", str(scene.photo), *given]) == 0
        document = json.loads(capsys.readouterr().out)
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.png").write_bytes(scene.photo.read_bytes())
        assert main(["explain", "photos", *given, "--out", "run", "--resume"]) == 0
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["model"]["url"] == url
        assert main(["inspect", url, "--no-speed"]) == 0
        assert "float32" in capsys.readouterr().out
        assert main(["explain", str(scene.photo), "-m", url, "--device", "cuda"]) == 2
        assert "--device is 'cuda', but the model is on a server" in capsys.readouterr().err
        assert main(["explain", str(scene.photo), "-m", f"{server.url}/v2/models/b"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    here = explain(scene.photo, local, **FAST)
    assert document["levels"][0]["size"] == here.levels[0].size


@pytest.mark.slow
def test_a_real_mlserver_by_http_and_grpc(scene, local, tmp_path):
    here = explain(scene.photo, local, **FAST)
    with mlserver(tmp_path, scene.path) as urls:
        for url in urls:
            classifier = remote(url, local)
            there = explain(scene.photo, classifier, **FAST)
            assert same(here, there)
            assert there.provenance["classifier"]["platform"] == "onnx"
            with pytest.raises(ModelError, match=r"Model other"):
                RemoteClassifier(url, "other", retries=0)
    with pytest.raises(DeviceError, match="does not answer"):
        classifier(np.zeros((1, *local.size, 3), np.uint8))
