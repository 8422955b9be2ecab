"""The command line on a terminal, and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import dccausal.cli
from command_line import FILES, command, names_in


@contextlib.contextmanager
def _on_terminal(*arguments, cwd):
    """Run with stderr on a terminal; yield the process and a function that reads up to a word."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(slave)
    seen = b""

    def read_until(word):
        nonlocal seen
        while word is None or word not in seen:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                part = b""
            if not part:
                assert word is None, seen
                break
            seen += part
        return seen.decode()

    try:
        yield process, read_until
    finally:
        process.kill()
        process.communicate()
        os.close(master)


# A search of hundreds of thousands of calls: it does not end before it is interrupted, however fast the machine.
_LONG = ["-m", "model.onnx", "--profile", "paper", "--partitions", 4096]


def test_a_terminal_shows_phase_calls_and_rate(folder):
    with _on_terminal("explain", "photo.png", *_LONG, cwd=folder) as (process, read):
        text = read(b" left")
        process.send_signal(signal.SIGINT)
        read(None)
        assert process.wait() == 130
    assert "photo.png (1/1): search" in text
    assert " calls" in text
    assert "/s" in text


def test_ctrl_c_keeps_the_best_so_far_and_stops(folder):
    shutil.copy(folder / "photo.png", folder / "second.png")
    with _on_terminal("explain", "photo.png", "second.png", *_LONG, "--json", cwd=folder) as (process, read):
        read(b" left")
        process.send_signal(signal.SIGINT)
        text = read(None)
        stdout = process.stdout.read().decode()
        assert process.wait() == 130
    assert "error: interrupted; 1 of 2 photographs were not explained" in text
    assert "Traceback" not in text
    result = json.loads(stdout)
    assert any("nterrupted" in note for note in result["notes"])
    assert names_in(folder / "explanations") == ["photo"]
    assert names_in(folder / "explanations" / "photo") == FILES


def test_an_interrupt_while_packages_are_loaded_is_no_traceback(monkeypatch):
    monkeypatch.delitem(sys.modules, "dccausal.cli.app", raising=False)

    class Pressed:
        """Stands for Ctrl-C at the moment when the commands are looked for."""

        def find_spec(self, name, *_):
            if name == "dccausal.cli.app":
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    assert dccausal.cli.main(["--version"]) == 130
