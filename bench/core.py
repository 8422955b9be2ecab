"""What the compiled core costs by itself, without Python and without a model: ``cargo bench``, as a record.

Run ``python bench/core.py [--seconds 2] [--out FOLDER]``. Needs Rust; a minute or two on an idle machine. A line a
benchmark: the mean time with its 95 % interval, and what a question or a byte costs by it where the benchmark says
how many there are.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from recording import RECORDS, shown, write_record

ROOT = Path(__file__).parents[1]


def rows_of(folder: Path, since: float) -> list[dict[str, Any]]:
    """Read what criterion has estimated since then."""
    rows = []
    for path in sorted(folder.glob("**/new/estimates.json")):
        if path.stat().st_mtime < since:
            continue
        what = json.loads((path.parent / "benchmark.json").read_text())
        mean = json.loads(path.read_text())["mean"]
        interval = mean["confidence_interval"]
        amount = next(iter((what["throughput"] or {}).values()), None)
        unit = next(iter(what["throughput"] or {}), "").lower() or None
        rows.append(
            {
                "what": what["group_id"],
                "setting": what["function_id"],
                "ms": mean["point_estimate"] / 1e6,
                "ms_low": interval["lower_bound"] / 1e6,
                "ms_high": interval["upper_bound"] / 1e6,
                "amount": amount,
                "unit": unit,
                "ns_each": mean["point_estimate"] / amount if amount else None,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="a benchmark")
    parser.add_argument("--out", type=Path, default=RECORDS)
    options = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    start = time.time()
    how = ["--noplot", "--warm-up-time", "1", "--measurement-time", str(options.seconds)]
    subprocess.run(["cargo", "bench", "--quiet", "--bench", "core", "--", *how], cwd=ROOT, check=True)
    rows = rows_of(target / "criterion", start)
    for row in rows:
        print(shown(row))
    write_record("core", rows, options.out)


if __name__ == "__main__":
    main()
