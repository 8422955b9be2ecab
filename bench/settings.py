"""Settings of the search side by side: calls, sizes, occlusion covered, insertion and deletion.

Run ``python bench/settings.py --images FOLDER --truth FILE.csv [--n 12] [--first 5]``. The truth has the columns file,
top, left, bottom, right (pixels, both ends included). Writes a table of means and appends one row an image and setting
to a CSV file under bench/record/.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime

from dccausal import OnnxClassifier, Preprocess, Profile, __version__, explain, metrics
from dccausal.assets.default_model import default_model

LEAF = {"world": "contingency", "weighting": "leaf"}
SETTINGS = {
    "paper, N = 16": Profile(partitions=16),
    "contingency, leaf, N = 12, 1/4, Beta(4, 4)": Profile(
        partitions=12, min_side=0.25, concentration=4, **LEAF
    ),
    "the same, equal ones refined (quick at N = 8, default at N = 20)": Profile(
        partitions=12, min_side=0.25, concentration=4, refine_equal=True, **LEAF
    ),
    "the same, uniform cuts": Profile(partitions=12, min_side=0.25, refine_equal=True, **LEAF),
    "the same, N = 20, 2/5, Beta(4, 4)": Profile(
        partitions=20, min_side=0.4, concentration=4, refine_equal=True, **LEAF
    ),
    "default": Profile.of("default"),
}
COLUMNS = ("search", "extraction", "grown", "size", "occlusion", "insertion", "deletion")


def measure(path: Path, row: dict[str, str], classifier: OnnxClassifier, profile: Profile) -> list[float]:
    found = explain(path, classifier, profile=profile)
    occlusion = np.zeros_like(found.kept)
    occlusion[int(row["top"]) : int(row["bottom"]) + 1, int(row["left"]) : int(row["right"]) + 1] = True
    ranking = found.ranking()
    curves = [
        curve(classifier, found.image, found.baseline, ranking, found.label, steps=28).auc
        for curve in (metrics.insertion_curve, metrics.deletion_curve)
    ]
    calls = found.statistics["model_calls_by_phase"]
    sizes = [
        found.statistics["grown_size"] or 0.0,
        found.size,
        metrics.occlusion_covered(found.kept, occlusion),
    ]
    return [calls["search"], calls["growth"] + calls["shrinking"], *sizes, *curves]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", required=True)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--n", type=int, default=12)
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--out", default=str(Path(__file__).parent / "record"))
    options = parser.parse_args()
    with Path(options.truth).open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = rows[options.first :: max(1, len(rows) // options.n)][: options.n]
    model = default_model()
    preprocess = Preprocess(mean=(127 / 255,) * 3, std=(128 / 255,) * 3, geometry="squash")
    classifier = OnnxClassifier(model, preprocess=preprocess, threads=1)
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    made = [
        today,
        run.stdout.strip(),
        f"dccausal {__version__}, onnxruntime {onnxruntime.__version__}",
        model.name,
    ]
    path = Path(options.out) / f"settings-{today}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[list[float]]] = {}
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "setting", *COLUMNS, "date", "commit", "versions", "model"])
        for row in rows:
            for name, profile in SETTINGS.items():
                values = measure(Path(options.images) / row["file"], row, classifier, profile)
                found.setdefault(name, []).append(values)
                writer.writerow([row["file"], name, *(round(value, 4) for value in values), *made])
                file.flush()
    for name, table in found.items():
        means = dict(zip(COLUMNS, np.mean(table, axis=0), strict=True))
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in means.items()))
    print(f"{len(rows)} images; written to {path}")


if __name__ == "__main__":
    main()
