"""The command line."""

from collections.abc import Sequence

__all__ = [
    "main",
]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command and return its exit code; Ctrl-C is 130 from the first moment on, while packages are loaded too.

    Parameters
    ----------
    argv
        Arguments; by default those of the process.

    """
    try:
        from dccausal.cli.app import main as run

        return run(argv)
    except KeyboardInterrupt:
        return _INTERRUPTED
