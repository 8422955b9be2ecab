"""The classifier and the options of ``explain`` that a command line names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dccausal._shared.text import shown
from dccausal.cli.options.common import EXPLAIN
from dccausal.cli.subjects import prompt_names, read_subject
from dccausal.cli.terminal import Terminal
from dccausal.engine.options import Options
from dccausal.errors import OptionError
from dccausal.inputs.baseline import read_baselines
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.onnx.model import OnnxModel
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.onnx.reading.feed import read_feed
from dccausal.remote.address import is_address
from dccausal.remote.classifier import RemoteClassifier
from dccausal.targets import Subject
from dccausal.targets.target import Needs

_MAX_DIGITS = 6


def explain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what ``explain`` is given, checked.

    Raises
    ------
    OptionError
        If an option is out of its range.

    """
    given = {name: options[name] for name in EXPLAIN} | {"baseline": read_baselines(options["baseline"])}
    subject = read_subject(options)
    if subject is not None:
        given["target"] = subject
    Options.of({**given, "batch_size": options["batch_size"]})
    return given


def load_model(options: Mapping[str, Any], terminal: Terminal, subject: Subject | None) -> Any:
    """Return the classifier, or the model for another target, that the options name, and say what was understood."""
    if subject is None:
        return load_classifier(options, terminal)
    model = open_model(options, subject.needs)
    name = model.path.name if model.path is not None else "model"
    terminal.note(
        f"{name}: {model.family}, {model.sizing.words()}, on {model.device}; preprocessing: {model.preprocess_reason}"
    )
    for note in model.notes:
        terminal.note(f"note: {note}")
    return model


def load_classifier(options: Mapping[str, Any], terminal: Terminal) -> ModelClassifier:
    """Return the classifier that the options name, and say what was understood of it."""
    model = options["model"]
    if model is None:
        from dccausal.assets.default_model import default_model

        model = default_model(progress=terminal.note)
    classifier = open_classifier({**options, "model": model})
    height, width = classifier.size
    name = classifier.path.name if classifier.path is not None else getattr(classifier, "model", "model")
    terminal.note(
        f"{name}: {width} x {height}, {count_classes(classifier)} ({classifier.scores}), "
        f"on {classifier.device}; preprocessing: {classifier.preprocess_reason}"
    )
    for note in classifier.notes:
        terminal.note(f"note: {note}")
    return classifier


def count_classes(classifier: ModelClassifier) -> str:
    """Return the number of classes in words."""
    return "labels only" if classifier.n_classes is None else f"{classifier.n_classes} classes"


def open_classifier(options: Mapping[str, Any]) -> ModelClassifier:
    """Return the classifier that the options name: a model in a file, or one on a server."""
    read = {**_reading(options), "output": options["output"], "scores": options["scores"]}
    prompts = prompt_names(options)
    if prompts is not None:
        read["labels"] = prompts
    if is_address(options["model"]):
        _refuse_devices(options)
        return RemoteClassifier(options["model"], **read)
    return OnnxClassifier(options["model"], **_running(options), **read)


def _refuse_devices(options: Mapping[str, Any]) -> None:
    """Refuse what only a model in a file can be told."""
    for name, left in (("device", "auto"), ("providers", None), ("reproducible", False)):
        if options.get(name, left) != left:
            raise OptionError(
                f"{name} is {shown(options[name])}, but the model is on a server, which decides that; a model in a "
                "file is needed for it"
            )


def open_model(options: Mapping[str, Any], gives: Needs | None = None) -> OnnxModel:
    """
    Return the detector, segmenter or embedding model that the options name.

    Raises
    ------
    OptionError
        If no model is named, or an option is for classifiers.

    """
    if options["model"] is None:
        raise OptionError(
            "no model is given, and the one that comes along classifies; --model FILE is needed"
        )
    for name, default in (("output", None), ("scores", "auto")):
        if options[name] != default:
            raise OptionError(
                f"{name} is given, which is for classifiers; a model that is one, or none of it, is needed"
            )
    return OnnxModel(options["model"], gives=gives, **_running(options), **_reading(options))


def _reading(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how every model is read."""
    names = ("preprocess", "geometry", "crop_ratio", "stretch", "labels", "input", "threshold")
    return {
        **{name: options[name] for name in names},
        "batch_size": options["batch_size"] or "auto",
        "size": read_size(options["size"]),
        "feed": read_feed(options["feed"] or ()),
    }


def _running(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return where and how every model in a file is run."""
    providers = options["providers"]
    return {
        "device": options["device"],
        "providers": None if providers is None else [name.strip() for name in providers.split(",")],
        "threads": options["threads"],
        "reproducible": options.get("reproducible", False),
        "many": options.get("many", False),
    }


def read_size(text: str | None) -> tuple[int, int] | None:
    """
    Return (height, width) of "224" or "HEIGHTxWIDTH".

    Raises
    ------
    OptionError
        If it is neither.

    """
    if text is None:
        return None
    parts = [part.strip() for part in text.lower().replace("\u00d7", "x").replace(",", "x").split("x")]
    if len(parts) not in (1, 2) or not all(part.isdecimal() and len(part) <= _MAX_DIGITS for part in parts):
        raise OptionError(f"size is {shown(text)}; a side, or HEIGHTxWIDTH, is needed")
    return int(parts[0]), int(parts[-1])
