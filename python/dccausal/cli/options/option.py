"""One option of a command, and what a command is told to Typer by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = type[str] | type[int] | type[float] | type[bool]


Command = Callable[..., int]


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
    is_list
        Whether it may be given several times; the value is then a list.

    """

    name: str
    kind: Kind
    help: str
    panel: Literal["Model", "Explanation", "Method (experts)", "Running", "Cluster", "Output"]
    metavar: str = ""
    default: str | float | bool | None = None
    short: str | None = None
    is_list: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags, the long one first."""
        long = "--" + self.name.replace("_", "-")
        if self.kind is bool:
            long += "/--no-" + long.removeprefix("--")
        return (long,) if self.short is None else (long, self.short)


@dataclass(frozen=True)
class Argument:
    """
    The positional argument of a command.

    Attributes
    ----------
    name
        Name in Python.
    metavar
        What stands for it in the help.
    help
        What it is.
    is_list
        Whether one or more may be given.

    """

    name: str
    metavar: str
    help: str
    is_list: bool = False


@dataclass(frozen=True)
class Declared:
    """
    A command as the help shows it; ``commands.NAME`` has ``NAME_command``, which is loaded when it is called.

    Attributes
    ----------
    name
        What is typed.
    help, epilog
        Above and below the options.
    options
        All options but ``--config``, which every command has.
    argument
        The positional argument, if there is one.
    second
        Another one that may be left out.

    """

    name: str
    help: str
    options: tuple[CliOption, ...]
    argument: Argument | None = None
    second: Argument | None = None
    epilog: str | None = None
