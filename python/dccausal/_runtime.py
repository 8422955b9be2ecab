"""Finding ONNX Runtime, and the cores that this process may use."""

from __future__ import annotations

import importlib
import math
import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from dccausal.errors import RuntimeMissingError

# Distributions that all write the module `onnxruntime`: the one installed last wins, removing one breaks the
# other.
_DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-training",
)


def find_runtime() -> Any:
    """
    Return the module ``onnxruntime``.

    Raises
    ------
    RuntimeMissingError
        If it is not installed, installed more than once, or cannot be loaded.

    """
    found = [(name, version) for name in _DISTRIBUTIONS if (version := _version(name)) is not None]
    if len(found) > 1:
        listed = " and ".join(f"{name} {version}" for name, version in found)
        raise RuntimeMissingError(
            f"{listed} are installed together and overwrite each other's files; exactly one is needed: "
            f"pip uninstall {' '.join(name for name, _ in found)}, "
            'then pip install "dccausal[cpu]" or "dccausal[gpu]"'
        )
    try:
        return importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise RuntimeMissingError(f"onnxruntime cannot be loaded: {error}") from error
        raise RuntimeMissingError(
            "ONNX Runtime is not installed; one of its two builds is needed: "
            'pip install "dccausal[cpu]" or, for CUDA, pip install "dccausal[gpu]"'
        ) from error
    except ImportError as error:
        raise RuntimeMissingError(
            f"onnxruntime is installed but cannot be loaded ({error}); a build for this machine is needed"
        ) from error


def _version(distribution: str) -> str | None:
    from importlib import metadata  # takes longer than the rest of this package's modules together

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


# Each run at once has activations of its own, so there are not as many as a large machine has cores.
_MOST_RUNS = 8
# Up to so many cores a run has all of them: a round seldom has a whole number of questions for each core, and what
# that leaves idle is more than what threads lose by waiting for each other.
_FEW = 2


class Arrangement(NamedTuple):
    """
    How the cores of a CPU are shared out.

    Attributes
    ----------
    runs
        Runs of the model at once.
    within
        Threads that ONNX Runtime computes a single run with; those beyond the first are shared by all runs.

    """

    runs: int
    within: int


def arrange(threads: int, *, is_full: bool = False) -> Arrangement:
    """
    Return how ``threads`` threads are best used, by measurement on two cores (``bench/cpu.py``, ``bench/threads.py``).

    A run on one thread never waits for others, where one on several does after every operation; but a round of
    three questions takes two cores as long as one of four. ``is_full`` says that there are always questions enough.
    """
    runs = 1 if threads <= _FEW and not is_full else min(threads, _MOST_RUNS)
    return Arrangement(runs, 1 + threads - runs)


def find_cpu(root: Path = Path("/")) -> str:
    """Return what the processor calls itself, as far as the system tells."""
    lines = _read(root / "proc/cpuinfo").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def count_cores(root: Path = Path("/")) -> int:
    """
    Return how many cores this process may keep busy: its affinity, limited by its control group's quota.

    ONNX Runtime looks at neither and starts a thread for every core of the machine. ``root`` is where the
    files of the system are looked for.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(root)
    return n_cores if quota is None else max(1, min(n_cores, math.ceil(quota)))


def _cpu_quota(root: Path) -> float | None:
    """Return the cores that the narrowest of this process's control groups allows; None without a limit."""
    quotas = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            base, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        here = base / group.lstrip("/")
        # In a container the path may be the host's, which is not there; the container's own group is the
        # base.
        folders = [here, *here.parents[: max(0, len(here.parts) - len(base.parts))]]
        quotas += [quota for folder in {*folders, base} if (quota := read(folder)) is not None]
    return min(quotas, default=None)


def _quota_v2(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split()
    return _ratio(*words) if len(words) == 2 else None  # noqa: PLR2004


def _quota_v1(folder: Path) -> float | None:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    """Return quota / period in cores; None for "max", -1 and whatever is no number."""
    try:
        used, whole = int(quota), int(period)
    except ValueError:
        return None
    return used / whole if used > 0 and whole > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
