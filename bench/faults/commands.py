"""What kills and full disks share: a folder with a model and photographs, the command line, and what a run left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from faults import models

N_PHOTOS = 8
FAST = ("--max-calls", "60", "--threads", "1", "--device", "cpu")
_TIMED = ("seconds", "model_seconds")
_RUN = "import sys; from dccausal.cli import main; sys.exit(main())"


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder with model.onnx, photos/ (two of them damaged) and truth.csv."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "model.onnx").write_bytes(models.net())
        (folder / "photos").mkdir()
        lines = ["file,top,left,bottom,right"]
        for i in range(N_PHOTOS):
            pixels = np.random.default_rng(i).integers(0, 256, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / f"p{i}.png")
            lines.append(f"p{i}.png,5,5,25,30")
        (folder / "photos" / "damaged.png").write_bytes(b"no image")
        (folder / "photos" / "empty.png").write_bytes(b"")
        (folder / "truth.csv").write_text("\n".join(lines) + "\n")
        yield folder


def start(folder: Path, *arguments: str, **more: Any) -> subprocess.Popen:
    environment = {**os.environ, "DCCAUSAL_CACHE": str(folder / "cache"), "NO_COLOR": "1", "TERM": "dumb"}
    environment |= more.pop("environment", {})
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        **more,
    )


def finished(process: subprocess.Popen, seconds: float = 120.0) -> tuple[int, str]:
    """Return the exit code and what was said; -1000 for a process that had to be ended."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return -1000, "it did not end"
    return process.returncode, out + err


def explain(*more: str) -> tuple[str, ...]:
    return ("explain", "photos", "-m", "model.onnx", *FAST, *more)


def state(run: Path) -> dict[str, Any]:
    """Return what a run left, but for times: rows by index, files by path."""
    found: dict[str, Any] = {"rows": _rows(run / "results.jsonl")}
    for path in sorted(run.rglob("*")):
        if not path.is_file() or path.name == "results.jsonl":
            continue
        content: Any = path.read_bytes()
        if path.name in ("result.json", "plant.json"):
            content = _timeless(json.loads(content))
        found[str(path.relative_to(run))] = content
    return found


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    return ", ".join(f"{key} {'differs' if key in found else 'is lost'}" for key in keys[:4])


def _rows(table: Path) -> list[Any]:
    if not table.exists():
        return []
    rows = [_timeless(json.loads(line)) for line in table.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["index"], str(row.get("method"))))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _timeless(item) for key, item in value.items() if key not in _TIMED and "seconds" not in key
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value
