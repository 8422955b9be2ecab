"""
The options of the command line, as one table.

Their names are those of ``explain`` and ``OnnxClassifier``, so what was read is handed over by name. Typer is
given this table, and so are the other sources of options (``config``: a file, the environment).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dccausal._shared.checks import finite_number, whole_number
from dccausal.cli.options.option import CliOption
from dccausal.errors import OptionError

_MAX_SEED = (1 << 64) - 1


MODEL = (
    CliOption(
        "model", str, "ONNX file. By default EfficientNet-Lite0 (ImageNet).", "Model", "FILE", short="-m"
    ),
    CliOption(
        "preprocess",
        str,
        "Preset (imagenet, torchvision, tf, unit, raw, caffe) or JSON file. By default told by the model or found out.",
        "Model",
        "PRESET|FILE",
    ),
    CliOption(
        "geometry",
        str,
        "How photographs are brought to size: crop (the centre), squash, squash-crop, pad, pad-crop.",
        "Model",
        "NAME",
    ),
    CliOption(
        "size",
        str,
        "Size of the images, where the model leaves it open: 224, or HEIGHTxWIDTH.",
        "Model",
        "SIZE",
    ),
    CliOption("crop_ratio", float, "Share of the short side that a cut keeps, as 0.875.", "Model", "SHARE"),
    CliOption("stretch", bool, "Make 0 to 255 of the range that a 16-bit photograph uses.", "Model"),
    CliOption(
        "labels",
        str,
        "File of class names: text, CSV, JSON, YAML or TensorFlow's label map.",
        "Model",
        "FILE",
    ),
    CliOption(
        "input", str, "Name of the input that takes the images, where there are several.", "Model", "NAME"
    ),
    CliOption(
        "feed",
        str,
        "Constant for another input; may be given several times.",
        "Model",
        "NAME=VALUE|FILE.npy",
        is_list=True,
    ),
    CliOption(
        "output",
        str,
        "Name of the model's output, where it has several (results go to --out).",
        "Model",
        "NAME",
    ),
    CliOption(
        "scores",
        str,
        "What the output is: logits, probabilities, sigmoid, binary, labels. By default found out.",
        "Model",
        "KIND",
        default="auto",
    ),
    CliOption(
        "threshold",
        float,
        "Score from which on a label counts as given, of a yes or no or of several labels at once. By default 0.5.",
        "Model",
        "SCORE",
    ),
)
EXPLANATION = (
    CliOption(
        "target",
        str,
        "Label to explain, by name or index. By default the top label.",
        "Explanation",
        "LABEL",
        short="-t",
    ),
    CliOption(
        "top_k",
        int,
        "The label counts as given if it is among this many best. By default 1, or the target's own rank.",
        "Explanation",
        "N",
        at_least=1,
    ),
    CliOption(
        "profile",
        str,
        "Named set of the options that follow, down to --reestimate: default, paper, fast.",
        "Explanation",
        "NAME",
        default="default",
    ),
    CliOption("partitions", int, "Number of random partitions of the image.", "Explanation", "N"),
    CliOption(
        "world",
        str,
        "What else is masked while a part is refined: intact (nothing), contingency, sufficient, or both.",
        "Explanation",
        "WORLD",
    ),
    CliOption(
        "weighting",
        str,
        "How responsibility reaches the pixels: shares, leaf or score.",
        "Explanation",
        "NAME",
    ),
    CliOption(
        "min_side",
        float,
        "Parts narrower than this share of the image are not refined.",
        "Explanation",
        "SHARE",
    ),
    CliOption(
        "refine_equal",
        bool,
        "Whether parts are refined even where all four are equally responsible.",
        "Explanation",
    ),
    CliOption(
        "concentration",
        int,
        "Cuts are Beta(a, a) over a side: 1 is uniform, more is central.",
        "Explanation",
        "A",
    ),
    CliOption(
        "grid", int, "Blocks a side of the lattice on which the explanation is minimal.", "Explanation", "N"
    ),
    CliOption(
        "evidence",
        str,
        "own: each question is asked. shared: verdicts follow from those of other partitions too.",
        "Explanation",
        "NAME",
    ),
    CliOption(
        "reach",
        float,
        "With shared evidence, the share of the image by which two sets of masked pixels may differ.",
        "Explanation",
        "SHARE",
    ),
    CliOption(
        "audit",
        float,
        "With shared evidence, the share of inferred verdicts that are asked all the same.",
        "Explanation",
        "SHARE",
    ),
    CliOption("wave", int, "Partitions that are grown together.", "Explanation", "N"),
    CliOption(
        "survey",
        int,
        "Lattices of which each part is masked alone and shown alone; 0 for none.",
        "Explanation",
        "N",
    ),
    CliOption(
        "reestimate",
        float,
        "How much of what the extraction finds is added to the heatmap, as a share of its peak.",
        "Explanation",
        "SHARE",
    ),
    CliOption(
        "seed",
        int,
        "Seed of the random partitions.",
        "Explanation",
        "N",
        default=0,
        at_least=0,
        at_most=_MAX_SEED,
    ),
    CliOption(
        "trees",
        int,
        "Record the causal trees of this many partitions, for the report.",
        "Explanation",
        "N",
        default=0,
        at_least=0,
        at_most=16,
    ),
    CliOption(
        "min_confidence",
        float,
        "The explanation's score must be at least this share of the photograph's.",
        "Explanation",
        "SHARE",
        default=0.0,
        at_least=0,
        at_most=1,
    ),
    CliOption(
        "baseline",
        str,
        "What masked pixels are replaced by: a colour (grey, #rrggbb, 124,116,104), blur, or an image file.",
        "Explanation",
        "COLOUR|FILE",
        default="grey",
    ),
)
RUNNING = (
    CliOption(
        "device",
        str,
        "auto, cpu, cuda, cuda:1; for a run several with commas, which share its photographs.",
        "Running",
        "DEVICE",
        default="auto",
    ),
    CliOption(
        "providers", str, "ONNX Runtime's providers in place of --device, with commas.", "Running", "NAMES"
    ),
    CliOption(
        "batch_size", int, "Masked images a run. By default it suits the device.", "Running", "N", at_least=1
    ),
    CliOption("in_flight", int, "Batches in the making at once.", "Running", "N", at_least=1, at_most=64),
    CliOption(
        "threads", int, "By default all cores that may be used.", "Running", "N", at_least=1, at_most=1024
    ),
    CliOption(
        "reproducible",
        bool,
        "The same scores to the last bit whatever is asked with them: no TF32, one size of batches.",
        "Running",
        default=False,
    ),
    CliOption(
        "max_calls",
        int,
        "Stop after this many model calls with the best so far.",
        "Running",
        "N",
        at_least=20,
    ),
)
DRAWING = (
    CliOption(
        "colormap",
        str,
        "Colours of the heat: inferno, magma, plasma, viridis, cividis, grey.",
        "Output",
        "NAME",
        default="inferno",
    ),
    CliOption("alpha", float, "Opacity of the hottest places, 0 to 1.", "Output", "SHARE", default=0.75),
    CliOption(
        "contour",
        str,
        "Outline of the explanation: solid, dashed, none.",
        "Output",
        "STYLE",
        default="solid",
    ),
    CliOption(
        "cutout",
        bool,
        "Write cutout.png too: the explanation, transparent around it.",
        "Output",
        default=False,
    ),
)
JSON = CliOption(
    "json", bool, "Print one JSON document a photograph, and nothing else.", "Output", default=False
)
RUN = (
    CliOption("recursive", bool, "Search the folders in a folder too.", "Output", default=False, short="-r"),
    CliOption(
        "resume",
        bool,
        "Continue the run in --out where it was cut off; begin it if there is none.",
        "Output",
        default=False,
    ),
    CliOption(
        "retry",
        bool,
        "With --resume: try the photographs again that have failed.",
        "Output",
        default=False,
    ),
    CliOption(
        "table",
        str,
        "Write the table at the end to this file too, which ends in .parquet or .csv.",
        "Output",
        "FILE",
    ),
)
OUTPUT = (
    CliOption("quiet", bool, "Print errors only.", "Output", default=False, short="-q"),
    CliOption("debug", bool, "Print the traceback of an error.", "Output", default=False),
)


def some(options: Iterable[CliOption], *names: str) -> tuple[CliOption, ...]:
    """Return the options of these names."""
    return tuple(option for option in options if option.name in names)


def out(default: str, text: str) -> CliOption:
    """Return the option --out, the folder of the results."""
    return CliOption("out", str, text, "Output", "FOLDER", default=default, short="-o")


def check_ranges(values: Mapping[str, Any]) -> None:
    """
    Check the numbers among the options.

    Raises
    ------
    OptionError
        If one is out of its range.

    """
    for option in (*EXPLANATION, *RUNNING):
        value = values[option.name]
        low, high = option.at_least, option.at_most
        if value is None or low is None:
            continue
        if option.kind is int:
            whole_number(option.name, value, int(low), None if high is None else int(high))
        elif high is not None and not low <= finite_number(option.name, value) <= high:
            raise OptionError(f"{option.name} is {value}; a number from {low} to {high} is needed")
