"""
Do two versions of the package give the same results? Both are installed from wheels and asked the same.

    python bench/same_results.py OLD.whl NEW.whl --model MODEL.onnx --photos FOLDER --record FILE.csv

Compared are the bytes of heatmap and kept pixels, the outcome and the model calls: for every photograph by three
profiles and two floors, for three other methods, for every planted classifier; and the tables of a folder run and of an
evaluation, but for times. The wheels need numpy, pillow and onnxruntime in the environment that runs this.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROFILES, FLOORS = ("default", "paper", "fast"), (0.0, 0.5)
METHODS = {"rise": {"masks": 256}, "sbfl-ochiai": {}, "occlusion": {}}
TIMES = ("seconds", "model_seconds")
Case = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wheels", nargs="+", metavar="WHEEL", help="the old one, then the new one")
    parser.add_argument("--model", required=True, help="ONNX file")
    parser.add_argument("--photos", required=True, help="folder of photographs")
    parser.add_argument("--record", type=Path, help="CSV file to write")
    parser.add_argument("--only", choices=("photos", "methods", "planted", "tables"), action="append")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        for what, found in cases(options):
            print(json.dumps([what, found]), flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        old, new = (
            answers(wheel, Path(temporary, str(i)), options) for i, wheel in enumerate(options.wheels)
        )
    rows = [{"case": what, "old": old.get(what), "new": new.get(what)} for what in {**old, **new}]
    differing = [row for row in rows if row["old"] != row["new"]]
    for row in differing:
        print(f"differs: {row['case']}\n  old {row['old']}\n  new {row['new']}")
    print(f"{len(rows) - len(differing)} of {len(rows)} cases are the same")
    if options.record:
        with options.record.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["case", "same", "old", "new"])
            writer.writeheader()
            writer.writerows({**row, "same": row["old"] == row["new"]} for row in rows)
    raise SystemExit(bool(differing))


def answers(wheel: str, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Install a wheel into a folder of its own, and return what it answers."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), wheel]
    subprocess.run(pip, check=True)
    command = [
        sys.executable,
        __file__,
        "--worker",
        wheel,
        "--model",
        options.model,
        "--photos",
        options.photos,
    ]
    for part in options.only or ():
        command += ["--only", part]
    environment = {**os.environ, "PYTHONPATH": str(folder), "DCCAUSAL_CALIBRATION": "off"}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(line) for line in run.stdout.splitlines())


def cases(options: argparse.Namespace) -> Iterator[Case]:
    import dccausal

    parts = options.only or ["photos", "methods", "planted", "tables"]
    classifier = dccausal.OnnxClassifier(options.model, device="cpu")
    photos = sorted(path for path in Path(options.photos).iterdir() if path.suffix in {".jpg", ".png"})
    if "photos" in parts:
        for photo in photos:
            for profile in PROFILES:
                for floor in FLOORS:
                    found = dccausal.explain(photo, classifier, profile=profile, min_confidence=floor)
                    yield f"{photo.name}, {profile}, floor {floor}", digest(found)
    if "methods" in parts:
        from dccausal.methods import explain_with

        for photo in photos[:3]:
            for method, settings in METHODS.items():
                found = explain_with(method, photo, classifier, min_confidence=0.0, **settings)
                yield f"{photo.name}, {method}", digest(found)
    with tempfile.TemporaryDirectory() as temporary:
        if "planted" in parts:
            yield from planted(Path(temporary))
        if "tables" in parts:
            yield from tables(Path(temporary), options)


def planted(folder: Path) -> Iterator[Case]:
    import dccausal

    sys.path.insert(0, str(ROOT / "models"))
    from make_planted import VARIANTS, plant, write

    for name in VARIANTS:
        written = write(plant(name), folder)
        for profile in PROFILES:
            try:
                classifier = dccausal.OnnxClassifier(written.path, device="cpu")
                settings = {"profile": profile, "grid": 16, "min_confidence": 0.0}
                yield f"{name}, {profile}", digest(dccausal.explain(written.image, classifier, **settings))
            except dccausal.DccausalError as error:
                yield f"{name}, {profile}", f"{type(error).__name__}: {str(error).replace(str(folder), '')}"


def tables(folder: Path, options: argparse.Namespace) -> Iterator[Case]:
    from dccausal.cli import main as command

    run, evaluation = folder / "run", folder / "evaluation"
    fixed = ["--model", options.model, "--device", "cpu", "--quiet"]
    floor = ["--min-confidence", "0"]
    assert command(["explain", options.photos, "--out", str(run), "--profile", "fast", *fixed, *floor]) == 0
    yield from lines(run / "results.jsonl")
    photos = sorted(path for path in Path(options.photos).iterdir() if path.suffix in {".jpg", ".png"})[:3]
    truth = folder / "truth.csv"
    boxes = "".join(f"{photo.name},20,20,90,90,rectangle\n" for photo in photos)
    truth.write_text("file,top,left,bottom,right,shape\n" + boxes)
    methods = "dc-causal-fast,rise:masks=64,random"
    named = ["--truth", str(truth), "--methods", methods, "--out", str(evaluation), "--no-plots"]
    assert command(["evaluate", options.photos, *named, *fixed, *floor]) == 0
    yield from lines(evaluation / "evaluation.jsonl")


def lines(table: Path) -> Iterator[Case]:
    for i, line in enumerate(table.read_text().splitlines()):
        row = {key: value for key, value in json.loads(line).items() if not key.endswith(TIMES)}
        yield (
            f"{table.name}, line {i + 1}",
            hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16],
        )


def digest(found: object) -> str:
    """Heatmap, kept pixels, outcome and calls of an explanation."""
    heat, kept = (hashlib.sha256(array.tobytes()).hexdigest()[:12] for array in (found.heatmap, found.kept))
    calls = "+".join(str(n) for n in found.statistics["model_calls_by_phase"].values())
    return f"heatmap {heat}, kept {kept}, {found.outcome}, calls {calls}"


if __name__ == "__main__":
    main()
