"""Disks that are full, small, read-only or lose what was on them; needs the right to mount, or skips that."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from faults.commands import difference, explain, finished, start, state, workplace
from faults.trial import Outcome

N = 30
_COMMANDS = (
    ("report", "{at}/run"),
    ("report", "{at}/run", "--out", "{at}/r.html"),
    ("table", "{at}/run", "--out", "{at}/t.csv"),
    ("plant", "photos", "--out", "{at}/set"),
    explain("--out", "{at}/other"),
    ("explain", "photos/p0.png", *explain()[2:], "--out", "{at}/single"),
)


def run(n: int, _seed: int) -> Iterator[Outcome]:
    with workplace() as folder:
        finished(start(folder, *explain("--out", "whole")))
        wanted = state(folder / "whole")
        for limit in (20, 200, 2000, 20_000):
            yield _with_small_files(folder, limit)
        yield from _in_the_way(folder)
        yield from _lost(folder)
        place = folder / "disk"
        place.mkdir()
        if not _mount(place, "1m"):
            return
        subprocess.run(["umount", str(place)], check=False)
        for kib in range(8, 8 + 16 * max(1, n - 14), 16):
            yield _small(folder, place, kib, wanted)
        yield from _full(folder, place)
        yield from _read_only(folder, place)


def _mount(place: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _mounted(place: Path, size: str) -> Iterator[None]:
    _mount(place, size)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def _judged(name: str, code: int, said: str, folder: Path) -> Outcome:
    """A line that says why, no bug, and nothing unfinished left."""
    if code == -1000:
        return Outcome(name, "hang", said)
    if "Traceback" in said or "bug in dccausal" in said:
        return Outcome(name, "raw", said[-300:])
    left = [path.name for path in folder.rglob("*.tmp")]
    if left:
        return Outcome(name, "left", str(left[:3]))
    return Outcome(name, "right" if code == 0 else "error", f"{code} {said[-100:]}")


def _small(folder: Path, place: Path, kib: int, wanted: dict) -> Outcome:
    """A run that fills a disk goes on once there is room, and ends as an undisturbed one."""
    with _mounted(place, f"{kib}k"):
        name = f"a disk of {kib} KiB"
        outcome = _judged(name, *finished(start(folder, *explain("--out", "disk/run"))), place)
        if not outcome.survived:
            return outcome
        subprocess.run(["mount", "-o", "remount,size=30m", str(place)], check=False)
        code, said = finished(start(folder, *explain("--out", "disk/run", "--resume")))
        found = state(place / "run")
        if found != wanted:
            return Outcome(name, "wrong", f"{code}, {difference(found, wanted)}: {said[-200:]}")
        return outcome


def _full(folder: Path, place: Path) -> Iterator[Outcome]:
    with _mounted(place, "20m"):
        finished(start(folder, *explain("--out", "disk/run")))
        with contextlib.suppress(OSError), (place / "fill").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        before = state(place / "run")
        for command in _COMMANDS:
            arguments = [word.format(at="disk") for word in command]
            outcome = _judged(f"full: {' '.join(arguments[:2])}", *finished(start(folder, *arguments)), place)
            yield outcome
        lost = difference(state(place / "run"), before)
        yield Outcome("full: what was there", "wrong" if lost else "right", lost)


def _read_only(folder: Path, place: Path) -> Iterator[Outcome]:
    with _mounted(place, "20m"):
        shutil.copytree(folder / "whole", place / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=False)
        for command in _COMMANDS:
            arguments = [word.format(at="disk") for word in command]
            yield _judged(
                f"read-only: {' '.join(arguments[:2])}", *finished(start(folder, *arguments)), place
            )


def _with_small_files(folder: Path, limit: int) -> Outcome:
    """A limit on the size of a file, as ``ulimit -f`` sets it."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    shutil.rmtree(folder / "limited", ignore_errors=True)
    process = start(folder, *explain("--out", "limited"), preexec_fn=limited)
    return _judged(f"files of {limit} bytes", *finished(process), folder / "limited")


def _in_the_way(folder: Path) -> Iterator[Outcome]:
    """Files where folders should be, and folders where files should be."""
    for name in (
        "taken",
        "taken/images",
        "taken/images/p3",
        "taken/images/p0/result.json/",
        "taken/results.jsonl/",
    ):
        shutil.rmtree(folder / "taken", ignore_errors=True)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("x")
        yield _judged(
            f"in the way: {name}", *finished(start(folder, *explain("--out", "taken"))), folder / "photos"
        )
        if path.is_file() and path.read_text() != "x":
            yield Outcome(f"in the way: {name}", "wrong", "it was overwritten")
        if path.is_file():
            path.unlink()


def _lost(folder: Path) -> Iterator[Outcome]:
    """A folder that is removed while it is written to."""
    for what in (".", "images"):
        process = start(folder, *explain("--out", "lost"))
        while process.poll() is None and not (folder / "lost" / "images").exists():
            pass
        shutil.rmtree(folder / "lost" / what, ignore_errors=True)
        yield _judged(f"removed: lost/{what}", *finished(process), folder / "photos")
        shutil.rmtree(folder / "lost", ignore_errors=True)
