"""The command ``demo``: the photograph of the package, as it is and with a black box planted in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.files import check_writable, png_bytes, write_files
from dccausal._shared.text import printable, score_text
from dccausal.assets.photo import demo_occluded, demo_photo
from dccausal.cli.commands.explain import CommandRun
from dccausal.cli.failures import Interrupts
from dccausal.cli.options.common import JSON, MODEL
from dccausal.cli.terminal import Terminal
from dccausal.errors import InputError, OutputError
from dccausal.explanation.sheet import contact_sheet
from dccausal.explanation.words import short_title

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.explanation.explanation import Explanation
    from dccausal.explanation.pictures import Contour

SHEET = "demo.png"


def demo_command(**options: Any) -> int:
    """Explain both photographs and put the pictures side by side; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    out = Path(options["out"])
    (occluded, box), names = demo_occluded(), ("photo", "occluded")
    photos = {f"{names[0]}.png": png_bytes(demo_photo()), f"{names[1]}.png": png_bytes(occluded)}
    try:
        check_writable(out, [*photos, SHEET])
        write_files(out, photos)
    except OutputError as error:
        raise InputError(str(error)) from error
    explanations: list[Explanation] = []
    with Interrupts() as interrupts:
        values = {option.name: option.default for option in (*MODEL, JSON)} | options
        run = CommandRun(
            values, terminal, interrupts, lambda explanation, _: explanations.append(explanation)
        )
        run.explain_all(run.check([str(out / name) for name in photos], [out / name for name in names]))
        if explanations:
            drawing = {name: options[name] for name in ("colormap", "alpha", "contour")}
            write_files(out, {SHEET: png_bytes(sheet(explanations, **drawing))})
    for explanation in explanations:
        terminal.result(explanation.summary() + "\n")
    if len(explanations) == len(photos):
        terminal.result(
            f"The box hides {_share(box, occluded):.1%} of the second photograph; "
            f"{covered(explanations[1], box):.1%} of it is in the explanation."
        )
    if explanations:
        terminal.result(f"All side by side: {printable(str(out / SHEET))}")
    return run.exit_code


def covered(explanation: Explanation, box: tuple[int, int, int, int]) -> float:
    """Return the share of a box (left, top, right, bottom) of the photograph that the explanation keeps."""
    left, top, right, bottom = box
    kept = explanation.placement.to_photo(explanation.kept, smooth=False, fill=False)
    return float(np.mean(kept[top:bottom, left:right]))


def sheet(explanations: list[Explanation], *, contour: Contour = "solid", **drawing: Any) -> Image.Image:
    """Return photograph, heatmap and explanation side by side, a row for each; options as of ``overlay``."""
    rows = []
    for explanation in explanations:
        scores = [
            "" if math.isnan(score) else f", score {score_text(score)}"
            for score in (explanation.score, explanation.explanation_score)
        ]
        rows.append(
            [
                (explanation.photo, f"What was given:\n{short_title(explanation)}{scores[0]}"),
                (
                    explanation.overlay(contour=contour, **drawing),
                    "Where the label comes from:\nlightest is most",
                ),
                (
                    explanation.picture(contour=contour),
                    f"What suffices for it:\n{explanation.size:.1%} of the pixels{scores[1]}",
                ),
            ]
        )
    return contact_sheet(rows)


def _share(box: tuple[int, int, int, int], photo: Image.Image) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top) / (photo.width * photo.height)
