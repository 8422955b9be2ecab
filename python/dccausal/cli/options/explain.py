"""The options of the command ``explain``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import (
    CLUSTER,
    DRAWING,
    EXPLANATION,
    JSON,
    MODEL,
    OUTPUT,
    RUN,
    RUNNING,
    TARGET,
    out,
)
from dccausal.cli.options.option import Argument, Declared

COMMAND = Declared(
    name="explain",
    help="Explain what a model says about photographs.",
    options=(
        *(*MODEL, *TARGET, *EXPLANATION, *RUNNING, *CLUSTER, out("explanations", "Folder of the results.")),
        *(*RUN, *DRAWING, JSON, *OUTPUT),
    ),
    argument=Argument(
        "images",
        "IMAGE...",
        "Photographs (JPEG, PNG, WebP, ...), folders of them, or patterns; on Ray also addresses and Parquet.",
        is_list=True,
    ),
    epilog=(
        "Each photograph gets a folder of its own, OUT/NAME (NAME-2 where two have the same name), with "
        "overlay.png, explanation.png, heatmap.npy, heatmap.png, kept.png and result.json. "
        "Exit code: 0 fine, 2 bad input, "
        "1 failure, 130 interrupted (the best so far is written). Folders and patterns make a run: OUT/results.jsonl "
        "has a line a photograph, OUT/images/NAME the files, and --resume continues where it was cut off."
    ),
)
