"""The options of the command ``plant``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

import inspect
from typing import Any

from dccausal._cli_options import (
    EXPLANATION,
    MODEL,
    OUTPUT,
    RUN,
    RUNNING,
    CliOption,
    Command,
    give_signature,
    out,
)

HELP = "Make a data set with known truth: photographs with an occlusion planted in each."

EPILOG = (
    "SET/images has the photographs as PNG, SET/occlusions.csv where each is covered, SET/masks the pixels where "
    "that is no rectangle. The same options give the same files. dccausal evaluate measures methods over it."
)

_PLANT = (
    CliOption(
        "shape",
        str,
        "rectangle, ellipse, box (a square) or picture; several with commas between are drawn from.",
        "Explanation",
        "LIST",
        default="rectangle,ellipse",
    ),
    CliOption(
        "share",
        str,
        "Share of a photograph to cover, or LOW:HIGH to draw from.",
        "Explanation",
        "SHARE",
        default="0.05:0.25",
    ),
    CliOption(
        "colour",
        str,
        "Colour of the occlusion: black, #rrggbb, 124,116,104.",
        "Explanation",
        "COLOUR",
        default="black",
    ),
    CliOption("picture", str, "PNG with transparency, for the shape picture.", "Explanation", "FILE"),
    CliOption(
        "keep_label",
        bool,
        "Take only photographs whose top label survives the occlusion.",
        "Explanation",
        default=False,
    ),
    CliOption(
        "tries",
        int,
        "Places to try until the label survives, before a photograph is left out.",
        "Explanation",
        "N",
        default=10,
    ),
)
_RUNNING = ("device", "providers", "batch_size", "threads")


def declare(command: Command) -> Command:
    """Give the command its argument FOLDER and its options."""
    import typer

    seed = [option for option in EXPLANATION if option.name == "seed"]
    running = [option for option in RUNNING if option.name in _RUNNING]
    recursive = [option for option in RUN if option.name == "recursive"]
    folder = out("planted", "Folder of the set.")
    give_signature(command, (*_PLANT, *seed, *MODEL, *running, folder, *recursive, *OUTPUT))
    described: Any = command
    argument = typer.Argument(help="Folder of photographs.", metavar="FOLDER", show_default=False)
    photos = inspect.Parameter("folder", inspect.Parameter.KEYWORD_ONLY, default=argument, annotation=str)
    signature = described.__signature__
    described.__signature__ = signature.replace(parameters=[photos, *signature.parameters.values()])
    described.__annotations__ = {"folder": str, **described.__annotations__}
    return command
