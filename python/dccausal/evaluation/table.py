"""The table of an evaluation: means with their intervals, and differences paired by photograph."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.metrics import bootstrap_interval

Row = Mapping[str, Any]

# Columns that say what a row is about, not how good it is.
_NO_MEASURES = ("index", "label", "truth_label", "top_label")


@dataclass(frozen=True)
class Measure:
    """
    A measure as tables show it.

    Attributes
    ----------
    column
        Of the rows.
    title
        In words.
    form
        How its values are written.

    """

    column: str
    title: str
    form: Literal["percent", "number", "count", "seconds"]

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title}, %" if self.form == "percent" else self.title

    def text(self, value: float) -> str:
        """Return a value with the digits that make sense, without a unit."""
        if self.form == "percent":
            return f"{100 * value:.1f}"
        if self.form == "count":
            return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"  # noqa: PLR2004
        return f"{value:.2f}" if self.form == "seconds" else f"{value:.3f}"


@dataclass(frozen=True)
class Mean:
    """
    The mean of a measure over photographs.

    Attributes
    ----------
    mean, low, high
        With its 95 % bootstrap interval.
    n
        Photographs.

    """

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean | None:
        """Return the mean of some values; None of none."""
        if not values:
            return None
        low, high = bootstrap_interval(values)
        return cls(float(np.mean(values)), low, high, len(values))


def shown_measures(rows: Sequence[Row]) -> list[Measure]:
    """Return the measures that a table for readers has, those that occur in some rows, in its order."""
    present = {column for row in rows for column, value in row.items() if value is not None}
    floors = sorted(float(column[5:]) for column in present if column.startswith("size@"))
    measures = [
        Measure("calls", "model calls", "count"),
        Measure("calls_search", "of these, search", "count"),
        Measure("seconds", "seconds", "seconds"),
        Measure("model_seconds", "of these, in the model", "seconds"),
        *_of_sets("_grown", "grown by rank"),
        *(_of_sets("", "its own explanation") if has_others(rows) else ()),
        *(measure for floor in floors for measure in _of_sets(f"@{floor:g}", f"minimal at {floor:g}")),
        Measure("pointing", "pointing game", "percent"),
        Measure("best_iou", "IoU of the best share of ranked pixels", "number"),
        Measure("best_iou_share", "that share", "percent"),
        Measure("insertion", "insertion AUC", "number"),
        Measure("deletion", "deletion AUC", "number"),
        Measure("insertion_relative", "insertion AUC by the intact score", "number"),
        Measure("deletion_relative", "deletion AUC by the intact score", "number"),
        *(
            Measure(f"retained@{share:g}", f"label kept by the best {share:.0%}", "percent")
            for share in (0.05, 0.1, 0.2)
        ),
        Measure("kind_exists", "kind: there is an answer", "percent"),
        Measure("kind_sets", "kind: sets", "number"),
        Measure("kind_size", "kind: size of a set", "percent"),
        Measure("calls_kind", "kind: further model calls", "count"),
        Measure("kind_sufficient", "kind: sets that give the label alone", "percent"),
        Measure("kind_necessary", "kind: sets without which the label is lost", "percent"),
        Measure("kind_minimal", "kind: sets shown to be minimal", "percent"),
        Measure("seeds_spearman", "other seeds: Spearman of the heatmaps", "number"),
        Measure("seeds_iou", "other seeds: IoU of the kept pixels", "number"),
        Measure("is_minimal", "its own explanation shown to be minimal", "percent"),
        Measure("is_right", "top label is the truth's", "percent"),
    ]
    return [measure for measure in measures if measure.column in present]


def _of_sets(ending: str, title: str) -> tuple[Measure, ...]:
    return (
        Measure(f"cost{ending}", f"model calls, {title}", "count"),
        Measure(f"size{ending}", f"size, {title}", "percent"),
        Measure(f"covered{ending}", f"occlusion covered, {title}", "percent"),
        Measure(f"share{ending}", f"share in the occlusion, {title}", "percent"),
        Measure(f"iou{ending}", f"IoU with the object's box, {title}", "number"),
        Measure(f"pieces{ending}", f"pieces, {title}", "number"),
        Measure(f"holes{ending}", f"holes, {title}", "number"),
        Measure(f"outline{ending}", f"outline by the root of the area, {title}", "number"),
        Measure(f"holds_peak{ending}", f"holds the map's peak, {title}", "percent"),
        Measure(f"robustness{ending}", f"label kept on other backgrounds, {title}", "percent"),
        Measure(f"neutral{ending}", f"label kept beside unseen plain backgrounds, {title}", "percent"),
    )


def has_others(rows: Sequence[Row]) -> bool:
    """Return whether some explanation came from elsewhere than from an extraction at one of the floors."""
    return any(row.get("size") is not None and row.get("outcome") is None for row in rows)


def methods_of(rows: Iterable[Row]) -> list[str]:
    """Return the methods of some rows, in the order in which they come."""
    return list(dict.fromkeys(str(row["method"]) for row in rows))


def values_of(rows: Iterable[Row], method: str, column: str) -> dict[int, float]:
    """Return a measure of a method by photograph, where it has one."""
    return {
        int(row["index"]): float(row[column])
        for row in rows
        if row["method"] == method and isinstance(row.get(column), int | float)
    }


def mean_of(rows: Sequence[Row], method: str, column: str) -> Mean | None:
    """Return the mean of a measure of a method."""
    return Mean.of(list(values_of(rows, method, column).values()))


def mean_curve(rows: Sequence[Row], method: str, column: str) -> NDArray[np.float64] | None:
    """Return the mean of a method's curves over the photographs; None where it has none."""
    curves = [row[column] for row in rows if row["method"] == method and row.get(column)]
    return np.mean(curves, axis=0, dtype=np.float64) if curves else None


