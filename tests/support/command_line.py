"""The command line as a process, and ``explain`` in a folder with a model and a photograph."""

from __future__ import annotations

import os
import subprocess
import sys

FILES = ["explanation.png", "heatmap.npy", "heatmap.png", "kept.png", "overlay.png", "result.json"]
RUN = "import sys; from dccausal.cli import main; sys.exit(main())"
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


def command(*arguments, code=RUN):
    return [sys.executable, "-c", code, *map(str, arguments)]


def run(*arguments, cwd, code=RUN, **environment):
    return subprocess.run(
        command(*arguments, code=code),
        cwd=cwd,
        env={**os.environ, **PLAIN, **environment},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
        check=False,
    )


def explain_in(folder, *arguments, photo="photo.png", model="model.onnx", **environment):
    return run("explain", photo, "--model", model, "--partitions", 8, *arguments, cwd=folder, **environment)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())
