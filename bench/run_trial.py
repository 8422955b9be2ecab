"""A run over a thousand photographs that is killed again and again, held against one that is left alone.

Run ``python bench/run_trial.py [--n 1000] [--kills 3] [--seed 0] [--keep FOLDER]``. It makes small photographs around a
planted classifier, damages one in twenty, explains them undisturbed, and once more with SIGKILL at random points and
``--resume`` after each. Then every row of the table and every file are compared; times are all that may differ. Appends
a row to a CSV file under bench/record/. The exit code is 1 if anything differs. Linux or macOS.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from recording import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "models"))

from make_planted import plant, write  # noqa: E402  it is made importable above

DAMAGED_SHARE = 0.05
TIMES = ("seconds", "model_seconds")
RUN = "import sys; from dccausal.cli import main; sys.exit(main())"
# Ways in which files are damaged in the wild: empty, another kind, cut off, a block of zeros.
DAMAGES = (
    lambda _: b"",
    lambda _: b"<!DOCTYPE html><title>404</title>",
    lambda content: content[: len(content) // 2],
    lambda content: content[:100] + bytes(400) + content[500:],
)


def make(folder: Path, n: int, rng: np.random.Generator) -> int:
    """Write the model and the photographs; return how many are damaged."""
    scene = write(plant("needs_a_and_b", (64, 64)), folder)
    scene.path.rename(folder / "model.onnx")
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    scene.photo.unlink()
    damaged = set(rng.choice(n, round(DAMAGED_SHARE * n), replace=False).tolist())
    for i in range(n):
        path = folder / "photos" / f"{i // 100:02d}" / f"p{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path)
        if i in damaged:
            path.write_bytes(DAMAGES[i % len(DAMAGES)](path.read_bytes()))
    return len(damaged)


def start(folder: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    options = ["--recursive", "--partitions", "2", "--device", "cpu", "--threads", "1", "--quiet"]
    arguments = ["explain", "photos", "-m", "model.onnx", "--out", out, *options, *more]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def n_lines(table: Path) -> int:
    return table.read_bytes().count(b"\n") if table.exists() else 0


def disturb(folder: Path, out: str, goals: list[int], rng: random.Random) -> list[int]:
    """Kill the run when the table has these many lines, and a little later; return where it really was."""
    table, seen = folder / out / "results.jsonl", []
    for goal in goals:
        process = start(folder, out, "--resume")
        while process.poll() is None and n_lines(table) < goal:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            sys.exit(f"the run ended by itself with {process.returncode} before {goal} lines")
        seen.append(n_lines(table))
        print(f"killed with {seen[-1]} lines in the table")
    return seen


def rows_of(run: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in row.items() if k not in TIMES} for row in sorted(rows, key=lambda r: r["index"])
    ]


def content_of(path: Path) -> object:
    """Return a file's bytes; of a JSON document, what it says but for the times."""
    if path.name != "result.json":
        return path.read_bytes()
    document = json.loads(path.read_text())
    for name in (*TIMES, "seconds_by_phase"):
        document["statistics"].pop(name)
    return document


def differences(calm: Path, killed: Path, n: int) -> tuple[list[str], int]:
    """Return what differs between two runs, in words, and how many files were compared."""
    found = []
    if n_lines(killed / "results.jsonl") != n:
        found.append(f"{n_lines(killed / 'results.jsonl')} lines in the table, not {n}")
    pairs = zip(rows_of(calm), rows_of(killed), strict=False)
    found += [f"row {one['index']} differs" for one, other in pairs if one != other]
    names = [{str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()} for run in (calm, killed)]
    found += [f"{name} is in one run only" for name in sorted(names[0] ^ names[1])]
    common = sorted(names[0] & names[1] - {"results.jsonl"})
    found += [f"{name} differs" for name in common if content_of(calm / name) != content_of(killed / name)]
    return found, len(common)


def record(row: dict[str, object]) -> Path:
    path = ROOT / "bench" / "record" / f"run-trial-{row['date']}.csv"
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    return path


def trial(folder: Path, n: int, n_kills: int, seed: int) -> dict[str, object]:
    rng = random.Random(seed)  # noqa: S311
    n_damaged = make(folder, n, np.random.default_rng(seed))
    started = time.monotonic()
    if start(folder, "calm").wait() != 2:  # 2, as some photographs cannot be read
        sys.exit("the undisturbed run failed")
    calm_s = time.monotonic() - started
    print(f"undisturbed: {n} photographs in {calm_s:.0f} s")
    goals = sorted(rng.randrange(n // 20, n - n // 20) for _ in range(n_kills))
    seen = disturb(folder, "killed", goals, rng)
    if start(folder, "killed", "--resume").wait() != 2:
        sys.exit("the resumed run failed")
    found, n_files = differences(folder / "calm", folder / "killed", n)
    for text in found:
        print(text)
    failed = sum(row["error"] is not None for row in rows_of(folder / "killed"))
    return {
        "photographs": n,
        "damaged": n_damaged,
        "rows_with_error": failed,
        "kills_at_lines": " ".join(map(str, seen)),
        "rows_compared": n,
        "files_compared": n_files,
        "differences": len(found),
        "undisturbed_s": round(calm_s, 1),
        "seed": seed,
        **machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty or new folder for the runs, which is left there")
    given = parser.parse_args()
    # The first run would measure a batch size and the others remember it; results say which.
    os.environ["DCCAUSAL_CALIBRATION"] = "off"
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        row = trial(given.keep, given.n, given.kills, given.seed)
    else:
        with tempfile.TemporaryDirectory() as folder:
            row = trial(Path(folder), given.n, given.kills, given.seed)
    print(
        f"{row['files_compared']} files and {row['rows_compared']} rows compared, {row['differences']} differ"
    )
    print(f"recorded in {os.path.relpath(record(row))}")
    return 1 if row["differences"] or row["damaged"] != row["rows_with_error"] else 0


if __name__ == "__main__":
    sys.exit(main())
