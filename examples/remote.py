"""
Explain a model that answers over HTTP: a client of a server is a classifier.

``python examples/remote.py serve model.onnx --port 8001`` answers requests; in another terminal
``python examples/remote.py explain photo.jpg --port 8001 --max-calls 500``.

An explanation sends some hundred images, a batch at a time, so the client keeps its connection. The server takes
images as NumPy's own format and returns scores likewise; a server of yours may want JSON or PNG instead, which
changes ``RemoteClassifier.__call__`` alone.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dccausal import Explanation, OnnxClassifier, explain, load_photo

MOST_BYTES = 100_000_000
TIMEOUT_S = 60


class RemoteClassifier:
    """
    A classifier behind HTTP.

    Parameters
    ----------
    host, port
        Where the server is. It is asked at once for the size of its images and its class names.

    """

    def __init__(self, host: str, port: int) -> None:
        """Ask the server what it is."""
        self._connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
        about = json.loads(self._ask("GET", "/about"))
        self.height, self.width, self.names = about["height"], about["width"], about["names"]

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Classify uint8 (N, H, W, 3) RGB; scores (N, classes)."""
        return from_bytes(self._ask("POST", "/classify", to_bytes(images)))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path}: {answer.status} {content.decode(errors='replace')}")
        return content


class Server(ThreadingHTTPServer):
    """
    A server for one classifier.

    Parameters
    ----------
    classifier
        What answers.
    port
        0 takes any that is free; ``server_port`` tells which.

    """

    daemon_threads = True

    def __init__(self, classifier: OnnxClassifier, port: int = 0) -> None:
        """Listen on this machine only."""
        super().__init__(("127.0.0.1", port), Handler)
        self.classifier = classifier


class Handler(BaseHTTPRequestHandler):
    """Answers ``GET /about`` and ``POST /classify``."""

    protocol_version = "HTTP/1.1"  # which keeps connections
    disable_nagle_algorithm = True  # answers are small, and waited for
    server: Server
    timeout: ClassVar[float] = TIMEOUT_S

    def do_GET(self) -> None:
        """Say what images are to be like, and what labels are called."""
        if self.path != "/about":
            self._answer(404, b"no such page")
            return
        height, width = self.server.classifier.size
        names = self.server.classifier.names
        about = {"height": height, "width": width, "names": None if names is None else list(names)}
        self._answer(200, json.dumps(about).encode())

    def do_POST(self) -> None:
        """Classify images."""
        length = int(self.headers.get("Content-Length", 0))
        if self.path != "/classify" or not 0 < length <= MOST_BYTES:
            self.close_connection = True  # what was sent is not read
            self._answer(400, f"POST /classify takes 1 to {MOST_BYTES:,} bytes".encode())
            return
        try:
            scores = self.server.classifier(from_bytes(self.rfile.read(length)))
        except Exception as error:  # noqa: BLE001  whatever it was, the client is told
            self._answer(422, str(error).encode())
        else:
            self._answer(200, to_bytes(scores))

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def to_bytes(array: NDArray[Any]) -> bytes:
    """Return an array in NumPy's format."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def from_bytes(content: bytes) -> NDArray[Any]:
    """Return the array; what is no array, or holds objects, is a ValueError."""
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def explain_photo(photo: Path, classifier: RemoteClassifier, **options: Any) -> Explanation:
    """Explain a photograph, brought to the server's size first."""
    size = classifier.width, classifier.height
    return explain(np.asarray(load_photo(photo).resize(size)), classifier, **options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="answer for a model")
    serving.add_argument("model", type=Path)
    asking = commands.add_parser("explain", help="explain what a server says")
    asking.add_argument("photo", type=Path)
    asking.add_argument("--host", default="127.0.0.1")
    asking.add_argument("--max-calls", type=int, default=500)
    asking.add_argument("--out", type=Path, default=Path("explanations/remote"))
    for command in (serving, asking):
        command.add_argument("--port", type=int, default=8001)
    given = parser.parse_args(arguments)
    if given.command == "serve":
        with Server(OnnxClassifier(given.model), given.port) as server:
            sys.stderr.write(f"listening on port {server.server_port}; Ctrl-C ends it\n")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return 0
    classifier = RemoteClassifier(given.host, given.port)
    try:
        explanation = explain_photo(given.photo, classifier, max_calls=given.max_calls)
    finally:
        classifier.close()
    explanation.save(given.out)
    sys.stdout.write(f"{explanation.summary()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
