"""The paper's table, whole: its methods and today's, on photographs and on occluded digits with both of its networks.

Run ``python bench/paper.py run PART ... --runs FOLDER`` for the rows, ``... cost --runs FOLDER`` for processor time,
and ``... table --runs FOLDER --record FOLDER --plot FILE.png`` for what they amount to. Parts that were ended early go
on where they were; ``--anew`` begins them again, which is for the defaults when those have changed. ``--shared`` names
the folder with ``data/`` and ``models/``. The digits and their networks are made by ``models/make_compositional.py``.

Each part takes as many photographs as its methods allow on two cores. The same seed draws them, and those of a smaller
number are among those of a larger one, so that methods are compared on the photographs that both have seen.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from paper_parts import DATA, DIGITS, EARLIER, PARTS, WHITE_BOX, Part
from paper_table import table

SEED = 5
_MANY = 100  # pictures from which a sheet of two dozen is drawn


def command(part: Part, out: Path, options: argparse.Namespace) -> list[str]:
    """Return the command that measures a part."""
    data = DATA[part.data]
    root = options.digits if part.data in DIGITS else options.shared
    truth = root / data.truth
    if part.among:
        chosen = options.runs / f"among-{part.among}"
        chosen.write_text(_only(truth.read_text(), (EARLIER / part.among).read_text()))
        truth = chosen
    words = [str(root / data.images), "--truth", str(truth), "--model", str(root / data.model)]
    if data.preprocess is not None:
        path = options.runs / f"{part.data}.json"
        path.write_text(json.dumps(data.preprocess))
        words += ["--preprocess", str(path)]
    words += ["--baseline", data.baseline, "--methods", part.methods, "--n", str(part.n)]
    words += ["--seed", str(SEED), "--min-confidence", "0.5", "--threads", str(options.threads)]
    words += ["--device", "cpu", "--no-plots", "--quiet", "--sheet", "24" if part.n >= _MANY else "4"]
    words += ["--out", str(out), *part.more]
    return [sys.executable, "-m", "dccausal", "evaluate", *words]


def run(options: argparse.Namespace) -> None:
    """Measure parts, one after the other."""
    options.runs.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        out = options.runs / name
        if options.anew and out.exists():
            shutil.rmtree(out)
        words = command(PARTS[name], out, options)
        if (out / "evaluation.jsonl").exists():
            words.append("--resume")
        with subprocess.Popen(words) as process:
            try:
                code = process.wait(options.seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                code = process.wait()
        print(f"{name}: {'done' if code == 0 else f'ended with {code}'}", flush=True)


def cost(options: argparse.Namespace) -> None:
    """Write the processor's seconds of each method for one photograph: they hardly depend on what else runs."""
    from dccausal import OnnxClassifier
    from dccausal.methods import explain_with

    data = DATA["photographs"]
    classifier = OnnxClassifier(options.shared / data.model, preprocess=data.preprocess, threads=1)
    photo = min((options.shared / data.images).iterdir())
    path = options.runs / "cost.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in options.methods.split(","):
        method, *parts = name.split(":")
        settings = {key: int(value) for key, value in (part.split("=") for part in parts)}
        explain_with(method, photo, classifier, max_calls=60)  # what is built once is built
        start = time.process_time()
        explained = explain_with(method, photo, classifier, in_flight=1, min_confidence=0.5, **settings)
        spent = time.process_time() - start
        found[name] = {"seconds": round(spent, 2), "calls": explained.statistics["model_calls"]}
        print(name, found[name], flush=True)
        path.write_text(json.dumps(found, indent=1) + "\n")


def _only(truth: str, record: str) -> str:
    """Return the lines of a truth file on the photographs that a record has."""
    files = {row["file"] for row in csv.DictReader(record.splitlines())}
    head, *lines = truth.splitlines()
    return "\n".join([head, *(line for line in lines if line.split(",")[0] in files)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for function in (run, cost, table):
        sub = commands.add_parser(function.__name__, help=function.__doc__)
        sub.set_defaults(function=function)
        sub.add_argument("--runs", type=Path, required=True, help="folder of the runs")
        sub.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
        if function is run:
            sub.add_argument("parts", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
            sub.add_argument(
                "--digits", type=Path, default=Path("digits"), help="what make_compositional wrote"
            )
            sub.add_argument("--anew", action="store_true", help="begin again")
            sub.add_argument("--threads", type=int, default=1)
            sub.add_argument(
                "--seconds", type=float, help="end each part after so long; it can be gone on with"
            )
        elif function is cost:
            sub.add_argument("--methods", default=f"dc-causal,{WHITE_BOX}")
        else:
            sub.add_argument("--record", type=Path, required=True)
            sub.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
