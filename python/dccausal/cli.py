"""
The command line: ``dccausal explain``, ``inspect``, ``evaluate``, ``plant``, ``report``, ``table``, ``demo``.

Exit codes: 0 all is well; 2 bad input, usage or environment; 1 any other failure; 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

_INSTALL = 'the command line needs the packages typer and rich: pip install "dccausal[cli]"'
_BAD_USAGE, _INTERRUPTED = 2, 130

_EPILOG = (
    "Each photograph gets a folder of its own, OUT/NAME (NAME-2 where two have the same name), with "
    "overlay.png, explanation.png, heatmap.npy, heatmap.png, kept.png and result.json. Exit code: 0 fine, 2 bad input, "
    "1 failure, 130 interrupted (the best so far is written). Folders and patterns make a run: OUT/results.jsonl "
    "has a line a photograph, OUT/images/NAME the files, and --resume continues where it was cut off."
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command and return its exit code.

    Parameters
    ----------
    argv
        Arguments; by default those of the process.

    """
    argv = list(sys.argv[1:] if argv is None else argv)
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


def build_app() -> Any:
    """Return the Typer application."""
    import typer

    from dccausal import _cli_evaluate_options as evaluating
    from dccausal import _cli_inspect_options as inspecting
    from dccausal import _cli_options as cli
    from dccausal import _cli_plant_options as planting
    from dccausal import _cli_report as reporting
    from dccausal import _cli_table as tabling

    app = typer.Typer(
        name="dccausal",
        help="Why did the classifier say that? Minimal causal explanations of ONNX image classifiers.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def show_version(value: bool) -> None:  # noqa: FBT001  a callback of Typer's
        if value:
            from dccausal import __version__

            typer.echo(f"dccausal {__version__}")
            raise typer.Exit

    version = typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)

    def top(version: bool = False) -> int:  # noqa: ARG001, FBT001, FBT002  declared to Typer below
        return 0

    top.__annotations__["version"] = Annotated[bool, version]
    app.callback()(top)

    def explain(**options: Any) -> int:
        _log(is_debug=options["debug"])
        from dccausal._cli_explain import explain_command

        return explain_command(**options)

    folder = cli.out("explanations", "Folder of the results.")
    explaining = (
        *(*cli.MODEL, *cli.EXPLANATION, *cli.RUNNING, folder),
        *(*cli.RUN, *cli.DRAWING, cli.JSON, *cli.OUTPUT),
    )
    cli.give_signature(
        explain, explaining, "Photographs (JPEG, PNG, WebP, ...), folders of them, or patterns."
    )
    app.command(help="Explain what a model says about photographs.", epilog=_EPILOG)(explain)

    def inspect(**options: Any) -> int:
        _log(is_debug=options["debug"])
        from dccausal._cli_inspect import inspect_command

        return inspect_command(**options)

    app.command(help=inspecting.HELP)(inspecting.declare(inspect))

    def evaluate(**options: Any) -> int:
        _log(is_debug=options["debug"])
        from dccausal._cli_evaluate import evaluate_command

        return evaluate_command(**options)

    app.command(help=evaluating.HELP, epilog=evaluating.EPILOG)(evaluating.declare(evaluate))

    def plant(**options: Any) -> int:
        _log(is_debug=options["debug"])
        from dccausal._cli_plant import plant_command

        return plant_command(**options)

    app.command(help=planting.HELP, epilog=planting.EPILOG)(planting.declare(plant))

    def report(**options: Any) -> int:
        _log(is_debug=options["debug"])
        return reporting.report_command(**options)

    app.command(help=reporting.HELP, epilog=reporting.EPILOG)(reporting.declare(report))

    def table(**options: Any) -> int:
        _log(is_debug=options["debug"])
        return tabling.table_command(**options)

    app.command(help=tabling.HELP)(tabling.declare(table))

    def demo(**options: Any) -> int:
        _log(is_debug=options["debug"])
        from dccausal._cli_demo import demo_command

        return demo_command(**options)

    folder = cli.out("demo", "Folder of the pictures.")
    # Half of the score, since very small sets can be accidents of the model: see the documents on reading a
    # result.
    explanation = [
        replace(option, default=0.5) if option.name == "min_confidence" else option
        for option in cli.EXPLANATION
    ]
    cli.give_signature(demo, (*explanation, *cli.RUNNING, folder, *cli.DRAWING, *cli.OUTPUT))
    app.command(
        help="Explain a photograph of a giant panda, as it is and with a black square planted in it."
    )(demo)
    return app


def _log(*, is_debug: bool) -> None:
    """Show the library's log where the user asked for it; what matters in it is said otherwise too."""
    logger = logging.getLogger("dccausal")
    logger.addHandler(logging.StreamHandler() if is_debug else logging.NullHandler())
    if is_debug:
        logger.setLevel(logging.DEBUG)


def _report_usage(error: Any) -> int:
    from dccausal._cli_terminal import Terminal

    command = error.ctx.command_path if getattr(error, "ctx", None) is not None else "dccausal"
    Terminal().error(f"{error.format_message().rstrip('.')} ({command} --help tells what is possible)")
    return _BAD_USAGE


def _report(error: Exception, origins: Mapping[str, str], *, is_debug: bool) -> int:
    from dccausal._cli_explain import describe_error, exit_code_of
    from dccausal._cli_terminal import Terminal

    Terminal(is_debug=is_debug).error(describe_error(error, origins), error)
    return exit_code_of(error)
