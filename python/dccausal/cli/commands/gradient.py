"""The command ``gradient``: a model of a classifier's logits and their gradients, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dccausal._shared.files import check_writable, write_files
from dccausal.cli.terminal import Terminal
from dccausal.errors import OptionError
from dccausal.gradients.build import GRADIENT_BOOK, gradient_model
from dccausal.gradients.guided import GUIDED_BOOK

_MAX_SIDE = 16384
_MAX_BYTES = 2**31 - 1  # of a protobuf message


def gradient_command(**options: Any) -> int:
    """Write the gradient model of ``model``; return the exit code."""
    terminal = Terminal(is_debug=options["debug"])
    path = Path(options["model"])
    out = Path(options["out"] or path.with_suffix(".grad.onnx"))
    if out.resolve() == path.resolve():
        raise OptionError(f"--out is {out}, which is the model itself; another file is needed")
    check_writable(out.parent, [out.name])
    built = gradient_model(
        path,
        image=options["input"],
        output=options["output"],
        explained=options["explained"],
        size=_size(options["size"]),
        layer=options["layer"],
        book=GUIDED_BOOK if options["guided"] else GRADIENT_BOOK,
    )
    n_bytes = built.ByteSize()
    if n_bytes > _MAX_BYTES:
        raise OptionError(
            f"the gradient model has {n_bytes:,} bytes; an ONNX file holds at most {_MAX_BYTES:,}"
        )
    write_files(out.parent, {out.name: built.SerializeToString()})
    names = ", ".join(value.name for value in built.graph.output)
    terminal.result(f"{out}: {', '.join(value.name for value in built.graph.input)} to {names}")
    return 0


def _size(given: str | None) -> tuple[int, int] | None:
    """Return a size given as 224 or 224x320."""
    if given is None:
        return None
    sides = str(given).lower().split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isdecimal() and 0 < int(side) <= _MAX_SIDE for side in sides):  # noqa: PLR2004
        raise OptionError(
            f"--size is {given!r}; a number of pixels, or height and width as in 224x320, is needed"
        )
    return int(sides[0]), int(sides[-1])
