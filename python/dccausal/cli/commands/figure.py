"""``dccausal evaluate --figure partitions``: one photograph's heatmaps with more and more partitions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dccausal._shared.files import check_writable, png_bytes, write_files
from dccausal._shared.text import printable
from dccausal.cli.display import ProgressDisplay
from dccausal.cli.failures import FINE
from dccausal.cli.loading import load_classifier
from dccausal.cli.terminal import Terminal
from dccausal.engine.profiles import Profile
from dccausal.errors import InputError, OptionError, OutputError
from dccausal.evaluation.sheets import PARTITIONS, partitions_sheet
from dccausal.inputs.baseline import read_baseline
from dccausal.runs.images import collect

_NAME = "partitions.png"


def figure_command(options: Mapping[str, Any], terminal: Terminal) -> int:
    """Make the figure of the first photograph of ``folder``, or of the one it names; return the exit code."""
    if options["figure"] != "partitions":
        raise OptionError(f"--figure is {options['figure']!r}; partitions is needed")
    Profile.of(options["profile"])
    sheets = Path(options["out"]) / "sheets"
    try:
        check_writable(sheets, [_NAME])
    except OutputError as error:
        raise InputError(str(error)) from error
    photo = collect([options["folder"]], Path(options["out"]), recursive=False)[0]
    classifier = load_classifier(options, terminal)
    with ProgressDisplay(terminal, f"{Path(photo).name}, N = 1 to {PARTITIONS[-1]}") as progress:
        sheet = partitions_sheet(
            photo,
            classifier,
            progress=progress,
            profile=options["profile"],
            seed=options["seed"],
            baseline=read_baseline(options["baseline"]),
            max_calls=options["max_calls"],
        )
    write_files(sheets, {_NAME: png_bytes(sheet)})
    terminal.result(f"{printable(photo)}: written {printable(str(sheets / _NAME))}")
    return FINE
