"""
The options of the command line, as one table.

Their names are those of ``explain`` and ``OnnxClassifier``, so what was read is handed over by name. Typer is
given this table, and so are the other sources of options (``config``: a file, the environment).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dccausal.cli.options.option import CliOption
from dccausal.engine.option import Meaning
from dccausal.engine.options import flags

MODEL = (
    CliOption(
        "model",
        str,
        "ONNX file, or a model on a server: http://HOST/v2/models/NAME. By default EfficientNet-Lite0 (ImageNet).",
        "Model",
        "FILE|URL",
        short="-m",
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

# What is to be explained where that is no label; the library has them as ``targets``.
TARGET = (
    CliOption(
        "box",
        str,
        "Explain a box of a detector: its number as inspect MODEL IMAGE lists it, its corners in the photograph, or "
        "all boxes, which share model calls.",
        "Explanation",
        "N|X0,Y0,X1,Y1|all",
    ),
    CliOption(
        "top",
        int,
        "Explain so many of the best labels, in one run that shares model calls.",
        "Explanation",
        "N",
    ),
    CliOption(
        "region",
        str,
        "Explain a region of a segmenter: all of a label, or what hangs together at a point of the photograph.",
        "Explanation",
        "NAME|X,Y",
    ),
    CliOption(
        "like", str, "Explain why the photograph is like this one, by its embedding.", "Explanation", "IMAGE"
    ),
    CliOption(
        "prompts",
        str,
        "Explain which prompt the photograph is nearest to: their vectors (.npy) for an image tower; or a text file, a "
        "prompt a line, for a model with both towers whose tokens are given by --feed.",
        "Explanation",
        "FILE",
    ),
    CliOption(
        "prompt_scale",
        str,
        "By what cosines with prompts are multiplied, 100 by default; with a bias each has a probability of its own.",
        "Explanation",
        "SCALE[,BIAS]",
    ),
    CliOption(
        "projection",
        str,
        "Matrix that brings the embedding into the references' space, where the model leaves it out.",
        "Explanation",
        "FILE.npy",
    ),
)


def _flag(name: str, default: Any, meaning: Meaning) -> CliOption:
    """Return an option of ``explain`` as the command line has it."""
    return CliOption(
        name, meaning.kind, meaning.help, meaning.panel, meaning.metavar, default, short=meaning.short
    )


_FLAGS = tuple(_flag(name, default, meaning) for name, default, meaning in flags())
# What ``explain`` is given; "batch_size" belongs to the classifier there.
EXPLAIN = tuple(option.name for option in _FLAGS if option.name != "batch_size")
# Of the options, those that decide the results. Threads and batches do not.
DECIDING = tuple(name for name, _, meaning in flags() if meaning.decides)
EXPLANATION = tuple(option for option in _FLAGS if option.panel != "Running")
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
    *(option for option in _FLAGS if option.name in ("batch_size", "in_flight", "threads")),
    CliOption(
        "reproducible",
        bool,
        "The same scores to the last bit whatever is asked with them: no TF32, one size of batches.",
        "Running",
        default=False,
    ),
    *(option for option in _FLAGS if option.name == "max_calls"),
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
    CliOption("alpha", float, "Opacity of the hottest places, 0 to 1.", "Output", "SHARE", default=0.65),
    CliOption(
        "contour",
        str,
        "Outlines of the explanation and its levels: solid, dashed, none.",
        "Output",
        "STYLE",
        default="solid",
    ),
    CliOption(
        "caption",
        bool,
        "Label, scores and what the lines mean, below the pictures.",
        "Output",
        default=True,
    ),
    CliOption(
        "cutout",
        bool,
        "Write cutout.png too: the explanation, transparent around it.",
        "Output",
        default=False,
    ),
)
CLUSTER = (
    CliOption(
        "engine",
        str,
        "What carries a run: local (this process), or ray (a cluster, or this machine's cores as one).",
        "Cluster",
        "NAME",
        default="local",
    ),
    CliOption(
        "address",
        str,
        "A running cluster of Ray's: auto, or HOST:PORT. By default none.",
        "Cluster",
        "ADDRESS",
    ),
    CliOption("actors", int, "Classifiers on the cluster; by default what fits.", "Cluster", "N"),
    CliOption("actor_cpus", float, "CPUs that each takes; by default 1.", "Cluster", "SHARE"),
    CliOption("actor_gpus", float, "GPUs that each takes; by default none.", "Cluster", "SHARE"),
    CliOption(
        "files", bool, "Write each photograph's files too, not the table alone.", "Cluster", default=False
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
