"""A real MLServer on loopback, from an environment of its own: its dependencies are not the tests' business."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RUNTIME = Path(__file__).parent / "mlserver_runtime"
_ROOT = Path(__file__).parents[2]
_PACKAGES = ("mlserver==1.7.1", "onnxruntime>=1.20")


def find_mlserver() -> str:
    """Return the program: $MLSERVER, or one that is installed into .cache the first time; else the test is skipped."""
    if os.environ.get("MLSERVER"):
        return os.environ["MLSERVER"]
    folder = _ROOT / ".cache" / "mlserver"
    program = folder / "bin" / "mlserver"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *_PACKAGES]
            subprocess.run(install, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"MLServer cannot be installed: {error}")
    return str(program)


@contextlib.contextmanager
def mlserver(folder: Path, path: Any, *, rows: int = -1) -> Iterator[tuple[str, str]]:
    """Serve an ONNX file as "planted"; the URLs for HTTP and gRPC."""
    import onnxruntime

    program = find_mlserver()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def told(node: Any) -> dict[str, Any]:
        shape = [rows if i == 0 else side for i, side in enumerate(node.shape)]
        return {
            "name": node.name,
            "datatype": "FP32",
            "shape": [s if isinstance(s, int) else -1 for s in shape],
        }

    http, grpc, metrics = _free_ports(3)
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    settings = {**ports, "host": "127.0.0.1", "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": "planted",
        "implementation": "planted_runtime.OnnxModel",
        "platform": "onnx",
        "parameters": {"uri": str(path), "version": "v1"},
        "inputs": [told(node) for node in session.get_inputs()],
        "outputs": [told(node) for node in session.get_outputs()],
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [program, "start", str(folder)],
        env={**os.environ, "PYTHONPATH": str(RUNTIME)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait(f"http://127.0.0.1:{http}/v2/models/planted/ready", process, folder / "server.log")
        yield f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"MLServer does not answer: {log.read_text()[-2000:]}")


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
