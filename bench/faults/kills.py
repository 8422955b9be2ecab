"""Kills at random moments of a run, a report, a planted set, an evaluation, the cache; done again, all is right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.commands import FAST, difference, explain, finished, start, state, workplace
from faults.trial import Outcome

N = 100
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_EVALUATE = (
    *("evaluate", "photos", "--truth", "truth.csv", "-m", "model.onnx", "--no-plots", "--device", "cpu"),
    *("--methods", "dc-causal:partitions=3:grid=8,random:grid=8", "--out", "evaluation", "--resume"),
)


def run(n: int, seed: int) -> Iterator[Outcome]:
    chance = random.Random(seed)  # noqa: S311
    with workplace() as folder:
        parts = list(_parts(folder))
        wanted = {}
        for name, arguments, out, look in parts:
            code, said = finished(start(folder, *arguments))
            wanted[name] = (code, look(folder / out))
            if code not in (0, 2):
                yield Outcome(f"{name}, undisturbed", "raw", said[-200:])
                wanted.pop(name)
        parts = [part for part in parts if part[0] in wanted]
        for i in range(n):
            name, arguments, out, look = parts[i % len(parts)]
            yield _killed(f"{i} {name}", folder, arguments, out, look, wanted[name], chance)


def _parts(folder: Path) -> Iterator[tuple[str, tuple[str, ...], str, Callable[[Path], Any]]]:
    yield "run", explain("--out", "run", "--resume"), "run", state
    yield "run again", explain("--out", "run", "--resume"), "run", state
    yield "report", ("report", "run", "--out", "report/report.html"), "report", _names
    yield "plant", ("plant", "photos", "--out", "set"), "set", state
    yield "evaluate", _EVALUATE, "evaluation", _table
    yield "cache", ("explain", "photos/p0.png", *FAST, "--out", "one"), "cache", _names
    del folder


def _names(folder: Path) -> Any:
    """What is there, without unfinished files; contents have times in them."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")


def _table(folder: Path) -> Any:
    return state(folder)["rows"]


def _killed(
    name: str,
    folder: Path,
    arguments: tuple[str, ...],
    out: str,
    look: Callable[[Path], Any],
    wanted: tuple[int, Any],
    chance: random.Random,
) -> Outcome:
    """Kill a command once or more, then let it end."""
    if out != "run" or chance.random() < 0.7:
        shutil.rmtree(folder / out, ignore_errors=True)
    for _ in range(chance.choice([1, 1, 2])):
        process = start(folder, *arguments, preexec_fn=_heed_interrupts)
        end = time.monotonic() + chance.uniform(0.1, 2.5)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(chance.choice(SIGNALS))
        code, said = finished(process)
        # Where Python itself was still starting, nobody could have taken the interrupt.
        is_early = said.rstrip().endswith("KeyboardInterrupt") and "cli/app.py" not in said
        if ("Traceback" in said and not is_early) or "bug in dccausal" in said or code == -1000:
            return Outcome(name, "raw", said[-200:])
    code, said = finished(start(folder, *arguments))
    if code != wanted[0]:
        return Outcome(name, "wrong", f"exit code {code}, {wanted[0]} undisturbed: {said[-200:]}")
    found = look(folder / out)
    if found != wanted[1]:
        what = difference(found, wanted[1]) if isinstance(found, dict) else "differs from the undisturbed one"
        return Outcome(name, "wrong", what)
    left = [str(path) for path in folder.rglob("*.tmp")]
    return Outcome(name, "left", str(left[:3])) if left and "run" in name else Outcome(name, "right", "")


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgrp()
