"""The table of a run as one file for other programs: Parquet or CSV, a row for each photograph."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dccausal._shared.files import check_writable, write_files
from dccausal.errors import OptionError, RuntimeMissingError
from dccausal.runs.table import COLUMNS, LEVEL, TARGET

SUFFIXES = (".parquet", ".csv")

_WHOLE = ("index", "label", "photo_width", "photo_height", "model_calls", "questions")
_LISTS = ("notes", "levels", "targets")
_REAL = ("score", "explanation_score", "size", "seconds", "model_seconds")


def check_export(path: str, option: str = "table") -> None:
    """
    Check that a table can be written, before any work.

    Raises
    ------
    OptionError
        If the file's suffix is another than .parquet or .csv.
    RuntimeMissingError
        If Parquet is asked for and pyarrow is not installed.
    OutputError
        If the file cannot be written.

    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{option} is {path!r}; a file that ends in {' or '.join(SUFFIXES)} is needed")
    if file.suffix.lower() == ".parquet":
        require_arrow()
    check_writable(file.parent, [file.name])


def write_export(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """
    Write rows to a file, whole or not at all; an older one is replaced.

    Parameters
    ----------
    path
        It ends in .parquet or .csv.
    rows
        Those of ``row_of``. In CSV, notes, levels and targets are lists in JSON and what does not apply is empty.

    Raises
    ------
    OptionError, RuntimeMissingError, OutputError
        As in ``check_export``.

    """
    check_export(path)
    file = Path(path)
    content = parquet_bytes(rows) if file.suffix.lower() == ".parquet" else _csv(rows)
    write_files(file.parent, {file.name: content})


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {**row, **{name: json.dumps(row.get(name) or []) for name in _LISTS}}
        writer.writerow([cells.get(column) for column in COLUMNS])
    return text.getvalue().encode("utf-8", "backslashreplace")


def parquet_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """
    Return rows as a Parquet file, with every column whatever is in it.

    Raises
    ------
    RuntimeMissingError
        If pyarrow is not installed.

    """
    pa = require_arrow()
    import pyarrow.parquet

    level = pa.struct([(name, pa.string() if name == "outcome" else pa.float64()) for name in LEVEL])
    plain_kinds = {**dict.fromkeys(_WHOLE, pa.int64()), **dict.fromkeys(_REAL, pa.float64())}
    target = pa.struct([(name, plain_kinds.get(name, pa.string())) for name in TARGET])
    kinds = {
        **plain_kinds,
        "notes": pa.list_(pa.string()),
        "levels": pa.list_(level),
        "targets": pa.list_(target),
    }
    schema = pa.schema([(column, kinds.get(column, pa.string())) for column in COLUMNS])
    plain = [{column: _text(row.get(column)) for column in COLUMNS} for row in rows]
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(plain, schema=schema), sink)
    return sink.getvalue()


def _text(value: Any) -> Any:
    r"""Return a value with bytes of file names that are no text as ``\udcff``."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _text(item) for name, item in value.items()}
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def require_arrow() -> Any:
    """Return pyarrow, or raise RuntimeMissingError."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise RuntimeMissingError(
            'pyarrow is not installed; Parquet needs it: pip install "dccausal[parquet]", or name a .csv file'
        ) from error
    return pa
