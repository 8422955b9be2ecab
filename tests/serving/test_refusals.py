"""What the service does not take, with a status and a sentence; and what uploads that mean no good cost."""

from __future__ import annotations

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from bombs import BOMBS, bmp
from services import png, spotted

SMALL = png(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "query", "status", "says"),
    [
        (b"no image", {}, 422, "not an image"),
        (b"", {}, 422, "is empty"),
        (SMALL, {"target": "9" * 5000}, 422, "200"),
        (SMALL, {"target": "9" * 199}, 422, "is needed"),
        (SMALL, {"target": "-1"}, 422, "is needed"),
        (SMALL, {"max_calls": "1"}, 422, "20"),
        (SMALL, {"max_calls": "1e9"}, 422, "a whole number is needed"),
        (SMALL, {"max_calls": "3001"}, 422, "at most 3000"),
        (SMALL, {"max_calls": "9" * 5000}, 422, "200"),
        (SMALL, {"partitions": "0"}, 422, "partitions"),
        (SMALL, {"reach": "nan"}, 422, "reach"),
        (SMALL, {"refine_equal": "maybe"}, 422, "true or false"),
        (SMALL, {"profile": "slow"}, 422, "one of paper, default, fast"),
        (SMALL, {"partitons": "3"}, 422, "did you mean partitions"),
        (SMALL, {"threads": "64"}, 422, "is no option"),
        (SMALL, {"progress": "x"}, 422, "is no option"),
        (SMALL, {"baseline": "/etc/passwd"}, 422, "no file is read"),
        (SMALL, {"baseline": "pyproject.toml"}, 422, "no file is read"),
        (SMALL, {"baseline": "grey,pyproject.toml"}, 422, "no file is read"),
        (SMALL, {"baseline": "\0"}, 422, "no file is read"),
        (SMALL, {"baseline": "nowhere"}, 422, "neither a known colour"),
        (SMALL, {"picture": "x"}, 422, "one of overlay"),
        (bytes(25_000_001), {}, 413, "25,000,000"),
        (bytes(26_000_001), {}, 413, "25,000,000"),
    ],
)
def test_it_refuses(service, content, query, status, says):
    answer = service.post(content, **query)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]
    assert str(Path.home()) not in answer.text


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        ({"json": {}}, 415, "multipart/form-data"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        (
            {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            422,
            "photo",
        ),
        ({"files": {"image": b"x"}}, 422, "'photo'"),
        ({"files": [("photo", b"x"), ("photo", b"y")]}, 422, "twice"),
        ({"files": {"photo": b"x", "other": b"y"}}, 422, "other"),
        ({"files": [("photo", b"x"), ("baseline", b"y"), ("third", b"z")]}, 400, "files"),
        ({"files": {"photo": b"x"}, "data": {"target": "x" * 20_000}}, 400, "form"),
        ({"files": {"photo": b"x"}, "data": {f"n{i}": "" for i in range(300)}}, 400, "fields"),
        ({"files": {"photo": b"x"}, "params": {"seed": 1}, "data": {"seed": "2"}}, 422, "twice"),
        ({"files": {"photo": b"x"}, "headers": {"Accept": "audio/mpeg"}}, 406, "Accept"),
        ({"files": {"photo": b"x"}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "another site"),
        ({"files": {"photo": b"x"}, "headers": {"Origin": "http://evil.example"}}, 403, "another site"),
        ({"files": {"photo": b"x"}, "headers": {"Origin": "null"}}, 403, "another site"),
    ],
)
def test_what_is_no_request(service, sent, status, says):
    answer = httpx.post(f"{service.address}/v1/explanations", timeout=30, **sent)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_a_request_without_a_length_is_counted(service):
    sent = (bytes(1_000_000) for _ in range(40))
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        status = httpx.post(f"{service.address}/v1/explanations", content=sent, headers=kind).status_code
    except httpx.TransportError:  # the rest is not read
        status = 413
    assert status in (400, 413)


def _peak_mib(process):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell the peak of memory"
)
def test_bombs_cost_neither_time_nor_memory(service):
    assert service.post(SMALL, max_calls=40).status_code == 200
    before = _peak_mib(service.process)
    for name, content in BOMBS.items():
        start = time.monotonic()
        answer = service.post(content)
        assert answer.status_code == 422, (name, answer.text)
        assert time.monotonic() - start < 10, name
    with ThreadPoolExecutor(8) as pool:
        codes = Counter(answer.status_code for answer in pool.map(service.post, [bmp(9400, 9400)] * 8))
    assert set(codes) == {422}
    assert _peak_mib(service.process) - before < 200
    assert service.post(SMALL, max_calls=40).status_code == 200


def test_many_at_once_are_answered_or_turned_away(service):
    uploads = [SMALL, b"junk", SMALL[:300], BOMBS["more than twice the limit"]]
    with ThreadPoolExecutor(60) as pool:
        codes = Counter(pool.map(lambda i: service.post(uploads[i % 4], max_calls=40).status_code, range(60)))
    assert set(codes) <= {200, 422, 429}
    assert codes[200] >= 1
    assert service.process.poll() is None


def test_a_key_is_needed_where_there_is_one(slow_service):
    with slow_service(0, {"DCCAUSAL_API_KEY": "a key \u00e9"}) as service:
        answer = service.post(spotted())
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert service.get("/v1/model").status_code == 401
        assert service.post(spotted(), headers={"X-API-Key": "another"}).status_code == 401
        key = "a key \u00e9".encode()
        assert service.post(spotted(), headers={b"X-API-Key": key}).status_code == 200
        assert service.post(spotted(), headers={b"Authorization": b"Bearer " + key}).status_code == 200
        assert service.get("/healthz").status_code == 200
        assert '"needs_key": true' in service.get("/").text


def test_an_upload_that_takes_too_long(slow_service):
    with slow_service(0, upload_timeout=0.3) as service:
        host, port = service.address.removeprefix("http://").split(":")
        head = (
            "POST /v1/explanations HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=30) as stream:
            stream.sendall(f"{head}Content-Length: 1000\r\n\r\n--b\r\n".encode())
            assert b" 408 " in stream.recv(4096)
        assert service.post(spotted()).status_code == 200
