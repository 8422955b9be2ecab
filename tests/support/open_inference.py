"""
A small server of the Open Inference Protocol v2 for tests: an ONNX file behind HTTP, and faults that are asked for.

It speaks the protocol's JSON, and the extension for binary tensors unless it is told not to.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
import onnxruntime

_DATATYPES = {"float": "FP32", "float16": "FP16", "double": "FP64", "uint8": "UINT8", "int64": "INT64"}
_NUMPY = {"FP32": np.float32, "FP16": np.float16, "FP64": np.float64, "UINT8": np.uint8, "INT64": np.int64}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        server = self.server
        if self.path == "/v2":
            self._answer(200, {"name": "small", "version": "1", "extensions": server.extensions})
        elif self.path == "/v2/models/planted":
            self._answer(200, server.metadata)
        elif self.path == "/v2/models/planted/config" and server.most_rows and server.tells_most:
            self._answer(200, {"name": "planted", "max_batch_size": server.most_rows})
        else:
            self._answer(404, {"error": f"{self.path} is not here"})

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.n_requests += 1
            busy = server.busy > 0
            server.busy -= busy
        time.sleep(server.seconds)
        if busy:
            self._answer(503, {"error": "too busy"})
            return
        try:
            request, inputs = self._read(body)
            server.headers_seen.append(dict(self.headers))
            server.sizes.append(len(next(iter(inputs.values()))))
            values = server.session.run([out["name"] for out in request["outputs"]], inputs)
        except Exception as error:  # noqa: BLE001  as servers do
            self._answer(400, {"error": str(error)})
            return
        self._write(request, values)

    def _read(self, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        length = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        request, rest = json.loads(body[:length]), body[length:]
        inputs = {}
        for told in request["inputs"]:
            dtype = np.dtype(_NUMPY[told["datatype"]])
            n = told.get("parameters", {}).get("binary_data_size")
            if n is None:
                values = np.array(told["data"], dtype)
            elif not self.server.is_binary:
                raise ValueError("tensors in binary form are not taken")
            else:
                values, rest = np.frombuffer(rest[:n], dtype), rest[n:]
            inputs[told["name"]] = values.reshape(told["shape"])
            if self.server.most_rows and told["shape"][0] > self.server.most_rows:
                raise ValueError(f"at most {self.server.most_rows} rows are taken")
        return request, inputs

    def _write(self, request: dict[str, Any], values: list[Any]) -> None:
        outputs, rest = [], b""
        for wanted, value in zip(request["outputs"], values, strict=True):
            datatype = next(name for name, dtype in _NUMPY.items() if dtype == value.dtype)
            told = {"name": wanted["name"], "datatype": datatype, "shape": list(value.shape)}
            if wanted.get("parameters", {}).get("binary_data"):
                told["parameters"] = {"binary_data_size": value.nbytes}
                rest += value.tobytes()
            else:
                told["data"] = value.ravel().tolist()
            outputs.append(told)
        self._answer(200, {"model_name": "planted", "outputs": outputs}, rest)

    def _answer(self, status: int, document: Any, rest: bytes = b"") -> None:
        head = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if rest:
            self.send_header("Inference-Header-Content-Length", str(len(head)))
        self.send_header("Content-Length", str(len(head) + len(rest)))
        self.end_headers()
        self.wfile.write(head + rest)


class Server(ThreadingHTTPServer):
    """The server; ``busy`` requests are turned away with 503, ``seconds`` is what each takes at least."""

    daemon_threads = True
    kinds: ClassVar = _DATATYPES

    def __init__(
        self,
        path: str,
        port: int = 0,
        *,
        is_binary: bool = True,
        most_rows: int = 0,
        extensions: tuple[str, ...] = ("binary_tensor_data",),
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.is_binary, self.most_rows, self.tells_most = is_binary, most_rows, True
        self.extensions = list(extensions)
        self.lock, self.n_requests, self.busy, self.seconds = threading.Lock(), 0, 0, 0.0
        self.headers_seen: list[dict[str, str]] = []
        self.sizes: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def metadata(self) -> dict[str, Any]:
        def told(node: Any) -> dict[str, Any]:
            shape = [side if isinstance(side, int) else -1 for side in node.shape]
            kind = node.type.removeprefix("tensor(").removesuffix(")")
            return {"name": node.name, "datatype": self.kinds[kind], "shape": shape}

        return {
            "name": "planted",
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [told(node) for node in self.session.get_inputs()],
            "outputs": [told(node) for node in self.session.get_outputs()],
        }


@contextlib.contextmanager
def serving(path: Any, port: int = 0, **how: Any) -> Iterator[Server]:
    """Serve an ONNX file on loopback while entered."""
    with Server(str(path), port, **how) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
