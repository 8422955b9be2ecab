"""
A campaign of faults: damaged images and models, classifiers that misbehave, kills, full disks, hostile uploads.

    python bench/faults.py [--part images|models|classifiers|kills|disk|border|service|report ...] [--n N] [--seed S]

Each case has a process of its own. It survives with an error of the tree or a right result, within 20 seconds of CPU
and a gigabyte, and if nothing is lost and no thread or file is left. A row for each part goes to a record under
bench/record/; the exit code is 1 if a case did harm. Linux only. Without --n a part is as large as its module says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

# Before ONNX Runtime is imported: its telemetry has threads, which do not survive a fork.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ["DCCAUSAL_CALIBRATION"] = "off"

from faults.trial import shown, summary
from recording import RECORDS, write_record
from recording import shown as line

PARTS = ("images", "models", "classifiers", "kills", "disk", "border", "service", "report")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="several are possible; all by default")
    parser.add_argument("--n", type=int, help="cases of each part, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, default=RECORDS)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of damaged files; newer Pythons warn of forking, too
    rows = []
    for name in options.part or PARTS:
        part = import_module(f"faults.{name}")
        print(f"{name}:", flush=True)
        start = time.perf_counter()
        outcomes = list(shown(part.run(options.n or part.N, options.seed)))
        rows.append(summary(name, options.seed, outcomes, time.perf_counter() - start))
        print(line({key: value for key, value in rows[-1].items() if key != "what"}), flush=True)
    if not options.no_record:
        write_record("faults", rows, options.record)
    return int(any(row["harmful"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
