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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EARLIER = HERE / "record" / "quality-2026-11-28"
SQUASH = EARLIER / "squash.json"
# Of the earlier record, the methods on which nothing has changed; their sizes were on another lattice.
KEPT = {
    "photobombing-grey.csv": ("rise:masks=4000", "rex"),
    "kernel-shap.csv": ("kernel-shap", "occlusion"),
    "comparison.csv": ("dc-causal-paper", "sbfl-ochiai"),
}
SEED = 5
THREE = "grey,black,white"
WHITE_BOX = "rap,lrp,integrated-gradients,guided-backprop"

FURTHER = ("calls", "size", "pieces@0.5", "seeds_spearman", "seeds_iou", "neutral@0.5")

Row = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Photographs, what is known of them, and the model that they are for; paths below the shared folder."""

    images: str
    truth: str
    model: str
    preprocess: dict[str, Any] | None = None
    baseline: str = "grey"


@dataclass(frozen=True)
class Part:
    """Some methods on so many photographs, with more options; on those of a record where ``among`` names one."""

    data: str
    methods: str
    n: int
    among: str = ""
    more: tuple[str, ...] = ()


_HALF = 128 / 255
_SCALED = {"geometry": "squash", "scale": 1 / 255}
_PLANTED = ("data/photobombing/images", "data/photobombing/occlusions.csv")
DATA = {
    "photographs": Data(*_PLANTED, "models/efficientnet-lite0.onnx", json.loads(SQUASH.read_text())),
    "mobilenet": Data(
        *_PLANTED, "models/mobilenet_v1_0.25_128_nhwc.onnx", _SCALED | {"mean": _HALF, "std": _HALF}
    ),
    "squeezenet": Data(
        *_PLANTED,
        "models/squeezenet1.1.onnx",
        _SCALED | {"mean": [122.679 / 255, 116.669 / 255, 104.006 / 255], "std": 1 / 255},
    ),
    "pandas": Data(
        "data/roaming-panda/images",
        "data/roaming-panda/boxes.csv",
        "models/efficientnet-lite0.onnx",
        json.loads(SQUASH.read_text()),
    ),
    "ordinary": Data("digits", "occlusions.csv", "ordinary.onnx", baseline="black"),
    "compositional": Data("digits", "occlusions.csv", "compositional.onnx", baseline="black"),
}
DIGITS = ("ordinary", "compositional")
_QUICK = f"dc-causal,dc-causal-fast,{WHITE_BOX}"
_SLOW = "dc-causal-paper,sbfl-ochiai,rise:masks=4000"
_SMALL_MASKS = "extremal:cell=3:sigma=9"
PARTS = {
    "defaults": Part("photographs", "dc-causal", 200),
    "fast": Part("photographs", "dc-causal-fast", 200),
    "seeds": Part("photographs", "dc-causal", 24, more=("--seeds", "3")),
    "neutral": Part("photographs", "dc-causal", 24, more=("--backgrounds", "neutral")),
    "neutral-three": Part(
        "photographs", "dc-causal", 40, more=("--backgrounds", "neutral", "--baseline", THREE)
    ),
    "defaults-among": Part("photographs", "dc-causal", 40, among="kernel-shap.csv"),
    "white-box": Part("photographs", WHITE_BOX, 40),
    "kernel-shap": Part("photographs", "kernel-shap", 100),
    "masks": Part("photographs", "hsic,partition-shap", 40),
    "paper": Part("photographs", "dc-causal-paper,sbfl-ochiai", 40),
    "sobol": Part("photographs", "sobol", 40),
    "rise": Part("photographs", "rise:masks=4000", 40),
    "extremal": Part("photographs", "extremal", 50),
    "ordinary": Part("ordinary", _QUICK, 100),
    "compositional": Part("compositional", _QUICK, 100),
    "ordinary-many": Part("ordinary", _SLOW, 100),
    "compositional-many": Part("compositional", _SLOW, 100),
    "ordinary-fine": Part("ordinary", "dc-causal:grid=28", 100),
    "compositional-fine": Part("compositional", "dc-causal:grid=28", 100),
    "ordinary-extremal": Part("ordinary", _SMALL_MASKS, 50),
    "compositional-extremal": Part("compositional", _SMALL_MASKS, 50),
    "pandas": Part("pandas", "dc-causal,dc-causal-fast,occlusion", 100),
    "mobilenet": Part("mobilenet", "dc-causal,dc-causal-fast,occlusion", 40),
    "squeezenet": Part("squeezenet", "dc-causal,dc-causal-fast,occlusion", 40),
}
_MANY = 100  # pictures from which a sheet of two dozen is drawn
_FEW = 8  # pictures below which no curve is drawn, and no difference is called one
COLUMNS = {
    "calls": ("calls", 1, "{:,.0f}"),
    "size": ("size, %", 100, "{:.1f}"),
    "covered": ("covered, %", 100, "{:.1f}"),
    "retained@0.05": ("kept by 5 %", 100, "{:.0f}"),
    "retained@0.2": ("by 20 %", 100, "{:.0f}"),
    "insertion": ("insertion", 1, "{:.3f}"),
    "deletion": ("deletion", 1, "{:.3f}"),
}


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


def rows_of_earlier() -> list[Row]:
    """Return what the earlier record has of maps and of what they took, for methods that are as they were."""
    found = []
    for file, methods in KEPT.items():
        for row in csv.DictReader((EARLIER / file).read_text().splitlines()):
            if row["method"] not in methods or row["error"]:
                continue
            kept: Row = {"file": row["file"], "method": row["method"], "error": None}
            for column, text in row.items():
                if column in ("insertion", "deletion", "calls_search"):
                    kept[column] = float(text)
                elif column.startswith("retained@"):
                    kept[column] = text == "True"
            found.append({**kept, "calls": kept["calls_search"]})
    return found


def rows_of(runs: Path, data: str) -> list[Row]:
    """Return the rows of all parts of a data set, numbered by photograph; of a method twice the first part's."""
    rows: list[Row] = []
    read: list[Row] = []
    numbers: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    for name, part in PARTS.items():
        path = runs / name / "evaluation.jsonl"
        if part.data == data and not part.more and path.exists():
            read += map(json.loads, path.read_text().splitlines())
    read += rows_of_earlier() if data == "photographs" else []
    for row in read:
        key = (row["file"], row["method"])
        if key not in seen:
            seen.add(key)
            rows.append({**row, "index": numbers.setdefault(row["file"], len(numbers))})
    return rows


