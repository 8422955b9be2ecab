"""The options of the command ``inspect``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dataclasses import replace

from dccausal.cli.options.common import JSON, MODEL, OUTPUT, RUNNING, some
from dccausal.cli.options.option import Argument, CliOption, Declared

_JSON = replace(JSON, help="Print one JSON document, and nothing else.")
_CHECK = CliOption(
    "check",
    str,
    "Photograph: its best labels under each plausible preprocessing, side by side.",
    "Output",
    "IMAGE",
)
_SPEED = CliOption("speed", bool, "Whether to measure images a second. By default yes.", "Output")

COMMAND = Declared(
    name="inspect",
    help="Show what is understood of a model: input, output, names, preprocessing and why, speed.",
    options=(
        *(option for option in MODEL if option.name != "model"),
        *some(RUNNING, "device", "providers", "batch_size", "threads"),
        *(_CHECK, _SPEED, _JSON, OUTPUT[-1]),
    ),
    argument=Argument("model", "MODEL", "ONNX file."),
    second=Argument(
        "image",
        "[IMAGE]",
        "Photograph: the boxes or regions that the model sees in it, numbered; or its best labels.",
    ),
)
