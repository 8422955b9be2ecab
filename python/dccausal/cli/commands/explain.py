"""The command ``explain``: everything is checked first, then photograph after photograph is explained."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.files import check_writable
from dccausal._shared.json import json_text
from dccausal._shared.text import duration, printable
from dccausal.cli.display import ProgressDisplay
from dccausal.cli.failures import (
    BAD_INPUT,
    FAILED,
    FINE,
    INTERRUPTED,
    Interrupts,
    describe_error,
    exit_code_of,
)
from dccausal.cli.loading import explain_options, load_model
from dccausal.cli.once import name_of, read_streams
from dccausal.cli.options.common import DRAWING
from dccausal.cli.subjects import read_subject, together
from dccausal.cli.terminal import Terminal
from dccausal.engine.explain import explain
from dccausal.engine.together import explain_together
from dccausal.errors import (
    InputError,
    OutputError,
)
from dccausal.explanation.pictures import check_drawing
from dccausal.explanation.result import RESULT_FILES, STALE_FILES, result_document
from dccausal.inputs.baseline import make_baselines
from dccausal.inputs.photo import load_photo
from dccausal.runs.images import plan_folders

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation

_ANY_SIZE = (64, 64)  # of an image, where a model leaves it open


def explain_command(**options: Any) -> int:
    """Explain the photographs ``images``; return the exit code."""
    from dccausal.cli.commands import folder, ray

    if ray.is_on_ray(options):
        return ray.run_command(**options)
    if folder.is_run(options):
        return folder.run_command(**options)
    terminal = Terminal(is_quiet=options["quiet"], is_json=options["json"], is_debug=options["debug"])
    started = time.monotonic()

    def show(explanation: Explanation, folder: Path) -> None:
        terminal.json(json_text({**result_document(explanation), "folder": folder}))
        terminal.result(f"{explanation.summary()}\n  written   {printable(str(folder))}\n")

    with Interrupts() as interrupts:
        run = CommandRun(options, terminal, interrupts, show)
        images = options["images"]
        todo = run.check(images, plan_folders([name_of(image) for image in images], Path(options["out"])))
        if not todo:
            return run.exit_code
        run.explain_all(todo)
    if len(images) > 1:
        terminal.result(
            f"{run.n_done} of {len(images)} photographs explained in {duration(time.monotonic() - started)}"
        )
    return run.exit_code


class CommandRun:
    """
    One call of the command: what was checked, what failed.

    Parameters
    ----------
    options
        As the command line gives them.
    terminal
        Where to write.
    interrupts
        Tells whether Ctrl-C was pressed.
    show
        Is given each explanation and the folder that it was written to.

    """

    def __init__(
        self,
        options: Mapping[str, Any],
        terminal: Terminal,
        interrupts: Interrupts,
        show: Callable[[Explanation, Path], object],
    ) -> None:
        """Nothing is done yet."""
        self._options, self._terminal, self._interrupts, self._show = options, terminal, interrupts, show
        self._codes: set[int] = set()
        self._streams: dict[str, bytes] = {}
        self.n_done = 0

    @property
    def exit_code(self) -> int:
        """130 if interrupted, else 1 if anything failed, else 2 if any input was bad, else 0."""
        if self._interrupts.seen:
            return INTERRUPTED
        return next((code for code in (FAILED, BAD_INPUT) if code in self._codes), FINE)

    def check(self, images: Sequence[str], folders: Sequence[Path]) -> list[tuple[str, Path]]:
        """
        Check options, folders, the model and every photograph before any work.

        Faults that concern all photographs are raised. A photograph that cannot be read is reported and left
        out.
        """
        options = self._options
        self._given = explain_options(options)
        check_drawing(options["colormap"], options["alpha"], options["contour"])
        for folder in folders:
            try:
                check_writable(folder, (*RESULT_FILES, *STALE_FILES))
            except OutputError as error:
                raise InputError(str(error)) from error
        readable = []
        self._streams = read_streams(images)
        for image, folder in zip(images, folders, strict=True):
            try:
                load_photo(self._streams.get(image, image))
            except InputError as error:
                self._failed(image, error)
            else:
                readable.append((image, folder))
        if readable:
            subject = read_subject(options)
            self._classifier = load_model(options, self._terminal, subject)
            if subject is None:
                self._classifier.resolve_label(options["target"])
            size = self._classifier.size or _ANY_SIZE
            make_baselines(self._given["baseline"], np.zeros((*size, 3), dtype=np.uint8))
        return readable

    def explain_all(self, todo: Sequence[tuple[str, Path]]) -> None:
        """Explain photographs one after the other; a failure does not stop the others, Ctrl-C does."""
        for i, (image, folder) in enumerate(todo):
            try:
                self._explain(image, folder, f"{Path(image).name} ({i + 1}/{len(todo)})")
                self.n_done += 1
            except KeyboardInterrupt:
                self._interrupts.seen = True
            except BrokenPipeError:  # whoever read the results has gone; Typer ends quietly
                raise
            except Exception as error:  # noqa: BLE001  the other photographs are still to be explained
                self._failed(image, error)
            if self._interrupts.seen:
                left = len(todo) - self.n_done
                more = f"; {left} of {len(todo)} photographs were not explained" if left else ""
                self._terminal.error(f"interrupted{more}")
                return

    def _explain(self, image: str, folder: Path, title: str) -> None:
        photo: Any = self._streams.get(image, image)
        targets = together(self._options)
        with ProgressDisplay(self._terminal, title) as progress:
            if targets is None:
                explanations = [explain(photo, self._classifier, progress=progress, **self._given)]
            else:
                given = {**self._given, "target": None, "progress": progress}
                explanations = explain_together(photo, self._classifier, targets, **given)
        for i, found in enumerate(explanations):
            explanation = replace(found, source=name_of(image)) if image in self._streams else found
            place = folder
            if targets is not None:
                place = folder / (f"box-{i}" if targets == "boxes" else f"label-{explanation.label}")
            explanation.save(place, **{option.name: self._options[option.name] for option in DRAWING})
            self._show(explanation, place)
        if targets is not None:
            n_calls = sum(one.statistics["model_calls"] for one in explanations)
            self._terminal.result(f"{len(explanations)} explained together with {n_calls:,} model calls\n")

    def _failed(self, image: str, error: Exception) -> None:
        self._codes.add(exit_code_of(error))
        text = describe_error(error)
        self._terminal.error(text if image in text else f"{image}: {text}", error)
        document = {"schema": "dccausal.error", "schema_version": 1, "path": image}
        self._terminal.json(json_text({**document, "error": type(error).__name__, "message": str(error)}))
