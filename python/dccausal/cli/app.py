"""
The command line: ``dccausal explain`` and eight other commands.

Exit codes: 0 all is well; 2 bad input, usage or environment; 1 any other failure; 130 interrupted.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from dccausal.cli.options.option import Command, Declared

_INSTALL = 'the command line needs the packages typer and rich: pip install "dccausal[cli]"'
_BAD_USAGE, _INTERRUPTED = 2, 130
# In the order of the help.
_COMMANDS = ("explain", "inspect", "evaluate", "gradient", "plant", "report", "table", "serve", "demo")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command and return its exit code.

    Parameters
    ----------
    argv
        Arguments; by default those of the process.

    """
    from dccausal.cli.streams import Streams

    with Streams() as streams:
        return streams.exit_code(_run(list(sys.argv[1:] if argv is None else argv)))


def _run(argv: list[str]) -> int:
    try:
        import rich  # noqa: F401
        import typer
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"error: {_INSTALL}\n")
        return _BAD_USAGE
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    if not {"--help", "-h"}.isdisjoint(argv or ["-h"]):
        _widen_help()
    usage_error: type[Exception] = typer.BadParameter.__bases__[0]  # click's, wherever Typer keeps it
    origins: dict[str, str] = {}  # where options come from that are not on the command line
    try:
        command = typer.main.get_command(build_app())
        result = command.main(argv or ["--help"], prog_name="dccausal", standalone_mode=False, obj=origins)
    except usage_error as error:
        return _report_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001  this is where errors become lines
        return _report(error, origins, is_debug="--debug" in argv or "debug" in origins)
    return result if isinstance(result, int) else 0


def _widen_help() -> None:
    """Let the help be as wide as the terminal, also where rich does not ask (TERM=dumb)."""
    import typer.rich_utils

    typer.rich_utils.MAX_WIDTH = shutil.get_terminal_size().columns


def build_app() -> Any:
    """Return the Typer application."""
    import typer

    from dccausal.cli.options.signature import give_signature

    app = typer.Typer(
        name="dccausal",
        help="Why did the classifier say that? Minimal causal explanations of ONNX image classifiers.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    version = typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)

    def top(version: bool = False) -> int:  # noqa: ARG001, FBT001, FBT002  declared to Typer below
        return 0

    top.__annotations__["version"] = Annotated[bool, version]
    app.callback()(top)
    for name in _COMMANDS:
        declared: Declared = import_module(f"dccausal.cli.options.{name}").COMMAND
        command = give_signature(_command(name), declared)
        app.command(name, help=declared.help, epilog=declared.epilog)(command)
    return app


def _show_version(value: bool) -> None:  # noqa: FBT001  a callback of Typer's
    if value:
        import typer

        from dccausal._core import __version__

        typer.echo(f"dccausal {__version__}")
        raise typer.Exit


def _command(name: str) -> Command:
    """Return what runs a command; it is loaded then, so that the help is there at once."""

    def run(**options: Any) -> int:
        _log(is_debug=options["debug"])
        command: Command = getattr(import_module(f"dccausal.cli.commands.{name}"), f"{name}_command")
        return command(**options)

    return run


def _log(*, is_debug: bool) -> None:
    """Show the library's log where the user asked for it; what matters in it is said otherwise too."""
    logger = logging.getLogger("dccausal")
    logger.addHandler(logging.StreamHandler() if is_debug else logging.NullHandler())
    if is_debug:
        logger.setLevel(logging.DEBUG)


def _report_usage(error: Any) -> int:
    from dccausal.cli.terminal import Terminal

    command = error.ctx.command_path if getattr(error, "ctx", None) is not None else "dccausal"
    Terminal().error(f"{error.format_message().rstrip('.')} ({command} --help tells what is possible)")
    return _BAD_USAGE


def _report(error: Exception, origins: Mapping[str, str], *, is_debug: bool) -> int:
    from dccausal.cli.failures import describe_error, exit_code_of
    from dccausal.cli.terminal import Terminal

    Terminal(is_debug=is_debug).error(describe_error(error, origins), error)
    return exit_code_of(error)
