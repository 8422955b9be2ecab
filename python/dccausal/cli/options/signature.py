"""Options as the signature of a command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from dccausal.cli.options.option import CliOption, Command, Declared

CONFIG = CliOption(
    "config",
    str,
    "TOML file of options. The command line comes before it, and so do variables like DCCAUSAL_PROFILE.",
    "Output",
    "FILE",
)


def give_signature(command: Command, declared: Declared) -> Command:
    """
    Give a function of keywords the signature from which Typer reads a command, --config among its options.

    Parameters
    ----------
    command
        Called with a value for every option and the argument.
    declared
        What it takes.

    """
    import typer

    parameters = []
    if declared.argument is not None:
        argument = typer.Argument(
            help=declared.argument.help, metavar=declared.argument.metavar, show_default=False
        )
        kind: Any = list[str] if declared.argument.is_list else str
        parameters.append(_parameter(declared.argument.name, kind, argument))
    if declared.second is not None:
        second = typer.Argument(
            None, help=declared.second.help, metavar=declared.second.metavar, show_default=False
        )
        parameters.append(_parameter(declared.second.name, str | None, second))
    own = declared.options
    for option in (*own, CONFIG):
        has_default = option.kind is not bool and option.default is not None
        shown = typer.Option(
            option.default,
            *option.flags,
            help=option.help,
            metavar=option.metavar or None,
            rich_help_panel=option.panel,
            show_default=has_default,
        )
        if option is CONFIG:
            shown.is_eager, shown.callback = True, _reader(own)
        annotation: Any = option.kind if option.default is not None else option.kind | None
        if option.is_list:
            annotation = list[str] | None
        parameters.append(_parameter(option.name, annotation, shown))
    described: Any = command
    described.__signature__ = inspect.Signature(parameters, return_annotation=int)
    described.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _reader(options: tuple[CliOption, ...]) -> Callable[..., str | None]:
    """Return what Typer calls with the value of --config before it looks at the other options."""
    import typer

    from dccausal.cli.options.config import FILE_VARIABLE, read_environment, read_file

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
