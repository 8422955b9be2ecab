"""How ONNX Runtime is best given the cores of a CPU, by measurement.

Run ``python bench/threads.py [--model FILE ...] [--cores 1 2 ...] [--out FOLDER]``. For each number of cores, set by
affinity in a process of its own, all arrangements take turns in short blocks, so that a slow moment hits all of them:

- "pool": one caller, and as many threads inside a run as there are cores, which spin or sleep between operations;
- "callers": a run has one thread, and there are as many callers as cores, on one session.

Each over several batch sizes; and for each, a round that asks for n images and waits for all of them, for n = 1 to 16,
cut into the batches that the arrangement likes: the end of a search asks a few questions at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dccausal._shared.cores import count_cores
from dccausal.assets.default_model import default_model

sys.path[:0] = [str(Path(__file__).parent)]
from recording import RECORDS, shown, write_record  # noqa: E402

BATCHES = (1, 2, 4, 8, 16)
ROUNDS = (1, 2, 3, 4, 8, 16)


class Arrangement:
    """A session and its callers."""

    def __init__(
        self,
        model: str,
        n_threads: int,
        n_callers: int,
        *,
        spins: bool,
        size: tuple[int, int] = (224, 224),
        n_most: int = max(BATCHES),
    ) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape[1:]
        sides = iter(size)
        shape = [side if isinstance(side, int) else next(sides) for side in shape]
        self._images = np.random.default_rng(0).random((n_most, *shape), dtype=np.float32)
        self._n_callers = n_callers
        self._pool = ThreadPoolExecutor(n_callers)
        name = "callers" if n_callers > 1 else "pool"
        self.name = f"{name}, {n_threads} threads a run, {n_callers} callers"
        if n_threads > 1:
            self.name += ", spinning" if spins else ", no spinning"

    def _run(self, n: int) -> None:
        self._session.run(None, {self._input.name: self._images[:n]})

    def stream(self, n: int, batch: int) -> float:
        """Seconds an image, where there is always a next batch."""
        runs = max(self._n_callers, n // batch)
        start = time.perf_counter()
        list(self._pool.map(self._run, [batch] * runs))
        return (time.perf_counter() - start) / (runs * batch)

    def rounds(self, n: int, size: int, batch: int) -> float:
        """Seconds an image, where every round of ``size`` waits for the last."""
        share = min(batch, -(-size // self._n_callers))
        cut = [min(share, size - at) for at in range(0, size, share)]
        n_rounds = max(1, n // size)
        start = time.perf_counter()
        for _ in range(n_rounds):
            list(self._pool.map(self._run, cut))
        return (time.perf_counter() - start) / (n_rounds * size)


def measure(model: str, n_images: int, repeats: int) -> list[dict[str, Any]]:
    cores = count_cores()
    found = [Arrangement(model, cores, 1, spins=True)]
    if cores > 1:
        found += [Arrangement(model, cores, 1, spins=False), Arrangement(model, 1, cores, spins=False)]
    steps = [("stream", batch) for batch in BATCHES] + [("rounds of", size) for size in ROUNDS]
    times: dict[tuple[str, str, int], list[float]] = {}
    for repeat in range(repeats + 1):
        for what, n in steps:
            for one in found:
                seconds = one.stream(n_images, n) if what == "stream" else one.rounds(n_images // 2, n, 8)
                if repeat:  # the first is for the arenas
                    times.setdefault((one.name, what, n), []).append(seconds)
    return [
        {
            "cores": cores,
            "arrangement": name,
            "what": what,
            "n": n,
            "ms": statistics.median(values) * 1e3,
            "ms_low": min(values) * 1e3,
            "ms_high": max(values) * 1e3,
        }
        for (name, what, n), values in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=None)
    parser.add_argument("--cores", nargs="+", type=int, default=None)
    parser.add_argument("--images", type=int, default=32, help="of a block")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RECORDS)
    parser.add_argument("--child", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.child])
        print(json.dumps(measure(options.model[0], options.images, options.repeats)))
        return
    rows: list[dict[str, Any]] = []
    n_cores = count_cores()
    with tempfile.TemporaryDirectory() as temporary:
        chosen = options.model
        if chosen is None:
            import models as speed_models

            chosen = [str(default_model()), str(speed_models.write(Path(temporary), "small"))]
        for model in chosen:
            for cores in options.cores or sorted({1, 2, n_cores // 2 or 1, n_cores}):
                if cores > n_cores:
                    continue
                command = [sys.executable, __file__, "--model", model, "--child", str(cores)]
                command += ["--images", str(options.images), "--repeats", str(options.repeats)]
                run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                for row in json.loads(run.stdout):
                    rows.append({"model": Path(model).name, **row})
                    print(shown(rows[-1]))
    write_record("threads", rows, options.out)


if __name__ == "__main__":
    main()
