"""
How many images a run of a model is fastest with on this CPU, found out once by trying.

A trial takes at most a quarter of a second, at the first load of a model on a machine; what it found is kept in
the user's cache folder. A file there that is damaged or cannot be written costs another trial and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dccausal._shared.cache import cache_folder
from dccausal._shared.cores import find_cpu
from dccausal._shared.files import read_bytes, write_files
from dccausal.errors import DccausalError, OutputError
from dccausal.onnx.failures import brief
from dccausal.onnx.reading.trial import sample_images
from dccausal.onnx.running.runner import Runner

SWITCH = "DCCAUSAL_CALIBRATION"
FOLDER = "batch-sizes"

_log = logging.getLogger("dccausal")

_SIZES = (1, 2, 4, 8, 16)
_BUDGET_S = 0.25
_MIN_PASSES = 3
# A smaller batch leaves less unfilled at the end of a round, so a larger one has to be this much faster.
_WORTH = 0.98
# What passes between two runs: verdicts are taken and the next images are drawn, with caches that the model has filled.
_BETWEEN_RUNS_S = 0.3e-3


def calibrate(
    runner: Runner, sha256: str, version: str, environ: Mapping[str, str] = os.environ
) -> str | None:
    """
    Set the number of images a run to the best known, or found out now.

    Parameters
    ----------
    runner
        The model's, on the CPU.
    sha256
        Of the model.
    version
        ONNX Runtime's.
    environ
        ``DCCAUSAL_CALIBRATION=off`` in it switches this off, ``DCCAUSAL_CACHE`` names the folder.

    Returns
    -------
    str or None
        "remembered" or "measured"; None where the number was left as it was, since it is switched off, or
        since the model is so slow that two sizes could not be compared in the time.

    """
    if environ.get(SWITCH, "").strip().lower() in ("off", "0", "no", "false"):
        return None
    cache_file = _cache_file(sha256, version, runner, environ)
    rows = _recall(cache_file)
    if rows is not None:
        runner.rows = rows
        return "remembered"
    try:
        times = measure(runner)
    except DccausalError as error:  # the number that was taken for granted may still do
        _log.debug("no batch size was found by trying: %s", brief(error))
        return None
    if len(times) < 2:  # noqa: PLR2004
        return None
    runner.rows = choose(times)
    _keep(cache_file, runner.rows, times)
    return "measured"


def measure(runner: Runner) -> dict[int, float]:
    """Return seconds an image by the number of images a run, of as many numbers as there is time for."""
    end = time.perf_counter() + _BUDGET_S
    before, runs = runner.rows, runner.runs
    images = sample_images(max(_SIZES), runner.reading.size)
    found: dict[int, list[float]] = {}

    def run(rows: int) -> float:
        runner.rows = rows
        tensor = tensors[: rows * runs]
        start = time.perf_counter()
        runner(tensor)
        return (time.perf_counter() - start) / len(tensor)

    try:
        tensors = runner.reading.encode(images[:1].repeat(runs, axis=0))
        run(1)
        seconds = run(1) * runs  # of a run with one image
        left = end - time.perf_counter()
        # A size that is tried is run once more, before, for its memory.
        sizes = [n for i, n in enumerate(_SIZES) if (_MIN_PASSES + 1) * sum(_SIZES[: i + 1]) * seconds < left]
        if len(sizes) < 2:  # noqa: PLR2004
            return {}
        tensors = runner.reading.encode(images.repeat(runs, axis=0)[: max(sizes) * runs])
        for rows in sizes:
            run(rows)
        n_passes = 0
        while n_passes < _MIN_PASSES or (
            time.perf_counter() + sum(sizes) * seconds < end and n_passes < 10 * _MIN_PASSES
        ):
            for rows in sizes:  # in turns, so that a slow moment hits all of them
                found.setdefault(rows, []).append(run(rows))
            n_passes += 1
            if time.perf_counter() > end:
                break
    finally:
        runner.rows = before
    return {rows: statistics.median(times) for rows, times in found.items()}


def choose(times: Mapping[int, float]) -> int:
    """Return the smallest size that is about as fast as the fastest, with what passes between two runs."""
    totals = {rows: seconds + _BETWEEN_RUNS_S / rows for rows, seconds in times.items()}
    best = min(totals.values())
    return min(rows for rows, seconds in totals.items() if seconds * _WORTH <= best)


def _cache_file(sha256: str, version: str, runner: Runner, environ: Mapping[str, str]) -> Path | None:
    """Return the file for a model on this machine as it is used; None without a cache folder."""
    how = [
        find_cpu(),
        platform.machine(),
        runner.opened.threads,
        runner.runs,
        version,
        list(runner.reading.size),
    ]
    machine = hashlib.sha256(json.dumps(how).encode()).hexdigest()
    with contextlib.suppress(DccausalError):
        return cache_folder(environ=environ) / FOLDER / f"{sha256[:16]}-{machine[:8]}.json"
    return None


def _recall(cache_file: Path | None) -> int | None:
    if cache_file is None:
        return None
    try:
        found: Any = json.loads(read_bytes(cache_file))
    except (OSError, ValueError, RecursionError):
        return None
    rows = found.get("batch_size") if isinstance(found, dict) else None
    return rows if isinstance(rows, int) and rows in _SIZES and not isinstance(rows, bool) else None


def _keep(cache_file: Path | None, rows: int, times: Mapping[int, float]) -> None:
    if cache_file is None:
        return
    content = {"batch_size": rows, "ms_an_image": {str(n): round(s * 1e3, 4) for n, s in times.items()}}
    try:
        write_files(cache_file.parent, {cache_file.name: (json.dumps(content) + "\n").encode()})
    except OutputError as error:
        _log.debug("the batch size could not be remembered: %s", error)
