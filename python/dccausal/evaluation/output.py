"""The files that an evaluation ends in, all made from its rows."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dccausal._shared.files import png_bytes, write_files
from dccausal.evaluation.plots import plots
from dccausal.evaluation.sheets import methods_sheet
from dccausal.evaluation.table import cells, curves_csv, difference_cells, markdown, methods_of, table_csv

Row = Mapping[str, Any]

_PARQUET = "evaluation.parquet"


def measured(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that have measures."""
    return [row for row in rows if row["error"] is None and row["left_out"] is None]


def write_tables(out: Path, rows: Sequence[Row], methods: Sequence[str]) -> list[list[str]]:
    """
    Write evaluation.csv, evaluation.parquet where pyarrow is installed, table.csv, curves.csv and table.md.

    Returns
    -------
    list
        The table for readers.

    Raises
    ------
    OutputError
        If a file cannot be written.

    """
    methods = [method for method in methods if method in methods_of(rows)]
    ordered = sorted(rows, key=lambda row: (row["index"], methods.index(row["method"])))
    files = {"evaluation.csv": _csv(ordered).encode()}
    if importlib.util.find_spec("pyarrow") is not None and ordered:
        with contextlib.suppress(ImportError):  # one that is there for another NumPy
            files[_PARQUET] = _parquet(ordered)
    good = measured(ordered)
    shown = cells(good, methods) if good else []
    if good:
        text = markdown(shown)
        if len(methods) > 1:
            text += "\n" + markdown(difference_cells(good, methods))
        files |= {
            "table.csv": table_csv(good, methods).encode(),
            "curves.csv": curves_csv(good, methods).encode(),
            "table.md": text.encode(),
        }
    write_files(out, files, stale=[_PARQUET] if _PARQUET not in files else [])
    return shown


def write_pictures(
    out: Path,
    rows: Sequence[Row],
    methods: Sequence[str],
    paths: Sequence[str],
    folders: Sequence[str],
    *,
    has_plots: bool,
) -> None:
    """
    Write the plots into plots/, if there are to be any, and sheets/methods.png.

    Raises
    ------
    OutputError
        If a file cannot be written.

    """
    good = measured(rows)
    if not good:
        return
    if has_plots:
        write_files(out / "plots", plots(good, [method for method in methods if method in methods_of(good)]))
    sheet = methods_sheet(out, rows, paths, folders)
    if sheet is not None:
        write_files(out / "sheets", {"methods.png": png_bytes(sheet)})


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _csv(rows: Sequence[Row]) -> str:
    """Return the rows without the curves, which only JSON and Parquet hold."""
    lists = {column for row in rows for column, value in row.items() if isinstance(value, list)} - {"notes"}
    columns = [column for column in _columns(rows) if column not in lists]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else value


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for column in _columns(rows):
        values = [row.get(column) for row in rows]
        if any(isinstance(value, float) for value in values):
            values = [None if value is None else float(value) for value in values]
        columns[column] = pa.array(values)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
