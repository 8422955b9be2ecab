"""Services to ask, as real servers on the loopback."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

import services

PROGRAM = Path(services.__file__)


@pytest.fixture(scope="session")
def service(planted):
    """``dccausal serve`` of a planted model."""
    scene = planted("needs_a_and_b")
    arguments = ("serve", "--model", scene.path, "--port", "0", "--device", "cpu", "--max-calls", "3000")
    with services.served("-m", "dccausal", *arguments) as running:
        running.scene = scene
        running.photo = scene.photo.read_bytes()
        yield running


@pytest.fixture
def slow_service(tmp_path):
    """
    ``slow_service(delay, **limits)``: a service whose classifier takes its time.

    With ``is_open=False`` it answers nothing before ``open()`` is called.
    """

    @contextmanager
    def start(delay, environment=None, *, is_open=True, **limits):
        gate = tmp_path / "open"
        if is_open:
            gate.touch()
        with services.served(PROGRAM, delay, gate, json.dumps(limits), environment=environment) as running:
            running.open = gate.touch
            yield running

    return start
