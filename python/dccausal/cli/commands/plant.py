"""The command ``plant``: photographs in, a set with known occlusions out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dccausal._shared.checks import whole_number
from dccausal._shared.files import check_writable, sha256_of
from dccausal._shared.text import printable
from dccausal.cli.failures import BAD_INPUT, FINE, INTERRUPTED, Interrupts
from dccausal.cli.loading import load_classifier
from dccausal.cli.run_display import RunDisplay
from dccausal.cli.terminal import Terminal
from dccausal.engine.options import Options
from dccausal.errors import InputError, OptionError, OutputError
from dccausal.evaluation.plant import SHAPES, read_picture
from dccausal.evaluation.plant_set import RECORD, TRUTH, Recipe, plant_set, write_truth
from dccausal.inputs.baseline import make_baseline, read_baseline
from dccausal.runs.images import collect, plan_folders

_RECORDED = ("shape", "share", "colour", "seed", "keep_label", "tries")


def plant_command(**options: Any) -> int:
    """Make a set of a folder of photographs; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    out = Path(options["out"])
    recipe = _recipe(options, terminal)
    try:
        check_writable(out, [RECORD, TRUTH])
    except OutputError as error:
        raise InputError(str(error)) from error
    if (out / TRUTH).exists():
        raise InputError(f"{out} holds a set already ({TRUTH}); another --out is needed")
    photos = collect([options["folder"]], out, recursive=options["recursive"])
    names = [folder.name for folder in plan_folders(photos, out)]
    lines, left_out = [], []
    with Interrupts(), RunDisplay(terminal, len(photos), 0) as display:
        try:
            for photo, line in plant_set(out, photos, names, recipe):
                if isinstance(line, InputError):
                    terminal.error(str(line), line)
                    left_out.append({"path": photo, "message": str(line)})
                else:
                    lines.append(line)
                display.done(photo)
        except KeyboardInterrupt:
            terminal.error(f"interrupted; there is no {TRUTH} yet, and the same command begins again")
            return INTERRUPTED
    if not lines:
        raise InputError(f"none of {len(photos)} photographs could be used; one at least is needed")
    write_truth(out, lines, _record(options, recipe, left_out))
    shares = [float(line["share"]) for line in lines]
    terminal.result(
        f"{len(lines)} of {len(photos)} photographs planted, {min(shares):.1%} to {max(shares):.1%} covered; "
        f"written to {printable(str(out))}"
    )
    return BAD_INPUT if left_out and not options["keep_label"] else FINE


def _recipe(options: Mapping[str, Any], terminal: Terminal) -> Recipe:
    Options.of({"seed": options["seed"], "threads": options["threads"], "batch_size": options["batch_size"]})
    shapes = [shape.strip() for shape in options["shape"].split(",")]
    for shape in shapes:
        if shape not in SHAPES:
            raise OptionError(
                f"--shape has {shape!r}; {', '.join(SHAPES)} are possible, one at least is needed"
            )
    if ("picture" in shapes) != (options["picture"] is not None):
        raise OptionError(
            f"--shape is {options['shape']} and --picture is {options['picture']}; they are needed together"
        )
    colour = read_baseline(options["colour"])
    make_baseline(colour, np.zeros((2, 2, 3), dtype=np.uint8))
    needs_model = options["keep_label"] or options["model"] is not None
    return Recipe(
        shapes=shapes,
        shares=_shares(options["share"]),
        colour=colour,
        picture=None if options["picture"] is None else read_picture(options["picture"]),
        seed=options["seed"],
        tries=whole_number("--tries", options["tries"], 1),
        keep_label=options["keep_label"],
        classifier=load_classifier(options, terminal) if needs_model else None,
    )


def _shares(text: str) -> tuple[float, float]:
    """Return the lowest and highest share of "0.1" or "0.05:0.25"."""
    low, sign, high = text.partition(":")
    try:
        shares = (float(low), float(high if sign else low))
    except ValueError:
        shares = (0.0, 0.0)
    if not 0 < shares[0] <= shares[1] < 1:
        raise OptionError(f"--share is {text!r}; a share above 0 and below 1, or LOW:HIGH of such, is needed")
    return shares


def _record(options: Mapping[str, Any], recipe: Recipe, left_out: list[dict[str, str]]) -> dict[str, Any]:
    from dccausal._core import __version__

    picture, classifier = options["picture"], recipe.classifier
    return {
        "schema": "dccausal.plant",
        "schema_version": 1,
        "dccausal": __version__,
        "options": {name: options[name] for name in _RECORDED},
        "picture_sha256": None if picture is None else sha256_of(picture),
        "classifier": None if classifier is None else classifier.provenance(),
        "left_out": left_out,
    }