def telling(rows: Sequence[Row], data: str) -> list[Row]:
    """
    Return the rows that can be compared.

    Photographs that the defaults have not explained are left out, and digits of the label that a network gives to a
    blank picture: there nothing has to be seen.
    """
    if data not in DIGITS:
        explained = {row["file"] for row in rows if row["method"] == "dc-causal"}
        return [row for row in rows if row["file"] in explained]
    trivial = {row["top_label"] for row in rows if row.get("outcome") == "trivial"}
    return [row for row in rows if row.get("top_label") not in trivial and row.get("is_right") is not False]


def lines(rows: Sequence[Row], first: str) -> Iterator[list[str]]:
    """Yield a line a method: photographs, means, and whether the difference to the first one excludes 0."""
    from dccausal.evaluation.table import difference_of, mean_of, methods_of

    for method in methods_of(rows):
        means = {column: mean_of(rows, method, column) for column in COLUMNS}
        n = sum(row["method"] == method and row["error"] is None for row in rows)
        if not n:
            yield [method, "0", *("refused" for _ in COLUMNS)]
            continue
        line = [method, str(n)]
        for column, (_, factor, form) in COLUMNS.items():
            mean = means[column]
            if mean is None:
                line.append("-")
                continue
            text = form.format(factor * mean.mean)
            pair = difference_of(rows, method, first, column) if method != first else None
            text += "*" if pair is not None and pair.n >= _FEW and (pair.low > 0 or pair.high < 0) else ""
            line.append(text)
        yield line


def differences(rows: Sequence[Row], first: str) -> Iterator[list[str]]:
    """Yield a line a method: its mean differences to the first, on the photographs that both have."""
    from dccausal.evaluation.table import difference_of, methods_of

    for method in methods_of(rows):
        pairs = {column: difference_of(rows, method, first, column) for column in COLUMNS}
        if method == first or pairs["insertion"] is None:
            continue
        line = [method, str(pairs["insertion"].n)]
        for column, (_, factor, form) in COLUMNS.items():
            pair = pairs[column]
            shown = (
                [] if pair is None else [form.format(factor * x) for x in (pair.mean, pair.low, pair.high)]
            )
            line.append(f"{shown[0]} [{shown[1]}, {shown[2]}]" if shown else "-")
        yield line


