"""
The options of the command line, as one table.

Their names are those of ``explain`` and ``OnnxClassifier``, so what was read is handed over by name. Typer is
given this table, and so are the other sources of options (``_cli_config``: a file, the environment).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError

Kind = type[str] | type[int] | type[float] | type[bool]
Command = Callable[..., int]

_MAX_SEED = (1 << 64) - 1


@dataclass(frozen=True)
class CliOption:
    """
    An option.

    Attributes
    ----------
    name
        Name in Python; the flag is the same with hyphens.
    kind
        str, int, float, or bool: a switch, with a ``--no-`` form.
    help
        A sentence or two.
    panel
        The group it is shown in.
    metavar
        What stands for the value in the help.
    default
        Value where it is not given; None leaves it to the library.
    short
        A flag of one letter.
    at_least, at_most
        Range of a number where nothing but this table checks it before the work (``check_ranges``).

    """

    name: str
    kind: Kind
    help: str
    panel: Literal["Model", "Explanation", "Running", "Output"]
    metavar: str = ""
    default: str | float | bool | None = None
    short: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags, the long one first."""
        long = "--" + self.name.replace("_", "-")
        if self.kind is bool:
            long += "/--no-" + long.removeprefix("--")
        return (long,) if self.short is None else (long, self.short)


MODEL = (
    CliOption(
        "model", str, "ONNX file. By default EfficientNet-Lite0 (ImageNet).", "Model", "FILE", short="-m"
    ),
    CliOption(
        "preprocess",
        str,
        "Preset (imagenet, tf, unit, raw, caffe) or JSON file. By default told by the model or found out.",
        "Model",
        "PRESET|FILE",
    ),
    CliOption("labels", str, "Text or JSON file of class names.", "Model", "FILE"),
    CliOption("input", str, "Name of the model's input, where it has several.", "Model", "NAME"),
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
        "What the output is: logits, probabilities, sigmoid, binary. By default found out.",
        "Model",
        "KIND",
        default="auto",
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

CONFIG = CliOption(
    "config",
    str,
    "TOML file of options. The command line comes before it, and so do variables like DCCAUSAL_PROFILE.",
    "Output",
    "FILE",
)


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


def give_signature(command: Command, options: Iterable[CliOption], images: str | None = None) -> Command:
    """
    Give a function of keywords the signature from which Typer reads a command, --config among its options.

    Parameters
    ----------
    command
        Called with a value for every option, and ``images`` (a list of str) if there are any.
    options
        What it takes, besides --config.
    images
        Help for the positional arguments; None for a command without.

    """
    import typer

    parameters = []
    if images is not None:
        argument = typer.Argument(help=images, metavar="IMAGE...", show_default=False)
        parameters.append(_parameter("images", list[str], argument))
    own = tuple(options)
    for option in (*own, CONFIG):
        has_default = option.kind is not bool and option.default is not None
        declared = typer.Option(
            option.default,
            *option.flags,
            help=option.help,
            metavar=option.metavar or None,
            rich_help_panel=option.panel,
            show_default=has_default,
        )
        if option is CONFIG:
            declared.is_eager, declared.callback = True, _reader(own)
        annotation = option.kind if option.default is not None else option.kind | None
        parameters.append(_parameter(option.name, annotation, declared))
    described: Any = command
    described.__signature__ = inspect.Signature(parameters, return_annotation=int)
    described.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _reader(options: tuple[CliOption, ...]) -> Callable[..., str | None]:
    """Return what Typer calls with the value of --config before it looks at the other options."""
    import typer

    from dccausal._cli_config import FILE_VARIABLE, read_environment, read_file

    def read(context: Any, value: str | None) -> str | None:
        path = value or os.environ.get(FILE_VARIABLE)
        if not value and context.obj is not None:
            context.obj[CONFIG.name] = FILE_VARIABLE
        commands = context.parent.command.commands
        known = {
            parameter.name
            for command in commands.values()
            for parameter in command.params
            if parameter.param_type_name == "option" and parameter.name not in (CONFIG.name, "help")
        }
        found = read_environment(options, known, os.environ)
        if path:
            found = read_file(path, options, known, context.info_name, commands) | found
        context.default_map = {name: item.value for name, item in found.items()}
        _tell_origins(context, {name: item.origin for name, item in found.items() if item.value is not False})
        return path

    read.__annotations__ = {"context": typer.Context, "value": str}
    return read


def _tell_origins(context: Any, origins: Mapping[str, str]) -> None:
    """Leave in the context's object, for errors, where the values come from that the command line has not given."""

    def tell() -> None:
        for name, origin in origins.items():
            source = context.get_parameter_source(name)
            if source is None or source.name != "COMMANDLINE":
                context.obj[name] = origin

    if context.obj is not None:
        context.call_on_close(tell)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
