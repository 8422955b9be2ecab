"""The service of examples/: in process for what it answers, and as a real server for what uploads do to it."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal import ImageError, OnnxClassifier, load_photo
from small_models import build

pytest.importorskip("fastapi.testclient", reason="fastapi or httpx is not installed")
httpx = pytest.importorskip("httpx")
SERVICE = Path(__file__).parents[2] / "examples" / "service.py"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the web framework's own parts


def _bmp(width, height):
    """A BMP of five kilobytes, run-length coded, that stands for width x height pixels."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54 + 1024) + head + bytes(1024) + b"\0\x02\xff\xff" * 1000


def _png(width, height, *, extra=b"", data=None):
    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    data = zlib.compress(bytes((width // 8 + 1) * height), 9) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _photo():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


BOMBS = {
    "a BMP of 88 megapixels in 5 kB": _bmp(9400, 9400),
    "more than twice the limit": _png(12000, 12000),
    "between once and twice the limit": _png(5000, 5000),
    "larger than numbers go": _png(2**31 - 1, 2**31 - 1, data=zlib.compress(bytes(100))),
    "a negative BMP": _bmp(-64, -64),
    "a PPM of ten gigapixels": b"P6 99999 99999 255\n" + bytes(100),
    "empty": b"",
    "no image": b"hello",
    "half a PNG": _photo()[:300],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("service") / "model.onnx"
    path.write_bytes(build(metadata={"names": '["red", "green", "blue", "none"]'}))
    return path


@pytest.fixture(scope="module")
def service(model):
    """The service behind a client that calls it directly, and its module."""
    from fastapi.testclient import TestClient

    before, limit = os.environ.get("MODEL"), Image.MAX_IMAGE_PIXELS
    os.environ["MODEL"] = str(model)
    spec = importlib.util.spec_from_file_location("service", SERVICE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["service"] = module
    try:
        spec.loader.exec_module(module)
        with TestClient(module.app) as client:
            yield client, module
    finally:
        del sys.modules["service"]
        os.environ.pop("MODEL") if before is None else os.environ.update(MODEL=before)
        Image.MAX_IMAGE_PIXELS = limit


def _post(client, content, **query):
    return client.post("/explain", files={"photo": ("photo.png", content)}, params=query)


def test_it_explains(service, model):
    client, module = service
    answer = _post(client, _photo(), max_calls=60)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["name"] in ("red", "green", "blue", "none")
    assert found["model_calls"] <= 60
    with Image.open(io.BytesIO(base64.b64decode(found["picture"]))) as picture:
        assert picture.size == (80, 60)
    assert found["model_sha256"] == OnnxClassifier(model).sha256
    assert _post(client, _photo(), max_calls=60).json() == found
    assert not module.working.locked()


@pytest.mark.parametrize(
    ("content", "query", "status", "says"),
    [
        (b"no image", {}, 422, "cannot identify"),
        (None, {"target": "gren"}, 422, "did you mean"),
        (None, {"target": "9" * 5000}, 422, "200"),
        (None, {"target": "9" * 199}, 422, "is needed"),
        (None, {"target": "\u0661\u0662"}, 422, "target is 12"),
        (None, {"max_calls": 1}, 422, "20"),
        (bytes(20_000_001), {}, 413, "20,000,000"),
        (bytes(21_000_001), {}, 413, "20,000,000"),
    ],
)
def test_it_refuses(service, content, query, status, says):
    client, _ = service
    answer = _post(client, _photo() if content is None else content, **query)
    assert answer.status_code == status
    assert says in answer.text


def test_it_turns_requests_away_when_it_is_busy(service):
    client, module = service
    for _ in range(module.MOST_WAITING):
        assert module.waiting.acquire(blocking=False)
    try:
        answer = _post(client, _photo())
    finally:
        module.waiting.release(module.MOST_WAITING)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"


def test_a_request_without_a_length_is_counted(service):
    client, _ = service
    sent = (bytes(1_000_000) for _ in range(30))
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/explain", content=sent, headers=kind)
    assert answer.status_code in (400, 413)


def test_pillow_images_are_held_to_the_limit_of_pixels(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="at most 100 pixels"):
        load_photo(Image.new("RGB", (11, 10)))
    assert load_photo(Image.new("RGB", (10, 10))).size == (10, 10)


@pytest.fixture(scope="module")
def server(model):
    """A real server: its address, and the process."""
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MODEL": str(model), "ORT_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command, cwd=SERVICE.parent, env=environment, stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if process.poll() is not None:
                pytest.fail(process.stderr.read().decode())
            try:
                httpx.get(f"{address}/docs", timeout=2)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.communicate()


def _peak_mib(process):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell the peak of memory"
)
def test_bombs_cost_neither_time_nor_memory(server):
    address, process = server
    post = lambda content: httpx.post(f"{address}/explain", files={"photo": ("x", content)}, timeout=60)  # noqa: E731
    assert post(_photo()).status_code == 200
    before = _peak_mib(process)
    for name, content in BOMBS.items():
        start = time.monotonic()
        answer = post(content)
        assert answer.status_code == 422, (name, answer.text)
        assert time.monotonic() - start < 10, name
    with ThreadPoolExecutor(8) as pool:
        codes = Counter(answer.status_code for answer in pool.map(post, [_bmp(9400, 9400)] * 8))
    assert set(codes) <= {422, 503}
    assert _peak_mib(process) - before < 200
    assert post(_photo()).status_code == 200


def test_many_at_once_are_answered_or_turned_away(server):
    address, process = server
    uploads = [_photo(), b"junk", _photo()[:300], BOMBS["more than twice the limit"]]

    def post(i):
        files = {"photo": ("x.png", uploads[i % 4])}
        return httpx.post(f"{address}/explain", files=files, params={"max_calls": 40}, timeout=90).status_code

    with ThreadPoolExecutor(60) as pool:
        codes = Counter(pool.map(post, range(60)))
    assert set(codes) <= {200, 422, 503}
    assert codes[200] >= 1
    assert process.poll() is None
