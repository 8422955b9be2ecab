"""The processor, and the cores that this process may use."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path


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
