"""The command ``explain``: everything is checked first, then photograph after photograph is explained."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType, MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dccausal._cli_options import CONFIG, DRAWING, EXPLANATION, MODEL, RUN, RUNNING, check_ranges
from dccausal._cli_terminal import ProgressDisplay, Terminal
from dccausal._shared.files import check_writable
from dccausal._shared.json import json_text
from dccausal._shared.text import duration, printable
from dccausal.engine.explain import explain
from dccausal.engine.profiles import Profile
from dccausal.errors import (
    DccausalError,
    DeviceError,
    InputError,
    OptionError,
    OutputError,
    RuntimeMissingError,
)
from dccausal.explanation.pictures import check_drawing
from dccausal.explanation.result import RESULT_FILES, STALE_FILES, result_document
from dccausal.inputs.baseline import make_baseline
from dccausal.inputs.photo import load_photo
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.runs.images import plan_folders

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation
    from dccausal.inputs.baseline import Baseline

FINE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_PROFILE = tuple(field.name for field in fields(Profile))
_EXPLAIN = (
    "target",
    "top_k",
    "profile",
    *_PROFILE,
    "seed",
    "trees",
    "min_confidence",
    "max_calls",
    "threads",
    "in_flight",
)


def explain_command(**options: Any) -> int:
    """Explain the photographs ``images``; return the exit code."""
    from dccausal import _cli_folder

    if _cli_folder.is_run(options):
        return _cli_folder.run_command(**options)
    terminal = Terminal(is_quiet=options["quiet"], is_json=options["json"], is_debug=options["debug"])
    started = time.monotonic()

    def show(explanation: Explanation, folder: Path) -> None:
        terminal.json(json_text({**result_document(explanation), "folder": folder}))
        terminal.result(f"{explanation.summary()}\n  written   {printable(str(folder))}\n")

    with Interrupts() as interrupts:
        run = Run(options, terminal, interrupts, show)
        images = options["images"]
        todo = run.check(images, plan_folders(images, Path(options["out"])))
        if not todo:
            return run.exit_code
        run.explain_all(todo)
    if len(images) > 1:
        terminal.result(
            f"{run.n_done} of {len(images)} photographs explained in {duration(time.monotonic() - started)}"
        )
    return run.exit_code


def load_classifier(options: Mapping[str, Any], terminal: Terminal) -> OnnxClassifier:
    """Return the classifier that the options name, and say what was understood of it."""
    model = options["model"]
    if model is None:
        from dccausal.assets.default_model import default_model

        model = default_model(progress=terminal.note)
    classifier = open_classifier({**options, "model": model})
    height, width = classifier.size
    name = classifier.path.name if classifier.path is not None else "model"
    terminal.note(
        f"{name}: {width} x {height}, {classifier.n_classes} classes ({classifier.scores}), "
        f"on {classifier.device}; preprocessing: {classifier.preprocess_reason}"
    )
    for note in classifier.notes:
        terminal.note(f"note: {note}")
    return classifier


def open_classifier(options: Mapping[str, Any]) -> OnnxClassifier:
    """Return the classifier that the options name."""
    providers = options["providers"]
    return OnnxClassifier(
        options["model"],
        device=options["device"],
        providers=None if providers is None else [name.strip() for name in providers.split(",")],
        batch_size=options["batch_size"] or "auto",
        preprocess=options["preprocess"],
        labels=options["labels"],
        input=options["input"],
        output=options["output"],
        scores=options["scores"],
        threads=options["threads"],
        reproducible=options.get("reproducible", False),
        many=options.get("many", False),
    )


def read_baseline(text: str) -> Baseline:
    """Return a baseline as ``explain`` takes it: "124,116,104" is a colour."""
    parts = text.split(",")
    if len(parts) == 3 and all(part.strip().isdecimal() for part in parts):  # noqa: PLR2004
        return (int(parts[0]), int(parts[1]), int(parts[2]))
    return text


def exit_code_of(error: Exception) -> int:
    """Return 2 for what the user can mend (input, options, environment), 1 for any other failure."""
    is_bad_input = isinstance(error, InputError | RuntimeMissingError | DeviceError)
    return BAD_INPUT if is_bad_input else FAILED


class Interrupts:
    """While entered, remembers that Ctrl-C was pressed, and raises KeyboardInterrupt as ever."""

    seen = False

    def __enter__(self) -> Self:
        """Take over the signal, where that can be (in the main thread)."""
        try:
            self._before = signal.signal(signal.SIGINT, self._note)
        except ValueError:
            self._before = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signal back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.seen = True
        raise KeyboardInterrupt


class Run:
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
        check_ranges(options)
        check_drawing(options["colormap"], options["alpha"], options["contour"])
        Profile.of(options["profile"], **{name: options[name] for name in _PROFILE})
        for folder in folders:
            try:
                check_writable(folder, (*RESULT_FILES, *STALE_FILES))
            except OutputError as error:
                raise InputError(str(error)) from error
        self._baseline = read_baseline(options["baseline"])
        readable = []
        for image, folder in zip(images, folders, strict=True):
            try:
                load_photo(image)
            except InputError as error:
                self._failed(image, error)
            else:
                readable.append((image, folder))
        if readable:
            self._classifier = load_classifier(options, self._terminal)
            self._classifier.resolve_label(options["target"])
            make_baseline(self._baseline, np.zeros((*self._classifier.size, 3), dtype=np.uint8))
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
                self._terminal.error(f"interrupted; {left} of {len(todo)} photographs were not explained")
                return

    def _explain(self, image: str, folder: Path, title: str) -> None:
        options = {name: self._options[name] for name in _EXPLAIN}
        with ProgressDisplay(self._terminal, title) as progress:
            explanation = explain(
                image, self._classifier, baseline=self._baseline, progress=progress, **options
            )
        explanation.save(folder, **{option.name: self._options[option.name] for option in DRAWING})
        self._show(explanation, folder)

    def _failed(self, image: str, error: Exception) -> None:
        self._codes.add(exit_code_of(error))
        text = describe_error(error)
        self._terminal.error(text if image in text else f"{image}: {text}", error)
        document = {"schema": "dccausal.error", "schema_version": 1, "path": image}
        self._terminal.json(json_text({**document, "error": type(error).__name__, "message": str(error)}))


def describe_error(error: BaseException, origins: Mapping[str, str] = MappingProxyType({})) -> str:
    """
    Return an error as a sentence; those that are not dccausal's own are bugs.

    Parameters
    ----------
    error
        What was raised.
    origins
        What gave an option, by its name, where that is not the command line.

    """
    if isinstance(error, OptionError):
        return _with_flag(str(error), origins)
    if isinstance(error, DccausalError):
        return str(error)
    return (
        f"{type(error).__name__}: {error} (this is a bug in dccausal; "
        "--debug shows where, and a report would be welcome)"
    )


def _with_flag(text: str, origins: Mapping[str, str]) -> str:
    """Name an option as the user did who gave it, where a text begins with its name."""
    given, _, rest = text.partition(" ")
    name = given.rstrip(":").removeprefix("--").replace("-", "_")
    if name in origins:
        return f"{origins[name]}{':' if given.endswith(':') else ''} {rest}"
    for option in (*MODEL, *EXPLANATION, *RUNNING, *RUN, *DRAWING, CONFIG):
        if given.rstrip(":") == option.name:
            hint = " (the folder of the results is --out)" if name == "output" else ""
            return f"{option.flags[0].partition('/')[0]} {rest}{hint}"
    return text
