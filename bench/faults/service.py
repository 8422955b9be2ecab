"""``dccausal serve`` as a real server: uploads of all kinds, parameters, slow clients, two hundred at once."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from faults import images, models
from faults.trial import Outcome, memory_mib

N = 500
AT_ONCE = 200
MOST_MIB = 500.0  # more than before, whatever comes
MOST_S = 20.0
PATH = "/v1/explanations"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
FINE = (200, 400, 413, 415, 422, 429, 503)


def run(n: int, seed: int) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (address, process):
        good = dict(images._originals(seed))["rgb.png"]  # noqa: SLF001  a file of this campaign's
        if (code := post(address, good)[0]) != 200:
            yield Outcome("a good upload", "wrong", f"answered {code}")
            return
        before = memory_mib("VmRSS", process.pid)
        for name, content in uploads(n, seed):
            yield one(address, process, before, name, content)
        yield from parameters(address, process, before, good)
        yield long_request(address)
        yield slow_clients(address, good)
        yield at_once(address, process, before, good, min(AT_ONCE, max(8, n)))
        code, text, _ = post(address, good)
        yield Outcome("a good upload at the end", "right" if code == 200 else "wrong", f"{code} {text[:80]}")


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Any]]:
    (folder / "model.onnx").write_bytes(models.net())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dccausal", "serve", "--model", str(folder / "model.onnx"), "--quiet"]
    command += ["--device", "cpu", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/readyz", timeout=2)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.wait()


def uploads(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(seed)  # noqa: S311
    found = list(images.cases(max(n, 400), seed))
    yield from found if n >= len(found) else chance.sample(found, n)


def post(address: str, content: bytes, seconds: float = 60.0, **query: Any) -> tuple[int, str, float]:
    """Return the code, the text and the seconds of an upload; a code of 0 where there is no answer."""
    start = time.monotonic()
    files = {"photo": ("x.png", content)}
    try:
        answer = httpx.post(
            f"{address}{PATH}", files=files, params={"max_calls": 40, **query}, timeout=seconds
        )
    except httpx.HTTPError as error:
        return 0, repr(error), time.monotonic() - start
    return answer.status_code, answer.text, time.monotonic() - start


def one(address: str, process: Any, before: float, name: str, content: bytes, **query: Any) -> Outcome:
    code, text, seconds = post(address, content, **query)
    more = memory_mib("VmRSS", process.pid) - before
    kind = "right" if code == 200 else "error" if code in FINE else "raw"
    if kind in ("right", "error"):
        kind = "hang" if seconds > MOST_S else "memory" if more > MOST_MIB else kind
    return Outcome(name, kind, f"{code} {text[:100]}", seconds, more)


def parameters(address: str, process: Any, before: float, good: bytes) -> Iterator[Outcome]:
    for query in (
        {"target": "x" * 5000}, {"target": "-1"}, {"target": "9" * 20}, {"target": "9" * 199}, {"target": "9" * 5000},
        {"target": "\u0661"}, {"target": "\u00b2"}, {"target": "\0"}, {"target": ""}, {"max_calls": "1e9"},
        {"max_calls": -1}, {"max_calls": "9" * 5000}, {"partitions": 10**9}, {"baseline": "/etc/passwd"},
        {"baseline": "model.onnx"}, {"levels": "nan"}, {"threads": 10**6}, {"nothing": "x"}, {"seed": 2**64},
    ):  # fmt: skip
        yield one(address, process, before, f"parameters {str(query)[:40]}", good, **query)


def long_request(address: str) -> Outcome:
    """A header that promises two gigabytes, and a sender who keeps the promise."""
    sent = 0
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as stream:
        stream.settimeout(5)
        try:
            stream.sendall((HEAD + "Content-Length: 2000000000\r\n\r\n--b\r\n").encode())
            for _ in range(300):
                stream.sendall(bytes(1 << 20))
                sent += 1
        except OSError:
            pass
    return Outcome("two gigabytes", "error" if sent < 100 else "memory", f"{sent} MB were taken")


def slow_clients(address: str, good: bytes) -> Outcome:
    """A hundred connections that never finish their request do not keep others waiting."""
    port = int(address.rpartition(":")[2])
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for stream in waiting:
        stream.sendall((HEAD + "Content-Length: 100000\r\n\r\n--b\r\n").encode())
    code, _, seconds = post(address, good)
    for stream in waiting:
        stream.close()
    kind = "right" if code == 200 and seconds < MOST_S else "hang"
    return Outcome("slow clients", kind, f"{code} in {seconds:.1f} s", seconds)


def at_once(address: str, process: Any, before: float, good: bytes, n: int) -> Outcome:
    """Many requests at the same time, half of them hostile: answered or turned away, in bounded memory."""
    kinds = [good, b"junk", good, images.bmp(9400, 9400, is_coded=True), good, good[:300]]
    with ThreadPoolExecutor(n) as pool:
        codes = Counter(pool.map(lambda i: post(address, kinds[i % 6], 120)[0], range(n)))
    more = memory_mib("VmHWM", process.pid) - before
    kind = "right" if set(codes) <= set(FINE) and codes[200] else "raw"
    kind = "memory" if more > MOST_MIB else kind
    return Outcome(f"{n} at once", kind, str(dict(codes)), 0.0, more)
