"""
Services to ask: started as a user would, in a process of their own, on a port of the loopback that is free.

As a program, ``python services.py`` serves a classifier that takes its time: what it is asked for is not done at once.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

TIMEOUT = 30


class Served:
    """A service that runs: its address, and its process."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(r"serving on (\S+)", "".join(self.said))):
            assert process.poll() is None, "".join(self.said)
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.02)
        self.address = found[1].rstrip("/")
        until(lambda: self.get("/readyz").status_code == 200)

    def _read(self):
        for line in self.process.stderr:
            self.said.append(line)

    def get(self, path, **more):
        try:
            return httpx.get(f"{self.address}{path}", timeout=TIMEOUT, **more)
        except httpx.ConnectError:  # bound, and not listening yet
            return httpx.Response(503)

    def post(
        self, content, *, accept="application/json", headers=(), files=(), data=None, timeout=TIMEOUT, **query
    ):
        return httpx.post(
            f"{self.address}/v1/explanations",
            files={"photo": ("photo.png", content), **dict(files)},
            params=query,
            data=data,
            headers={"Accept": accept, **dict(headers)},
            timeout=timeout,
        )

    def events(self, content, **query):
        """Yield the name and the data of each event."""
        asked = httpx.stream(
            "POST",
            f"{self.address}/v1/explanations",
            files={"photo": ("photo.png", content)},
            params=query,
            headers={"Accept": "text/event-stream"},
            timeout=TIMEOUT,
        )
        with asked as answer:
            assert answer.status_code == 200, answer.read()
            name = None
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def metric(self, name):
        """Return a count as the service tells it; 0 where it has none yet."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


@contextmanager
def served(*arguments, environment=None):
    """A service, started by a command line of Python's."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "COLUMNS": "400", **(environment or {})}
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Served(process)
        finally:
            process.kill()


def until(is_so, seconds=TIMEOUT):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def png(image):
    """Return an image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def spotted(seed=0):
    """Return a photograph with the red spot that the slow classifier looks for."""
    photo = np.random.default_rng(seed).integers(0, 60, (64, 64, 3), dtype=np.uint8)
    photo[40:48, 8:16] = (255, 0, 0)
    return png(photo)


class Slow:
    """Says 1 if it sees the red spot; takes its time for every image, and waits until a file is there."""

    n_classes, names = 2, ("nothing", "spot")

    def __init__(self, delay, gate):
        self.delay, self.gate = delay, Path(gate)

    def __call__(self, images):
        while not self.gate.exists():
            time.sleep(0.01)
        time.sleep(self.delay * len(images))
        spot = images[:, 40:48, 8:16].astype(np.float32).mean(axis=(1, 2))
        red = np.clip(spot[:, 0] - spot[:, 1], 0, 255) / 255
        return np.stack([1 - red, red], axis=1).astype(np.float32)


def main():
    from dccausal.serving import Limits, create_app, serve
    from dccausal.serving.server import bind

    delay, gate, limits = float(sys.argv[1]), sys.argv[2], Limits(**json.loads(sys.argv[3]))
    app = create_app(Slow(delay, gate), limits=limits)
    bound = bind("127.0.0.1", 0)
    sys.stderr.write(f"serving on http://127.0.0.1:{bound.getsockname()[1]}/\n")
    sys.stderr.flush()
    serve(app, bound)


if __name__ == "__main__":
    main()
