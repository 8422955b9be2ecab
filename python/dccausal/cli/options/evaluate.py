"""The options of the command ``evaluate``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import EXPLANATION, MODEL, OUTPUT, RUN, RUNNING, out, some
from dccausal.cli.options.option import Argument, CliOption, Declared

_EVALUATE = (
    CliOption(
        "truth",
        str,
        "CSV file with the columns file, top, left, bottom, right, and label, name, shape, mask where known.",
        "Explanation",
        "FILE",
    ),
    CliOption(
        "truth_kind",
        str,
        "What the boxes are: occlusion or object. By default an occlusion if there is a column shape.",
        "Explanation",
        "KIND",
    ),
    CliOption(
        "methods",
        str,
        "Methods with commas between, each with options of its own: dc-causal:partitions=8,rise:masks=4000.",
        "Explanation",
        "LIST",
        default="dc-causal",
    ),
    CliOption(
        "external",
        str,
        "Results of other programs as NAME=FILE.jsonl, with commas between.",
        "Explanation",
        "LIST",
    ),
    CliOption(
        "min_confidence",
        str,
        "Floors of the explanation's score, as shares of the photograph's. Methods are run with the first.",
        "Explanation",
        "LIST",
        default="0",
    ),
    CliOption("n", int, "Take this many photographs, drawn by the seed. By default all.", "Explanation", "N"),
    CliOption(
        "seeds",
        int,
        "Explain with this many seeds by each causal method, to see how alike the explanations are.",
        "Explanation",
        "N",
        default=1,
    ),
    CliOption(
        "only_right",
        bool,
        "Leave out photographs whose top label is not the truth's.",
        "Explanation",
        default=False,
    ),
    CliOption("steps", int, "Steps of the insertion and deletion curves.", "Explanation", "N", default=50),
    CliOption(
        "backgrounds",
        str,
        "Lay each explanation on this many photographs of another label, to see whether it gives its own; on plain "
        "backgrounds that were not asked (neutral); or both (8,neutral).",
        "Explanation",
        "N|neutral",
        default="0",
    ),
    CliOption(
        "backgrounds_from",
        str,
        "Folder of these photographs. By default those of the run.",
        "Explanation",
        "FOLDER",
    ),
)
_SHOWING = (
    CliOption("sheet", int, "Photographs on the contact sheet.", "Output", "N", default=6),
    CliOption(
        "save", bool, "Keep heatmap, explanation and pictures of every photograph.", "Output", default=False
    ),
    CliOption("plots", bool, "Whether to draw plots. By default yes.", "Output"),
    CliOption(
        "figure",
        str,
        "Instead of a run, one figure: partitions (heatmaps of one photograph with more and more of them).",
        "Output",
        "NAME",
    ),
)
_PROFILE = CliOption(
    "profile", str, "Profile for --figure: default, paper, fast.", "Output", "NAME", default="paper"
)

COMMAND = Declared(
    name="evaluate",
    help="Measure methods of explanation over photographs of which the truth is known.",
    options=(
        *(*MODEL, *_EVALUATE, *some(EXPLANATION, "seed", "baseline"), *RUNNING),
        *(out("evaluation", "Folder of the results."), *some(RUN, "resume"), *_SHOWING, _PROFILE, *OUTPUT),
    ),
    argument=Argument("folder", "FOLDER", "Folder of the photographs (for --figure, or one photograph)."),
    epilog=(
        "OUT/evaluation.jsonl has a line a photograph and method, written as soon as it is known; --resume continues, "
        "and may add methods. At the end come evaluation.csv, table.csv, table.md, plots and sheets."
    ),
)
