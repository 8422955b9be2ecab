"""What there is to know about a model before it is explained: the facts, its speed, and how it reads a photograph."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal.inputs.framing import Geometry
from dccausal.inputs.preprocess import PRESETS, Preprocess

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.onnx.model_classifier import ModelClassifier

AS_UNDERSTOOD = "as understood"
N_BEST = 5

# The ranges of pixels that exporters leave untold.
_LIKELY = ("imagenet", "tf", "unit")

_SIZES_ON_CPU = (1, 4, 16)
_SIZES_ELSEWHERE = (1, 16, 64, 256)
_TIMED_S = 0.5
_SLOW_S = 3.0


@dataclass(frozen=True)
class Candidate:
    """
    What a model says of a photograph that was prepared in one of the plausible ways.

    Attributes
    ----------
    title
        The preset's name, or ``AS_UNDERSTOOD``.
    preprocess
        The settings.
    best
        (label, name, score) of the best labels, best first.

    """

    title: str
    preprocess: Preprocess
    best: tuple[tuple[int, str | None, float], ...]


def check_photo(classifier: ModelClassifier, photo: Image.Image) -> list[Candidate]:
    """
    Return the best labels of a photograph under each plausible preprocessing, the one in use first.

    The others are the presets that the model's type of numbers allows, each exactly as the option
    ``preprocess`` would give it.

    Raises
    ------
    ClassifierError
        If the model fails.

    """
    candidates = []
    for title, settings in plausible(classifier):
        x, _ = settings.prepare(photo, classifier.size)
        tensor = settings.encode(x[None], classifier.layout, classifier.dtype, classifier.channels)
        scores = classifier.run(tensor)[0]
        best = np.argsort(-scores, kind="stable")[:N_BEST] if scores.ndim else [scores]
        names = classifier.names or ()
        rows = tuple(
            (int(i), names[i] if i < len(names) else None, float(scores[i]) if scores.ndim else float("nan"))
            for i in best
        )
        candidates.append(Candidate(title, settings, rows))
    return candidates


def plausible(classifier: ModelClassifier) -> list[tuple[str, Preprocess]]:
    """Return the settings in use and the presets that differ from them and from each other."""
    understood = classifier.preprocess
    found = [(AS_UNDERSTOOD, understood)]
    is_raw = classifier.dtype.kind in "iu"
    for name, preset in PRESETS.items():
        settings = preset.with_size(classifier.size)
        if is_raw and (name != "raw" or classifier.dtype == np.int8):
            continue
        same = next((i for i, (_, other) in enumerate(found) if _is_same(settings, other)), None)
        if same is None:
            found.append((name, settings))
        elif same == 0:
            found[0] = (f"{AS_UNDERSTOOD} ({name})", understood)
    for geometry in ("crop", "squash"):
        settings = replace(understood, geometry=geometry)
        if not any(_is_same(settings, other) for _, other in found):
            found.append((f"--geometry {geometry}", settings))
    return found


def guess_notes(classifier: ModelClassifier, photo: Image.Image) -> list[str]:
    """
    Return a sentence on whether a guess about the preprocessing decides the top label of a photograph.

    Nothing is said where the preprocessing was told. Each other way that is as plausible costs a run of one image.

    Raises
    ------
    ClassifierError
        If the model fails.

    """
    if not classifier.is_guessed:
        return []
    tops = {title: _top(classifier, settings, photo) for title, settings in _as_likely(classifier)}
    own = tops.pop(AS_UNDERSTOOD)
    others = {title: label for title, label in tops.items() if label != own}
    start = f"The preprocessing is a guess ({classifier.preprocess_reason.removeprefix('guessed: ')})"
    if not others:
        return [f"{start}; the others that are plausible give the same label."]
    listed = ", ".join(f"{_named(classifier, label)} by {title}" for title, label in others.items())
    note = (
        f"{start} and changes the label: {_named(classifier, own)} so, {listed}; the option that is right is needed "
        "(dccausal inspect --check shows them side by side)."
    )
    return [note]


def _as_likely(classifier: ModelClassifier) -> list[tuple[str, Preprocess]]:
    """Return the settings in use, and those that are as good a guess; what the user or the graph told stays."""
    understood = classifier.preprocess
    found = [(AS_UNDERSTOOD, understood)]
    if "geometry given" not in classifier.preprocess_reason:
        other: Geometry = "crop" if understood.geometry == "squash" else "squash"
        found.append((f"--geometry {other}", replace(understood, geometry=other)))
    if not classifier.is_range_told:
        for name in _LIKELY:
            preset = PRESETS[name]
            settings = replace(understood, scale=preset.scale, mean=preset.mean, std=preset.std)
            if not any(_is_same(settings, known) for _, known in found):
                found.append((f"--preprocess {name}", settings))
    return found


def _top(classifier: ModelClassifier, settings: Preprocess, photo: Image.Image) -> int:
    x, _ = settings.prepare(photo, classifier.size)
    scores = classifier.run(
        settings.encode(x[None], classifier.layout, classifier.dtype, classifier.channels)
    )
    return int(scores[0]) if scores.ndim == 1 else int(scores[0].argmax())


def _named(classifier: ModelClassifier, label: int) -> str:
    names = classifier.names
    return (
        f"label {label}"
        if names is None or label >= len(names)
        else f"{names[label].split(',')[0]} ({label})"
    )


def _is_same(one: Preprocess, other: Preprocess) -> bool:
    """Return whether two settings prepare every photograph alike, however they are written down."""
    geometry = [(s.geometry, s.interpolation, s.channel_order, s.size) for s in (one, other)]
    is_cut = one.geometry not in ("squash", "pad", "pad-corner")
    if geometry[0] != geometry[1] or (is_cut and one.crop_ratio != other.crop_ratio):
        return False
    (gain, offset), (other_gain, other_offset) = (
        (s.scale / np.array(s.std), np.array(s.mean) / np.array(s.std)) for s in (one, other)
    )
    return bool(np.allclose(gain, other_gain) and np.allclose(offset, other_offset, atol=1e-6))


def measure_throughput(
    classifier: ModelClassifier, reopen: Callable[[int], ModelClassifier]
) -> list[tuple[int, float]]:
    """
    Return (batch size, images a second) for a few batch sizes, or the only one that the model takes.

    Parameters
    ----------
    classifier
        The model as it was opened.
    reopen
        Opens it again with another batch size.

    """
    sizes: Sequence[int] = _SIZES_ON_CPU if classifier.device == "cpu" else _SIZES_ELSEWHERE
    if classifier.fixed_batch is not None:
        sizes = (classifier.fixed_batch,)
    measured: list[tuple[int, float]] = []
    for n in sizes:
        if measured and n / measured[-1][1] > _SLOW_S:
            break
        with_size = classifier if n == classifier.batch_size else reopen(n)
        measured.append((n, _rate(with_size, n)))
    return measured


def _rate(classifier: ModelClassifier, n_a_run: int) -> float:
    n = n_a_run * classifier.runs_at_once
    images = np.random.default_rng(0).integers(0, 256, (n, *classifier.size, 3), dtype=np.uint8)
    tensor = classifier.encode(images)
    classifier.run(tensor)  # the first run allocates
    n_runs, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < _TIMED_S:
        classifier.run(tensor)
        n_runs += 1
    return n * max(1, n_runs) / seconds


def facts(classifier: ModelClassifier) -> dict[str, Any]:
    """Return what was understood of a model, as plain values ready for JSON."""
    return {
        "model": None if classifier.path is None else str(classifier.path),
        "inputs": list(classifier.inputs),
        "outputs": list(classifier.outputs),
        "multi_label": classifier.multi_label,
        "names": None if classifier.names is None else list(classifier.names),
        "names_reason": classifier.names_reason,
        **{key: value for key, value in classifier.provenance().items() if key != "model"},
    }
