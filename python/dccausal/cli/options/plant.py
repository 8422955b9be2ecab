"""The options of the command ``plant``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import EXPLANATION, MODEL, OUTPUT, RUN, RUNNING, out, some
from dccausal.cli.options.option import Argument, CliOption, Declared

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

COMMAND = Declared(
    name="plant",
    help="Make a data set with known truth: photographs with an occlusion planted in each.",
    options=(
        *(*_PLANT, *some(EXPLANATION, "seed"), *MODEL),
        *some(RUNNING, "device", "providers", "batch_size", "threads"),
        *(out("planted", "Folder of the set."), *some(RUN, "recursive"), *OUTPUT),
    ),
    argument=Argument("folder", "FOLDER", "Folder of photographs."),
    epilog=(
        "SET/images has the photographs as PNG, SET/occlusions.csv where each is covered, SET/masks the pixels where "
        "that is no rectangle. The same options give the same files. dccausal evaluate measures methods over it."
    ),
)
