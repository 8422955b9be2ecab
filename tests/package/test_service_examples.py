"""
The service in applications of others: gunicorn, uvicorn and Ray Serve are run; manifest and image are read.

No cluster and no builder of images is at hand: what the manifest and the recipe say is held to the service's own words,
and the size of the image is reckoned from the packages that are installed here.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dccausal.cli.options.serve import COMMAND
from services import until

requirements = pytest.importorskip("packaging.requirements")
yaml = pytest.importorskip("yaml")
EXAMPLES = Path(__file__).parents[2] / "examples"
PATHS = {"/", "/healthz", "/readyz", "/metrics", "/v1/model", "/v1/explanations"}
# Python for Debian without a shell, as its makers tell; the rest of the image is packages.
BASE_MB, MOST_MB = 55, 250


@contextmanager
def running(command, model, seconds=30):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "MODEL": str(model), "ORT_DISABLE_TELEMETRY": "1"}
    words = [str(word).format(port=port) for word in command]
    process = subprocess.Popen(words, cwd=EXAMPLES, env=environment, stderr=subprocess.PIPE, text=True)

    def is_ready():
        assert process.poll() is None, process.stderr.read()
        try:
            return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    with process:
        try:
            until(is_ready, seconds)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(address, scene):
    files = {"photo": scene.photo.read_bytes()}
    answer = httpx.post(f"{address}/v1/explanations", files=files, params={"max_calls": 300}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "planted"
    assert "<title>" in httpx.get(address, timeout=10).text


def test_uvicorn(planted):
    scene = planted("needs_a_and_b")
    with running([sys.executable, "-m", "uvicorn", "service:app", "--port", "{port}"], scene.path) as address:
        answers(address, scene)


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_gunicorn(planted, preload):
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    pytest.importorskip("uvicorn_worker", reason="uvicorn-worker is not installed")
    scene = planted("needs_a_and_b")
    command = [sys.executable, "-m", "gunicorn", "service:app", "-k", "uvicorn_worker.UvicornWorker"]
    with running([*command, "--workers", 2, "-b", "127.0.0.1:{port}", *preload], scene.path) as address:
        answers(address, scene)


@pytest.mark.slow
def test_ray_serve(planted):
    pytest.importorskip("ray.serve", reason="ray[serve] is not installed")
    scene = planted("needs_a_and_b")
    code = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "from ray import serve\n"
        "import ray_serve\n"
        "serve.start(http_options={'port': {port}})\n"
        "serve.run(ray_serve.application)\n"
        "while True: time.sleep(1)\n"
    ).replace("{'port': {port}}", "dict(port={port})")
    with running([sys.executable, "-c", code], scene.path, 240) as address:
        answers(address, scene)


def flags(words):
    return {word for word in words if word.startswith("--")}


def test_the_manifest_is_about_this_service():
    deployment, service = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["path"] for probe in probes} <= PATHS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {probe["port"] for probe in probes} == {service["spec"]["ports"][0]["targetPort"]} == set(ports)
    known = {flag for option in COMMAND.options for flag in option.flags}
    assert flags(container["args"]) <= known
    grace = float(container["args"][container["args"].index("--grace") + 1])
    assert pod["terminationGracePeriodSeconds"] > grace + 10  # as long as the server waits for connections
    assert container["resources"]["limits"]["memory"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] in PATHS


def test_the_recipe_is_about_this_service():
    text = (EXAMPLES / "Containerfile").read_text().replace("\\\n", " ")
    instructions = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    started = {name: rest for name, rest in instructions if name in ("ENTRYPOINT", "CMD")}
    words = [word for rest in started.values() for word in re.findall(r'"([^"]*)"', rest)]
    assert words[1:4] == ["-m", "dccausal", "serve"]
    assert flags(words) <= {flag for option in COMMAND.options for flag in option.flags}
    last = [rest for name, rest in instructions if name == "FROM"][-1]
    assert last.endswith(":nonroot")
    assert '"/source[serve]"' in text
    assert all(shlex.split(rest) for name, rest in instructions if name == "RUN")


def test_the_image_is_small_enough():
    """Reckoned: what the extra needs, but for what the recipe removes, and the base."""
    sizes = {}

    def add(name, extras):
        key = (name.lower().replace("_", "-"), extras)
        if key in sizes:
            return
        found = importlib.metadata.distribution(name)
        files = [path for path in found.files or () if path.suffix != ".pyc" and not is_removed(path)]
        sizes[key] = sum(place.stat().st_size for path in files if (place := path.locate()).is_file())
        for text in found.requires or ():
            needed = requirements.Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras or ("",)):
                add(needed.name, tuple(sorted(needed.extras)))

    def is_removed(path):
        parts = path.parts
        return "tests" in parts or parts[:2] in {
            ("onnxruntime", n) for n in ("transformers", "quantization", "tools")
        }

    add("dccausal", ("serve",))
    by_name = {name: size for (name, _), size in sizes.items()}
    core = max(
        (path.stat().st_size for path in (EXAMPLES.parent / "python/dccausal").glob("_core*.so")), default=0
    )
    packages = (sum(by_name.values()) + core) / 1e6
    assert {"onnxruntime", "fastapi", "uvicorn", "python-multipart", "prometheus-client"} <= set(by_name)
    assert 100 < packages < MOST_MB - BASE_MB


def test_serve_is_there_where_its_extra_is():
    assert shutil.which("uvicorn", path=str(Path(sys.executable).parent))
