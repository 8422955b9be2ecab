"""What the rows of the paper's table amount to: means, paired differences, and the plot."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from paper_parts import DATA, DIGITS, EARLIER, PARTS

# Of the earlier record, the methods on which nothing has changed; their sizes were on another lattice.
KEPT = {
    "photobombing-grey.csv": ("rise:masks=4000", "rex"),
    "kernel-shap.csv": ("kernel-shap", "occlusion"),
    "comparison.csv": ("dc-causal-paper", "sbfl-ochiai"),
}
FURTHER = ("calls", "size", "pieces@0.5", "seeds_spearman", "seeds_iou", "neutral@0.5")
Row = dict[str, Any]

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
