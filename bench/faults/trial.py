"""
One case, tried in a process of its own, with limits of time and memory.

Survived means: an error of the tree or a right result, within 20 seconds and a gigabyte, and no thread and no file
descriptor left behind.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MOST_S, MOST_MIB = 20.0, 1024.0
_WALL_S = 120  # the limit is one of CPU time; a case that sleeps for ever ends here
_ADDRESS_SPACE = 12 << 30
GOOD = ("right", "error")


@dataclass(frozen=True)
class Outcome:
    """
    What became of a case.

    Attributes
    ----------
    name
        Of the case.
    kind
        "right", "error" (of the tree); "wrong", "raw" (another exception), "hang", "crash", "memory", "left".
    text
        What it says.
    seconds, mib
        CPU time, and the peak of memory beyond what was taken before.

    """

    name: str
    kind: str
    text: str
    seconds: float = 0.0
    mib: float = 0.0

    @property
    def survived(self) -> bool:
        return self.kind in GOOD


class Wrong(AssertionError):  # noqa: N818  what came is wrong
    """A result came, and it is not right."""


def tried(
    name: str, call: Callable[[], object], *, seconds: float = MOST_S, mib: float = MOST_MIB
) -> Outcome:
    """Call in a forked child, and return what became of it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_careful(seconds)
        os.write(writer, json.dumps(asdict(_call(name, call))).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:  # noqa: PTH123  a descriptor
        said = stream.read()
    status = os.waitpid(child, 0)[1]
    if not said:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        is_hang = number in (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL)
        return Outcome(name, "hang" if is_hang else "crash", f"signal {number}", seconds if is_hang else 0.0)
    outcome = Outcome(**json.loads(said))
    if outcome.survived and outcome.seconds > seconds:
        return Outcome(name, "hang", f"{outcome.seconds:.0f} s", outcome.seconds, outcome.mib)
    if outcome.survived and outcome.mib > mib:
        return Outcome(name, "memory", f"{outcome.mib:.0f} MiB", outcome.seconds, outcome.mib)
    return outcome


def _be_careful(seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 3))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_WALL_S)
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _call(name: str, call: Callable[[], object]) -> Outcome:
    from dccausal import DccausalError

    before, start = _taken(), time.process_time()
    memory = memory_mib("VmRSS")
    try:
        kind, text = "right", str(call() or "")[:120]
    except DccausalError as error:
        kind, text = "error", f"{type(error).__name__}: {str(error)[:200]}"
    except Wrong as error:
        kind, text = "wrong", str(error)[:300]
    except BaseException as error:  # noqa: BLE001  that is what is looked for
        kind, text = "raw", f"{type(error).__name__}: {_said(error)} {_where(error)}"
    seconds, peak = time.process_time() - start, max(0.0, memory_mib("VmHWM") - memory)
    gc.collect()
    left = _taken()
    if kind in GOOD and left != before:
        kind, text = "left", f"threads and descriptors: {before} before, {left} after"
    return Outcome(name, kind, text.encode("ascii", "backslashreplace").decode(), seconds, peak)


def _taken() -> tuple[int, int]:
    return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _said(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except Exception:  # noqa: BLE001
        return "it does not say"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def memory_mib(what: str, process: int | str = "self") -> float:
    """Return a process's memory: VmRSS by now, VmHWM its peak."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition(f"{what}:")[2].split()[0]) / 1024


def summary(part: str, seed: int, outcomes: Iterable[Outcome], seconds: float) -> dict[str, Any]:
    """Return a part's row of the record."""
    all_of_them = list(outcomes)
    harmful = [one for one in all_of_them if not one.survived]
    return {
        "part": part,
        "seed": seed,
        "n": len(all_of_them),
        "right": sum(one.kind == "right" for one in all_of_them),
        "errors": sum(one.kind == "error" for one in all_of_them),
        "harmful": len(harmful),
        "most_cpu_s": max((one.seconds for one in all_of_them), default=0.0),
        "most_mib": max((one.mib for one in all_of_them), default=0.0),
        "seconds": seconds,
        "what": "; ".join(f"{one.name}: {one.kind} {one.text}" for one in harmful)[:2000],
    }


def shown(outcomes: Iterable[Outcome], n_more: int = 100) -> Iterator[Outcome]:
    """Print what does harm as it comes, and how far it is."""
    for i, outcome in enumerate(outcomes, 1):
        if not outcome.survived:
            print(f"  {outcome.name}: {outcome.kind}, {outcome.text}", flush=True)
        if i % n_more == 0:
            print(f"  {i} tried", flush=True)
        yield outcome