def difference_of(rows: Sequence[Row], method: str, first: str, column: str) -> Mean | None:
    """Return the mean difference of a method and the first, over the photographs that have both."""
    own, other = values_of(rows, method, column), values_of(rows, first, column)
    return Mean.of([value - other[index] for index, value in own.items() if index in other])


def table_csv(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Return all measures of all methods, a line each, with the differences to the first method."""
    columns = ("method", "measure", "mean", "low", "high", "n")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*columns, "difference", "difference_low", "difference_high", "n_pairs"))
    for method in methods:
        for column in _measured(rows):
            mean = mean_of(rows, method, column)
            if mean is None:
                continue
            pair = difference_of(rows, method, methods[0], column) if method != methods[0] else None
            difference = ("", "", "", "") if pair is None else _cells(pair)
            writer.writerow((method, column, *_cells(mean), *difference))
    return text.getvalue()


def curves_csv(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Return the mean score of the label by method and share of the pixels, as the plots show it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "share", "insertion", "deletion", "n"])
    for method in methods:
        inserted, deleted = (mean_curve(rows, method, f"{name}_scores") for name in ("insertion", "deletion"))
        if inserted is None or deleted is None:
            continue
        n = sum(1 for row in rows if row["method"] == method and row.get("insertion_scores"))
        for index, (insertion, deletion) in enumerate(zip(inserted, deleted, strict=True)):
            share = index / (len(inserted) - 1)
            writer.writerow([method, f"{share:g}", f"{insertion:.6g}", f"{deletion:.6g}", n])
    return text.getvalue()


def cells(rows: Sequence[Row], methods: Sequence[str]) -> list[list[str]]:
    """Return the table for readers: a row a measure, a column a method; the first row has the headings."""
    n = {method: sum(row["method"] == method for row in rows) for method in methods}
    table = [["", *methods], ["photographs", *(str(n[method]) for method in methods)]]
    for measure in shown_measures(rows):
        means = [mean_of(rows, method, measure.column) for method in methods]
        table.append(
            [measure.heading, *(_shown(mean, measure, n[m]) for mean, m in zip(means, methods, strict=True))]
        )
    return table


def difference_cells(rows: Sequence[Row], methods: Sequence[str]) -> list[list[str]]:
    """Return the paired differences to the first method, as ``cells``."""
    first, *others = methods
    table = [[f"difference to {first}", *others]]
    for measure in shown_measures(rows):
        pairs = [difference_of(rows, method, first, measure.column) for method in others]
        if any(pair is not None for pair in pairs):
            table.append([measure.heading, *(_shown(pair, measure, None) for pair in pairs)])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in table]
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _measured(rows: Sequence[Row]) -> list[str]:
    """Return the columns that hold numbers."""
    columns = dict.fromkeys(
        column for row in rows for column, value in row.items() if isinstance(value, int | float)
    )
    return [column for column in columns if column not in _NO_MEASURES]


def _cells(mean: Mean) -> tuple[str, str, str, int]:
    return f"{mean.mean:.6g}", f"{mean.low:.6g}", f"{mean.high:.6g}", mean.n


def _shown(mean: Mean | None, measure: Measure, n: int | None) -> str:
    if mean is None:
        return "-"
    text = f"{measure.text(mean.mean)} [{measure.text(mean.low)}, {measure.text(mean.high)}]"
    return text if n is None or mean.n == n else f"{text}, n = {mean.n}"
