"""What an explanation costs on the CPU, against ONNX Runtime alone on the same machine in the same run.

Run ``python bench/cpu.py [--model FILE] [--photo FILE] [--out FOLDER]``. It reports, and appends to a record:

- ceiling: the best batch size and number of threads for ONNX Runtime alone, by the median of interleaved blocks;
- explain: wall time over that of ONNX Runtime alone for as many images, measured right after;
- the share of questions that were asked, and the time spent outside the model;
- memory: peak of the process above its peak after the session has run every batch size up to 64, for several N;
- core: the search with a classifier that costs nothing.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import dccausal
from dccausal import _core
from dccausal._runtime import count_cores
from dccausal.default_model import default_model
from dccausal.demo import demo_photo

BATCHES = (1, 2, 4, 8, 16)


def commit() -> str:
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def seconds_per_image(classifier: dccausal.OnnxClassifier, batch: int, n_images: int) -> float:
    """ONNX Runtime alone, over as many images as the explanation it is compared with."""
    shape = (3, *classifier.size) if classifier.layout == "NCHW" else (*classifier.size, 3)
    tensor = np.random.default_rng(0).random((batch, *shape), dtype=np.float32)
    session, name = classifier._runner._engine._session, classifier._reading.image.name  # noqa: SLF001
    n_runs = max(1, n_images // batch)
    start = time.perf_counter()
    for _ in range(n_runs):
        session.run(None, {name: tensor})
    return (time.perf_counter() - start) / (n_runs * batch)


def measure_speed(model: str, photo: object, repeats: int, rows: list[dict[str, object]]) -> None:
    cores = count_cores()
    classifiers = {threads: dccausal.OnnxClassifier(model, threads=threads) for threads in sorted({1, cores})}
    settings = [(threads, batch) for threads in classifiers for batch in BATCHES]
    blocks: dict[tuple[int, int], list[float]] = {setting: [] for setting in settings}
    for _ in range(5):  # interleaved, so that a slow moment hits all of them
        for threads, batch in settings:
            blocks[threads, batch].append(seconds_per_image(classifiers[threads], batch, 64))
    ceilings = {setting: statistics.median(times) for setting, times in blocks.items()}
    for (threads, batch), seconds in ceilings.items():
        rows.append(
            {"what": "onnxruntime alone", "setting": f"threads {threads}, batch {batch}", "ms": seconds * 1e3}
        )
    best_threads, best_batch = min(ceilings, key=ceilings.__getitem__)
    ratios: dict[str, list[float]] = {}
    for profile in ("default", "paper"):
        classifier = dccausal.OnnxClassifier(model)
        for repeat in range(repeats):
            start = time.perf_counter()
            found = dccausal.explain(photo, classifier, profile=profile, seed=repeat)
            wall = time.perf_counter() - start
            stats = found.statistics
            calls = stats["model_calls"]
            ceiling = seconds_per_image(classifiers[best_threads], best_batch, calls)
            ratios.setdefault(profile, []).append(wall / (calls * ceiling))
            rows.append(
                {
                    "what": f"explain, profile {profile}",
                    "setting": f"seed {repeat}, batch {classifier.batch_size}, threads {classifier.threads}",
                    "ms": wall * 1e3,
                    "model_calls": calls,
                    "ceiling": f"{ceiling * 1e3:.3f} ms at threads {best_threads}, batch {best_batch}",
                    "ratio_to_ceiling": wall / (calls * ceiling),
                    "outside_model": 1 - stats["model_seconds"] / wall,
                    "asked_of_all_subsets": 1 - stats["questions_saved"] / stats["questions"],
                }
            )
    for profile, values in ratios.items():
        middle, low, high = statistics.median(values), min(values), max(values)
        print(f"{profile}: wall / (calls x ceiling) median {middle:.3f}, {low:.3f} to {high:.3f}")


def measure_memory(model: str, rows: list[dict[str, object]]) -> None:
    """In a process of its own for each N: peaks never go down."""
    for partitions in (1, 10, 100, 200):
        command = [sys.executable, __file__, "--memory", str(partitions), "--model", model]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(
            {
                "what": "memory above the session, batch 64",
                "setting": f"N = {partitions}",
                "MiB": float(run.stdout),
            }
        )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(model: str, partitions: int) -> None:
    classifier = dccausal.OnnxClassifier(model, batch_size=64)
    photo = demo_photo()
    x, _ = classifier.prepare(photo)
    tensor = np.repeat(classifier.encode(x[None]), 64, axis=0)
    # ONNX Runtime's arena grows with every new shape, and once more when it has planned it: that is the session's.
    for rows in (*range(64, 0, -1), *range(64, 0, -1)):
        classifier.run(tensor[:rows])
    del tensor
    loaded = peak_mib()
    dccausal.explain(
        photo, classifier, partitions=partitions, world="contingency", min_side=0.25, weighting="leaf"
    )
    print(peak_mib() - loaded)


def measure_core(rows: list[dict[str, object]]) -> None:
    for world in ("intact", "contingency"):
        times = []
        for seed in range(7):
            start = time.perf_counter()
            search = _core.Search(
                224,
                224,
                partitions=50,
                seed=seed,
                world=world,
                weighting="shares",
                min_side=0.1,
                refine_equal=False,
                concentration=1,
                wave=50,
            )
            inside = 0.0
            while (batch := search.propose(64)) is not None:
                mark = time.perf_counter()
                corners = batch.rectangles()
                hits = (
                    (corners[..., 0] <= 100)
                    & (corners[..., 2] > 100)
                    & (corners[..., 1] <= 90)
                    & (corners[..., 3] > 90)
                )
                other = (
                    (corners[..., 0] <= 180)
                    & (corners[..., 2] > 180)
                    & (corners[..., 1] <= 40)
                    & (corners[..., 3] > 40)
                )
                passing = ~(hits.any(axis=1) | other.any(axis=1))
                scores = np.zeros(len(batch), np.float32)
                inside += time.perf_counter() - mark
                search.submit(batch.id, passing, scores)
            search.heatmap()
            times.append((time.perf_counter() - start - inside, search.n_calls))
        seconds, calls = min(times)
        rows.append(
            {
                "what": "core alone, 224x224, N = 50",
                "setting": world,
                "ms": seconds * 1e3,
                "model_calls": calls,
                "us_per_question": seconds / calls * 1e6,
            }
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=None)
    parser.add_argument("--photo", default=None)
    parser.add_argument("--out", default=str(Path(__file__).parent / "record"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = options.model or str(default_model())
    if options.memory is not None:
        memory(model, options.memory)
        return
    import onnxruntime

    rows: list[dict[str, object]] = []
    measure_speed(model, options.photo or demo_photo(), options.repeats, rows)
    measure_memory(model, rows)
    measure_core(rows)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    machine = {
        "date": today,
        "commit": commit(),
        "machine": f"{cpu_name()}, {count_cores()} cores, {platform.machine()}",
        "versions": f"dccausal {dccausal.__version__}, onnxruntime {onnxruntime.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}",
        "model": Path(model).name,
    }
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path = Path(options.out) / f"cpu-{today}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *machine], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            plain = {
                key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()
            }
            print("  ".join(f"{key} {value}" for key, value in plain.items()))
            writer.writerow({**plain, **machine})
    print(f"written to {path}")


if __name__ == "__main__":
    main()