def table(options: argparse.Namespace) -> None:
    """Write rows, tables, curves and the plot."""
    from dccausal.evaluation.table import curves_csv, markdown, methods_of, table_csv

    options.record.mkdir(parents=True, exist_ok=True)
    text = []
    for data in DATA:
        rows = telling(rows_of(options.runs, data), data)
        if not rows:
            continue
        methods = methods_of(rows)
        columns = list(dict.fromkeys(key for row in rows for key in row if not key.endswith("_scores")))
        _write(options.record / f"{data}.csv", rows, columns)
        (options.record / f"{data}-table.csv").write_text(table_csv(rows, methods))
        (options.record / f"{data}-curves.csv").write_text(curves_csv(rows, methods))
        head = [data, "n", *(title for title, _, _ in COLUMNS.values())]
        text.append(markdown([head, *lines(rows, methods[0])]))
        pairs = [["less dc-causal's", "pairs", *head[2:]], *differences(rows, methods[0])]
        text.append(markdown(pairs) if len(pairs) > 1 else "")
    text += list(further(options))
    (options.record / "table.md").write_text("\n".join(text))
    print("\n".join(text))
    if options.plot is not None:
        plot(options.runs, options.plot)


def further(options: argparse.Namespace) -> Iterator[str]:
    """Write the rows of parts that ask for more than the table has, and yield a table of each."""
    from dccausal.evaluation.table import markdown, mean_of

    for name, part in PARTS.items():
        path = options.runs / name / "evaluation.jsonl"
        if not part.more or not path.exists():
            continue
        rows = [{**json.loads(line), "index": i} for i, line in enumerate(path.read_text().splitlines())]
        columns = list(dict.fromkeys(key for row in rows for key in row if not key.endswith("_scores")))
        _write(options.record / f"{name}.csv", rows, columns)
        means = {column: mean_of(rows, part.methods, column) for column in FURTHER}
        shown = {column: one for column, one in means.items() if one is not None}
        cells = [f"{one.mean:.4g} [{one.low:.4g}, {one.high:.4g}]" for one in shown.values()]
        yield markdown([[name, "n", *shown], [part.methods, str(len(rows)), *cells]])


def _write(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return float(f"{value:.6g}") if isinstance(value, float) else value


def plot(runs: Path, path: Path) -> None:
    """Draw, for each network, how many pictures keep their label by the best pixels alone (the paper's Fig. 6)."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from dccausal.evaluation.measure import RETAINED
    from dccausal.evaluation.table import mean_of, methods_of

    shown = {
        "photographs": "photographs, EfficientNet-Lite0",
        "ordinary": "occluded digits, ordinary network",
        "compositional": "occluded digits, compositional network",
    }
    figure = Figure(figsize=(15, 5.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(shown), sharey=True)
    styles: dict[str, tuple[str, str, float]] = {}
    for panel, (data, title) in zip(panels, shown.items(), strict=True):
        rows = telling(rows_of(runs, data), data)
        for method in methods_of(rows):
            means = [mean_of(rows, method, f"retained@{share:g}") for share in RETAINED]
            if any(mean is None or mean.n < _FEW for mean in means):
                continue
            name, n = method.split(":")[0], len(styles)
            width = 2.8 if name == "dc-causal" else 1.3
            colour, line, width = styles.setdefault(name, (f"C{n % 10}", "-" if n < 10 else ":", width))
            shares = [100 * share for share in RETAINED]
            kept = [100 * mean.mean for mean in means if mean is not None]
            panel.plot(shares, kept, line, color=colour, linewidth=width, marker="o", markersize=3)
        panel.set(title=title, xlabel="best pixels kept, %", ylim=(0, 102))
        panel.grid(alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("pictures that keep their label, %")
    lines = [
        Line2D([], [], color=colour, linestyle=line, linewidth=width, label=name)
        for name, (colour, line, width) in styles.items()
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=7, frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for function in (run, cost, table):
        sub = commands.add_parser(function.__name__, help=function.__doc__)
        sub.set_defaults(function=function)
        sub.add_argument("--runs", type=Path, required=True, help="folder of the runs")
        sub.add_argument("--shared", type=Path, default=HERE.parents[1] / "shared")
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
