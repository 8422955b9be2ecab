"""The options of the command ``table``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import OUTPUT
from dccausal.cli.options.option import Argument, CliOption, Declared

_OUT = CliOption(
    "out",
    str,
    "File that ends in .parquet or .csv. By default results.parquet in RUN.",
    "Output",
    "FILE",
    short="-o",
)

COMMAND = Declared(
    name="table",
    help="Write the table of a run as Parquet or CSV, a row for each photograph.",
    options=(_OUT, *OUTPUT),
    argument=Argument("run", "RUN", "Folder that explain wrote with --out."),
)
