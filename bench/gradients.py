"""Measure what a gradient costs beside the forward pass.

Run ``python bench/gradients.py MODEL.onnx ... [--runs 30] [--threads 2] [--out FOLDER]``. For each model: seconds to
build the gradient model, milliseconds of both in turns (one image, the least and the median), their ratio, and what
their sessions take of memory. With --out, the rows are written as CSV beside what the machine was.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from dccausal.gradients import gradient_model


def open_session(model: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def resident_mib() -> float:
    """Memory of this process, where the system tells (Linux)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


def feed_of(session: ort.InferenceSession) -> dict[str, np.ndarray]:
    feed = {}
    for value in session.get_inputs():
        if value.name == "target":
            feed["target"] = np.zeros(1, np.int64)
        else:
            sides = [n if isinstance(n, int) else 224 for n in value.shape[1:]]
            feed[value.name] = np.random.default_rng(0).random((1, *sides), dtype=np.float32)
    return feed


def milliseconds(runs: int, *sessions: ort.InferenceSession) -> list[list[float]]:
    """Run sessions in turns, so that whatever else the machine does hits all alike."""
    feeds = [feed_of(session) for session in sessions]
    taken: list[list[float]] = [[] for _ in sessions]
    for turn in range(runs + 2):
        for session, feed, times in zip(sessions, feeds, taken, strict=True):
            start = time.perf_counter()
            session.run(None, feed)
            if turn >= 2:
                times.append(1e3 * (time.perf_counter() - start))
    return taken


def memory_of(model: bytes, threads: int) -> float:
    """MiB that a session of a model and a run of it take, in a process of its own."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gradients as g\n"
        "model = sys.stdin.buffer.read(); before = g.resident_mib() - len(model) / 2**20\n"
        "session = g.open_session(model, int(sys.argv[2])); del model; session.run(None, g.feed_of(session))\n"
        "print(g.resident_mib() - before)"
    )
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", code, here, str(threads)], input=model, capture_output=True, check=True
    )
    return float(run.stdout)


def measure(path: Path, runs: int, threads: int) -> dict[str, object]:
    start = time.perf_counter()
    built = gradient_model(path)
    build_s = time.perf_counter() - start
    models = [path.read_bytes(), built.SerializeToString()]
    forward, both = milliseconds(runs, *(open_session(model, threads) for model in models))
    memory = [memory_of(model, threads) for model in models]
    return {
        "model": path.name,
        "build_s": round(build_s, 2),
        "forward_ms": round(min(forward), 2),
        "gradient_ms": round(min(both), 2),
        "ratio_of_least": round(min(both) / min(forward), 2),
        "ratio_of_medians": round(float(np.median(both) / np.median(forward)), 2),
        "forward_mib": round(memory[0]),
        "gradient_mib": round(memory[1]),
        "file_ratio": round(len(models[1]) / len(models[0]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for path in options.models:
        rows.append(measure(path, options.runs, options.threads))
        print(json.dumps(rows[-1]), flush=True)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "gradients.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        machine = {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg(),
            "threads": options.threads,
            "onnxruntime": ort.__version__,
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
        }
        (options.out / "machine.json").write_text(json.dumps(machine, indent=1) + "\n")


if __name__ == "__main__":
    main()
