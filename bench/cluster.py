"""
Runs on Ray, measured: kills, efficiency with a model that waits, the driver's cost, and overhead on the same cores.

    python bench/cluster.py [--part kills|scaling|driver|overhead] [--n 1000] [--record bench/record]

Where other processes keep the cores busy, wall-clock times say little; each line has what they took, and the time of
the processors is the run's own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  as Ray calls it
os.environ["DCCAUSAL_CALIBRATION"] = "off"
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "models"), str(ROOT / "tests" / "support")]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from recording import Others, shown, write_record  # noqa: E402

from dccausal import explain_many  # noqa: E402
from dccausal.engine.options import defaults  # noqa: E402
from dccausal.runs.cluster import Cluster  # noqa: E402
from dccausal.runs.folder import DRAWING  # noqa: E402
from dccausal.runs.parts import parts_of, rows_of  # noqa: E402
from dccausal.runs.ray import RayRun  # noqa: E402
from dccausal.runs.table import row_of  # noqa: E402

FAST = {"partitions": 1, "grid": 8}
TIMES = ("seconds", "model_seconds")
Row = dict[str, Any]


class Waiting:
    """A planted classifier behind a server's latency: it waits, and needs next to no processor."""

    n_classes = 2

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, images: Any) -> Any:
        time.sleep(self._seconds)
        red = images[:, 4:8, 4:8, 0].mean(axis=(1, 2)) / 255
        return np.stack([1 - red, red], axis=1).astype(np.float32)


def start(n_cpus: int) -> None:
    import ray

    ray.init(
        num_cpus=n_cpus,
        object_store_memory=150 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )


def begin(images: Any, classifier: Any, out: Path, cluster: Cluster, **options: Any) -> RayRun:
    return RayRun.begin(
        images,
        classifier,
        out,
        cluster=cluster,
        files=False,
        resume=True,
        retry=False,
        recursive=False,
        drawing=DRAWING,
        options={**defaults(), **options},
    )


