"""The command ``table``: the table of a run, as it is by now, as Parquet or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def table_command(**options: Any) -> int:
    """Write the table of ``run``; return the exit code."""
    from dccausal._shared.text import printable
    from dccausal.cli.terminal import Terminal
    from dccausal.errors import InputError
    from dccausal.runs.export import check_export, write_export
    from dccausal.runs.manifest import read_manifest
    from dccausal.runs.table import TABLE, latest, read_rows

    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    run = Path(options["run"])
    manifest = read_manifest(run)
    if manifest is None:
        raise InputError(f"{run} holds no run; a folder that explain wrote with --out is needed")
    rows = latest(read_rows(run / TABLE))
    out = options["out"] or str(run / "results.parquet")
    check_export(out, "out")
    write_export(out, rows)
    n_images = len(manifest["images"])
    left = (
        f"; {n_images - len(rows)} of {n_images} photographs are still to come"
        if len(rows) < n_images
        else ""
    )
    terminal.result(f"{len(rows)} rows written to {printable(out)}{left}")
    return 0
