"""The command ``serve``: what goes wrong is one line, before any work."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from dccausal import OptionError
from dccausal.serving import Limits


def run(*arguments):
    command = [sys.executable, "-m", "dccausal", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_is_taken(planted):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--model", planted("needs_a").path, "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert done.stderr.startswith("error: --port is ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "70000"], "error: --port is 70000"),
        (["--host", "nowhere.invalid"], "error: --host is nowhere.invalid"),
        (["--host", "192.0.2.1"], "error: --host is 192.0.2.1"),
        (["--queue", "-1"], "error: --queue is -1"),
        (["--timeout", "0"], "error: --timeout is 0"),
        (["--max-calls", "3"], "error: --max-calls is 3"),
        (["--workers", "0"], "error: --workers is 0"),
        (["--model", "nowhere.onnx", "--port", "0"], "error: nowhere.onnx does not exist"),
    ],
)
def test_what_cannot_be_served(arguments, says):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(says), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "python_multipart", "prometheus_client"])
def test_a_package_that_is_missing(planted, missing):
    code = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "from dccausal.cli import main\n"
        f"sys.exit(main(['serve', '--model', {str(planted('needs_a').path)!r}, '--port', '0']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert 'pip install "dccausal[serve]"' in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: the service needs fastapi")


def test_limits_are_checked():
    for wrong in ({"workers": 65}, {"queue": -1}, {"timeout": float("nan")}, {"max_pixels": 1}, {"grace": 0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            Limits(**wrong)