def photographs(folder: Path, n: int, damaged: float = 0.0, side: int = 64) -> tuple[Path, Path]:
    """Write a planted model and photographs that differ, some of them damaged in three ways."""
    from planted import plant, write

    scene = write(plant("needs_a_and_b", (side, side), 1.0), folder)
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for i in range(n):
        path = folder / "photos" / f"p{i:05d}.png"
        Image.fromarray(np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)).save(
            path
        )
        if rng.random() < damaged:
            content = path.read_bytes()
            path.write_bytes([b"", b"no image", content[: len(content) // 2]][i % 3])
    return Path(scene.path), folder / "photos"


def timeless(rows: Any) -> list[Row]:
    found = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    return sorted(found, key=lambda row: row["index"])


def kills(folder: Path, n: int) -> Iterator[Row]:
    """The rows of a run of which workers are killed at random, against those of one undisturbed process."""
    _, photos = photographs(folder, n, damaged=0.05, side=32)
    paths = sorted(map(str, photos.iterdir()))
    started = time.perf_counter()
    here = timeless(
        row_of(i, paths[i], "", result) | ({} if isinstance(result, Exception) else {"folder": None})
        for i, result in explain_many(paths, Waiting(0), **FAST)
    )
    alone = time.perf_counter() - started
    start(2)
    chance = random.Random(0)  # noqa: S311
    n_killed = 0
    started = time.perf_counter()
    with begin(str(photos), Waiting(0), folder / "run", Cluster(), **FAST) as run:
        n_seen = 0
        due = sorted(chance.sample(range(n // 20, n - n // 20), 10))
        for part in run.explain():
            n_seen += part.n
            if due and n_seen >= due[0] and run.pool.workers:
                time.sleep(chance.uniform(0, 0.3))
                with contextlib.suppress(
                    ProcessLookupError
                ):  # dead already, and not buried yet: the next part's turn
                    os.kill(chance.choice(run.pool.workers)["pid"], signal.SIGKILL)
                    due.pop(0)
                    n_killed += 1
        died, done = run.pool.n_deaths, run.done.n
    there = timeless(rows_of(folder / "run"))
    yield {
        "part": "kills",
        "photographs": n,
        "damaged": sum(row["error"] is not None for row in here),
        "killed": n_killed,
        "noticed": died,
        "done": done,
        "lost": len({row["index"] for row in here} - {row["index"] for row in there}),
        "doubled": len(there) - len({row["index"] for row in there}),
        "differing": sum(one != other for one, other in zip(here, there, strict=False)),
        "parts": len(parts_of(folder / "run")),
        "seconds_undisturbed": alone,
        "seconds": time.perf_counter() - started,
    }


def scaling(folder: Path, n: int, seconds: float) -> Iterator[Row]:
    """Photographs a second with a classifier that waits, on 1 to 16 actors."""
    _, photos = photographs(folder, 16 * n, side=32)
    paths = sorted(map(str, photos.iterdir()))
    start(16)
    first = None
    for actors in (1, 2, 4, 8, 16):
        others = Others()
        cluster = Cluster(actors=actors)
        with begin(paths[: n * actors], Waiting(seconds), folder / f"run{actors}", cluster, **FAST) as run:
            started = time.perf_counter()
            list(run.explain())
            rate = n * actors / (time.perf_counter() - started)
        first = first or rate
        yield {
            "part": "scaling",
            "wait_s": seconds,
            "actors": actors,
            "photographs": n * actors,
            "a_second": rate,
            "efficiency": rate / first / actors,
            "other_cores": others.cores(),
        }


def driver(folder: Path, n: int) -> Iterator[Row]:
    """The driver's processor time a photograph: of empty files, whose rows are errors, so that workers are quick."""
    (folder / "photos").mkdir()
    for i in range(n):
        (folder / "photos" / f"p{i:07d}.png").touch()
    start(2)
    for size in (n // 10, n):
        paths = sorted(map(str, (folder / "photos").iterdir()))[:size]
        before = time.process_time()
        with begin(paths, Waiting(0), folder / f"run{size}", Cluster(), **FAST) as run:
            begun = time.process_time()
            n_parts = len(list(run.pool.run(run.source.chunks(run.done, run._sized))))  # noqa: SLF001
            spent = time.process_time()
            run.explain().close()
            list(run.explain())
            end = time.process_time()
        yield {
            "part": "driver",
            "photographs": size,
            "parts": n_parts,
            "begin_us": 1e6 * (begun - before) / size,
            "hand_out_us": 1e6 * (spent - begun) / size,
            "hand_out_us_a_part": 1e6 * (spent - begun) / n_parts,
            "settle_us": 1e6 * (end - spent) / size,
        }


def overhead(folder: Path, n: int) -> Iterator[Row]:
    """Processor and wall time a photograph of ``explain FOLDER`` and of the same with --engine ray."""
    model, photos = photographs(folder, n)
    _, few = photographs(folder / "few", n // 4) if (folder / "few").mkdir() is None else (None, photos)
    rows = {}
    for engine in ("local", "ray"):
        found = []
        for images in (few, photos):
            out = folder / f"{engine}-{images.parent.name}"
            command = [
                sys.executable,
                "-m",
                "dccausal",
                "explain",
                str(images),
                "-m",
                str(model),
                "--device",
                "cpu",
            ]
            command += ["--partitions", "4", "--out", str(out), "--quiet", "--engine", engine]
            command += ["--files"] if engine == "ray" else []
            others, started = Others(), time.perf_counter()
            process = subprocess.Popen(command)
            processor = 0.0
            while process.poll() is None:
                processor = max(processor, _processor_seconds(process.pid))
                time.sleep(0.2)
            found.append((time.perf_counter() - started, processor, others.cores()))
        n_more = n - n // 4
        rows[engine] = {
            "part": "overhead",
            "engine": engine,
            "photographs": n,
            "wall_s": found[1][0],
            "processor_s": found[1][1],
            "more_wall_ms": 1e3 * (found[1][0] - found[0][0]) / n_more,
            "more_processor_ms": 1e3 * (found[1][1] - found[0][1]) / n_more,
            "other_cores": found[1][2],
        }
        yield rows[engine]


def _processor_seconds(root: int) -> float:
    """Return the processor time of a process and all below it that live, in seconds; Ray's own are among them."""
    parents, spent = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        spent[int(entry.name)] = sum(int(one) for one in fields[11:15])
    below = {root}
    while more := {one for one, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(spent.get(one, 0) for one in below) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["kills", "scaling", "driver", "overhead"], required=True)
    parser.add_argument("--n", type=int)
    parser.add_argument("--wait", type=float, default=1.0)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        rows = []
        found = {
            "kills": lambda: kills(folder, given.n or 1000),
            "scaling": lambda: scaling(folder, given.n or 120, given.wait),
            "driver": lambda: driver(folder, given.n or 100_000),
            "overhead": lambda: overhead(folder, given.n or 200),
        }[given.part]()
        for row in found:
            print(shown(row), flush=True)
            rows.append(row)
        if given.record is not None:
            write_record(f"cluster-{given.part}", rows, given.record)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    threading.current_thread().name = "driver"
    main()
