"""Records of measurements: CSV files that name machine, versions and commit in every line."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import os
import platform
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dccausal
from dccausal._shared.cores import count_cores


class Others:
    """Cores that other processes have kept busy since this was made; None where the system does not tell."""

    def __init__(self) -> None:
        self._before = self._busy(), self._own(), time.perf_counter()

    def cores(self) -> float | None:
        busy, own, now = self._before
        here = self._busy()
        if busy is None or here is None:
            return None
        return max(0.0, (here - busy - (self._own() - own)) / (time.perf_counter() - now))

    @staticmethod
    def _busy() -> float | None:
        try:
            numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        except (OSError, ValueError):
            return None
        return (sum(numbers[:8]) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own() -> float:
        spent = os.times()
        return spent.user + spent.system + spent.children_user + spent.children_system


def peak_mib(process: int | str = "self") -> float:
    """Return the peak of a process; what getrusage tells has the peak of the process that started it in it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if process == "self" else 0.0


RECORDS = Path(__file__).parent / "record"


def commit() -> str:
    run = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "unknown"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def machine(device: str = "") -> dict[str, str]:
    import onnxruntime

    name = f"{device}; " if device else ""
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "commit": commit(),
        "machine": f"{name}{cpu_name()}, {count_cores()} cores, {platform.machine()}",
        "versions": f"dccausal {dccausal.__version__}, onnxruntime {onnxruntime.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}",
    }


def shown(row: Mapping[str, Any]) -> str:
    return "  ".join(f"{k} {_plain(v)}" for k, v in row.items() if v is not None)


def write_record(name: str, rows: Sequence[Mapping[str, Any]], folder: Path, device: str = "") -> Path:
    """Write the rows to ``folder/name-DATE.csv``, with the machine in each."""
    here = machine(device)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path = folder / f"{name}-{here['date']}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *here], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**{key: _plain(value) for key, value in row.items()}, **here})
    print(f"written to {path}")
    return path


def _plain(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
