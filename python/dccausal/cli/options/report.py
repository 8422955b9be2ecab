"""The options of the command ``report``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import MODEL, OUTPUT, RUNNING, some
from dccausal.cli.options.option import Argument, CliOption, Declared

_REPORT = (
    CliOption("out", str, "The file. By default report.html in RUN.", "Output", "FILE", short="-o"),
    CliOption("title", str, "What stands above it. By default the name of RUN.", "Output", "TEXT"),
    CliOption(
        "truth",
        str,
        "CSV file with the columns file and label: says which labels are right.",
        "Output",
        "FILE",
    ),
    CliOption(
        "photos",
        str,
        "Folder of the photographs, if they are no longer where they were.",
        "Output",
        "FOLDER",
    ),
    CliOption(
        "photo_size", int, "Most pixels of a photograph's side in the file.", "Output", "N", default=640
    ),
    CliOption(
        "curves",
        bool,
        "Ask the model for the score against the pixels shown: 51 calls a photograph.",
        "Model",
        default=False,
    ),
)

COMMAND = Declared(
    name="report",
    help="Make one HTML file of a run or a result, to look through in any browser, without network.",
    options=(
        *_REPORT,
        *(option for option in MODEL if option.name != "output"),
        *some(RUNNING, "device", "providers", "batch_size", "threads"),
        *OUTPUT,
    ),
    argument=Argument("run", "RUN", "Folder of a run or of a result."),
    epilog=(
        "RUN is a folder that dccausal explain wrote. The file has the photographs, small, with everything else in "
        "it, and asks for nothing: it can be sent, archived and opened from a disk. "
        "Exit code 2 where results are damaged; "
        "the report lists them and has the others."
    ),
)
