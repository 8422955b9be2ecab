"""Finding ONNX Runtime, and the cores that this process may use."""

from __future__ import annotations

import importlib
import os
import sys
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


# ONNX Runtime 1.29 and later writes an id to the user's cache and sends reports, unless this is set when it is loaded.
TELEMETRY = "ORT_DISABLE_TELEMETRY"


def find_runtime() -> Any:
    """
    Return the module ``onnxruntime``, with its telemetry off unless the user's own ``ORT_DISABLE_TELEMETRY`` says else.

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
        return _without_telemetry()
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


def _without_telemetry() -> Any:
    is_loaded, is_users = "onnxruntime" in sys.modules, TELEMETRY in os.environ
    os.environ.setdefault(TELEMETRY, "1")
    runtime = importlib.import_module("onnxruntime")
    if is_loaded and not is_users:  # by somebody else, before it could be told
        switch_off = getattr(runtime, "disable_telemetry_events", None)
        if switch_off is not None:
            switch_off()
    return runtime


def telemetry() -> str:
    """Return "off" where ONNX Runtime's telemetry is, "user" where the user's variable leaves it on."""
    return "user" if os.environ.get(TELEMETRY, "").strip().lower() in ("0", "false", "no", "off") else "off"


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
