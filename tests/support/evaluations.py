"""Evaluations to run: a planted model, photographs that differ, and what is covered of them."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
from PIL import Image

FAST = ("--device", "cpu", "--threads", "1", "--model", "model.onnx")
METHOD = "dc-causal:partitions=4:grid=8"
TIMES = ("seconds", "model_seconds", "extraction_seconds", "measuring_seconds")
COLUMNS = ("file", "label", "name", "shape", "top", "left", "bottom", "right")


def make(folder, planted, n, damaged=()):
    """Write a model, photographs that differ, and the truth: that A is covered, by a box of its size."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, folder / "model.onnx")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    box = scene.boxes["A"]
    with (folder / "truth.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for i in range(n):
            name = f"p{i:02d}.png"
            noisy = np.clip(scene.image.astype(int) + rng.integers(-3, 4, scene.image.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / "photos" / name)
            if i in damaged:
                (folder / "photos" / name).write_bytes(b"no image")
            writer.writerow(
                [name, 1, "planted", "rectangle", box.top, box.left, box.bottom - 1, box.right - 1]
            )
    return folder


def arguments_of(*more, truth="truth.csv", methods=METHOD, out="run"):
    return [
        "evaluate",
        "photos",
        "--truth",
        truth,
        "--methods",
        methods,
        "--out",
        out,
        *FAST,
        *map(str, more),
    ]


def rows_of(run):
    return [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]


def timeless(run):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows_of(run)]


def said_by(capsys):
    out, err = capsys.readouterr()
    return out, " ".join(err.split())
