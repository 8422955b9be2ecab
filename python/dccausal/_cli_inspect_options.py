"""The options of the command ``inspect``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from dccausal._cli_options import JSON, MODEL, OUTPUT, RUNNING, CliOption, Command, give_signature

HELP = "Show what is understood of a model: input, output, names, preprocessing and why, speed."

_JSON = replace(JSON, help="Print one JSON document, and nothing else.")
_CHECK = CliOption(
    "check",
    str,
    "Photograph: its best labels under each plausible preprocessing, side by side.",
    "Output",
    "IMAGE",
)
_SPEED = CliOption("speed", bool, "Whether to measure images a second. By default yes.", "Output")
_RUNNING = ("device", "providers", "batch_size", "threads")


def declare(command: Command) -> Command:
    """Give the command its argument MODEL and its options."""
    import typer

    options = [option for option in MODEL if option.name != "model"]
    options += [option for option in RUNNING if option.name in _RUNNING]
    give_signature(command, (*options, _CHECK, _SPEED, _JSON, OUTPUT[-1]))
    described: Any = command
    argument = typer.Argument(help="ONNX file.", metavar="MODEL", show_default=False)
    model = inspect.Parameter("model", inspect.Parameter.KEYWORD_ONLY, default=argument, annotation=str)
    signature = described.__signature__
    described.__signature__ = signature.replace(parameters=[model, *signature.parameters.values()])
    described.__annotations__ = {"model": str, **described.__annotations__}
    return command
