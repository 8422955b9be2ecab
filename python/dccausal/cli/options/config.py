"""
Options from a file (``--config run.toml``) and from the environment (``DCCAUSAL_PROFILE=fast``).

What is given on the command line comes first, then the environment, then the file, then the default. Names, types
and ranges are those of the option table, so whatever can be said on the command line can be said there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dccausal.errors import OptionError

if TYPE_CHECKING:
    from dccausal.cli.options.option import CliOption

PREFIX = "DCCAUSAL_"
FILE_VARIABLE = "DCCAUSAL_CONFIG"
# Variables of the same prefix that are no options: the folder of the default model, the limit of pixels, and others.
_OTHER_VARIABLES = (
    "DCCAUSAL_API_KEY",
    "DCCAUSAL_CACHE",
    "DCCAUSAL_CALIBRATION",
    "DCCAUSAL_CI_VENV",
    "DCCAUSAL_MAX_PIXELS",
)

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_NEEDED = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


class Given(NamedTuple):
    """
    A value that was found.

    Attributes
    ----------
    value
        Of the option's type.
    origin
        What an error names: the variable, or the file and its key.

    """

    value: str | float | bool | list[str]
    origin: str


def read_environment(
    options: Iterable[CliOption], known: Collection[str], environ: Mapping[str, str]
) -> dict[str, Given]:
    """
    Return the options that the environment gives; an empty variable gives none.

    Parameters
    ----------
    options
        Those of the command.
    known
        Names of the options of all commands; variables of the others are passed over.
    environ
        Variables by name.

    Raises
    ------
    OptionError
        If a variable with the prefix names no option, or has a value of another type.

    """
    by_name = {option.name: option for option in options}
    found = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in (FILE_VARIABLE, *_OTHER_VARIABLES) or not text:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in by_name and variable.isupper():
            found[name] = Given(_from_text(by_name[name], text, variable), variable)
        elif name not in known or not variable.isupper():
            names = [PREFIX + other.upper() for other in sorted(known)]
            raise OptionError(f"{variable} is set, but no option has that name; {_instead(variable, names)}")
    return found


def read_file(
    path: str, options: Iterable[CliOption], known: Collection[str], command: str, commands: Collection[str]
) -> dict[str, Given]:
    """
    Return the options that a file gives.

    The keys are the names of options, with hyphens or underscores, at the top of the file; those in a table
    of the command's name (``[explain]``) are for that command alone and come before.

    Parameters
    ----------
    path
        A TOML file.
    options, command
        The command's options and its name.
    known, commands
        Names of the options of all commands, and names of all commands; what is for others is passed over.

    Raises
    ------
    OptionError
        If the file cannot be read, a key names no option, or a value has another type.

    """
    document = _parse(path)
    by_name = {option.name: option for option in options}
    tables = {key: value for key, value in document.items() if key in commands and isinstance(value, dict)}
    keys = {key: value for key, value in document.items() if key not in tables}
    found = _of_table(keys, by_name, known, path)
    return found | _of_table(tables.get(command, {}), by_name, by_name, f"{path}: [{command}]")


def _parse(path: str) -> dict[str, Any]:
    from dccausal._shared.files import read_text  # loads NumPy, for which the help need not wait

    try:
        return tomllib.loads(read_text(path))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(f"config: {path} is not TOML ({error}); a TOML file is needed") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"config: {path} cannot be read ({reason}); a TOML file is needed") from error


def _of_table(
    table: Mapping[str, Any], by_name: Mapping[str, CliOption], known: Collection[str], where: str
) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in found:
            raise OptionError(
                f"{where}: {name} is there twice, with hyphens and with underscores; one is needed"
            )
        if name in by_name:
            found[name] = Given(_checked(by_name[name], value, f"{where}: {key}"), f"{where}: {key}")
        elif name not in known:
            raise OptionError(f"{where}: no option is called {key!r}; {_instead(key, sorted(known))}")
    return found


def _instead(given: str, names: list[str]) -> str:
    own = {name.removeprefix(PREFIX): name for name in names}  # a prefix that all have makes none alike
    near = difflib.get_close_matches(given.replace("-", "_").removeprefix(PREFIX), own, n=1)
    close = [own[name] for name in near]
    return f"{close[0]}, perhaps, is needed" if close else "a name that --help lists is needed"


def _checked(option: CliOption, value: Any, what: str) -> Any:
    """Return a value of a file as the option's type; a number will do for a string (``target = 207``)."""
    if option.is_list:
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) for entry in listed):
            raise OptionError(f"{what} is {value!r}; a string or a list of strings is needed")
        return listed
    kinds = {str: (str, int, float), int: (int,), float: (int, float), bool: (bool,)}[option.kind]
    if isinstance(value, bool) != (option.kind is bool) or not isinstance(value, kinds):
        raise _wrong_type(option, value, what)
    return option.kind(value)


def _from_text(option: CliOption, text: str, what: str) -> Any:
    if option.is_list:
        return [part.strip() for part in text.split(";") if part.strip()]
    if option.kind is bool:
        if text.lower() not in (*_YES, *_NO):
            raise _wrong_type(option, text, what)
        return text.lower() in _YES
    try:
        return option.kind(text)
    except ValueError as error:
        raise _wrong_type(option, text, what) from error


def _wrong_type(option: CliOption, value: Any, what: str) -> OptionError:
    return OptionError(f"{what} is {value!r}; {_NEEDED[option.kind]} is needed")
