"""
A run over a data set: every method explains every photograph, and each pair of them is a row of the table.

The photographs go one after the other, each through all methods, so that a run cut short has pairs to compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.files import npy_bytes, png_bytes, write_files
from dccausal.errors import STOPPING, OutputError
from dccausal.evaluation.backgrounds import Backgrounds
from dccausal.evaluation.external import ExternalResults
from dccausal.evaluation.extract import Scene
from dccausal.evaluation.measure import MethodResult, Settings, measure
from dccausal.evaluation.methods import explain_by, is_causal
from dccausal.evaluation.neutral import NeutralBackgrounds
from dccausal.evaluation.specs import MethodSpec
from dccausal.evaluation.stability import further_seeds, stability
from dccausal.evaluation.truth import Truth, seen_pixels
from dccausal.explanation import pictures
from dccausal.inputs.baseline import make_baselines
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.explanation.explanation import Explanation
    from dccausal.inputs.baseline import Baselines
    from dccausal.inputs.placement import Placement
    from dccausal.onnx.model_classifier import ModelClassifier

    Method = MethodSpec | ExternalResults


@dataclass(frozen=True, eq=False)
class Evaluation:
    """
    What an evaluation is about.

    Attributes
    ----------
    out
        Its folder.
    paths, folders, truths
        Each photograph's path, folder of pictures relative to ``out``, and truth.
    methods
        By the name of their rows.
    classifier
        The model.
    baseline
        As for ``explain``.
    settings
        How to measure.
    seed
        Of everything random.
    seeds
        With how many seeds, from this one on, the causal methods explain each photograph.
    explain_options
        Further options of ``explain``.
    only_right
        Whether photographs whose top label is not the truth's are left out.
    backgrounds, neutral
        What explanations are laid on, photographs and plain backgrounds; None leaves that out.
    n_saved
        Photographs whose pictures are written.

    """

    out: Path
    paths: Sequence[str]
    folders: Sequence[str]
    truths: Sequence[Truth]
    methods: Mapping[str, Method]
    classifier: ModelClassifier
    baseline: Baselines
    settings: Settings
    seed: int
    seeds: int
    explain_options: Mapping[str, Any]
    only_right: bool
    backgrounds: Backgrounds | None
    neutral: NeutralBackgrounds | None
    n_saved: int


class _Photograph:
    """A photograph, what the model sees of it, and what it says."""

    def __init__(self, task: Evaluation, index: int) -> None:
        classifier = task.classifier
        self.index, self.truth = index, task.truths[index]
        self.photo: Image.Image = load_photo(task.paths[index], stretch=classifier.preprocess.stretch)
        image, self.placement = classifier.prepare(self.photo)
        planted = self.truth.pixels(*self.photo.size)
        self.seen = seen_pixels(planted, self.placement, (image.shape[0], image.shape[1]))
        baselines = make_baselines(task.baseline, image)
        self.scene = Scene.of(classifier, image, baselines, multi_label=classifier.multi_label)

    @property
    def is_right(self) -> bool | None:
        """Whether the top label is the truth's; None where that has none."""
        return None if self.truth.label is None else self.scene.top == self.truth.label


def pending(task: Evaluation, done: set[tuple[int, str]]) -> dict[int, list[str]]:
    """Return which methods are still to be measured on which photographs."""
    todo: dict[int, list[str]] = {}
    for index, truth in enumerate(task.truths):
        names = [
            name
            for name, method in task.methods.items()
            if (index, name) not in done
            and not (isinstance(method, ExternalResults) and truth.file not in method)
        ]
        if names:
            todo[index] = names
    return todo


def measure_all(
    task: Evaluation, todo: Mapping[int, Sequence[str]], progress: Callable[[Any], object]
) -> Iterator[tuple[dict[str, Any], Exception | None]]:
    """
    Yield a row for each photograph and method to do, and the error where it has one.

    Raises
    ------
    OutputError, DeviceError, RuntimeMissingError
        What is nobody's fault here.

    """
    for index, names in todo.items():
        try:
            photograph = _Photograph(task, index)
        except STOPPING:
            raise
        except Exception as error:  # noqa: BLE001  the others are still to be measured
            yield from ((_failed(task, index, name, error), error) for name in names)
            continue
        for name in names:
            try:
                yield _row(task, photograph, name, progress), None
            except STOPPING:
                raise
            except Exception as error:  # noqa: BLE001  as above
                yield _failed(task, index, name, error), error


def _row(
    task: Evaluation, photograph: _Photograph, name: str, progress: Callable[[Any], object]
) -> dict[str, Any]:
    scene, index, names = photograph.scene, photograph.index, task.classifier.names
    row = _empty(task, index, name)
    row |= {"top_label": scene.top, "is_right": photograph.is_right}
    if task.only_right and not photograph.is_right:
        return {**row, "left_out": "the top label is not the truth's"}
    method = task.methods[name]
    if isinstance(method, ExternalResults):
        label_name = None if names is None else names[scene.top]
        shape = (scene.image.shape[0], scene.image.shape[1])
        found = method.found(photograph.truth.file, scene.top, label_name, shape)
    else:
        first = _explain(task, photograph, method, progress)
        found = _found(first)
        if task.seeds > 1 and is_causal(method):
            seeds = further_seeds(task.seed, task.seeds)
            row |= stability(first, [_explain(task, photograph, method, progress, seed) for seed in seeds])
    row |= {"label": found.label, "name": found.name, "notes": list(found.notes)}
    truth = photograph.seen if photograph.seen.any() else None
    backgrounds = task.backgrounds
    others = None if backgrounds is None else backgrounds.of(index, task.paths[index], found.label)
    plain = None if task.neutral is None else task.neutral.of(index, task.paths[index], scene, found.label)
    row |= measure(found, scene, truth, others, task.classifier, task.settings, neutral=plain)
    if index < task.n_saved:
        _save(task.out / task.folders[index] / slug(name), found, photograph.photo, photograph.placement)
    return row


def _explain(
    task: Evaluation,
    photograph: _Photograph,
    method: MethodSpec,
    progress: Callable[[Any], object],
    seed: int | None = None,
) -> Explanation:
    return explain_by(
        method,
        task.paths[photograph.index],
        task.classifier,
        target=photograph.scene.top,
        seed=task.seed if seed is None else seed,
        min_confidence=task.settings.floors[0],
        baseline=task.baseline,
        progress=progress,
        **task.explain_options,
    )


def _found(explanation: Explanation) -> MethodResult:
    statistics = explanation.statistics
    phases = statistics.get("model_calls_by_phase") or {}
    return MethodResult(
        heatmap=explanation.heatmap,
        ranking=explanation.ranking(),
        kept=explanation.kept,
        label=explanation.label,
        name=explanation.name,
        outcome=explanation.outcome,
        calls={**phases, "all": statistics.get("model_calls")},
        seconds=statistics.get("seconds"),
        model_seconds=statistics.get("model_seconds"),
        notes=explanation.notes,
        levels={level.confidence: (level.kept, level.outcome) for level in explanation.levels},
        grid=int(explanation.provenance["grid"]),
        kind=explanation.kind,
    )


def _save(folder: Path, found: MethodResult, photo: Image.Image, placement: Placement) -> None:
    """Write what a method found, as pictures and as arrays."""
    if folder.is_symlink():
        raise OutputError(f"{folder} is a link; a folder of the run itself is needed")
    from PIL import Image

    files: dict[str, bytes] = {}
    if found.heatmap is not None:
        files["heatmap.npy"] = npy_bytes(found.heatmap)
        files["overlay.png"] = png_bytes(pictures.overlay(photo, placement, found.heatmap, found.kept))
    if found.kept is not None:
        files["kept.png"] = png_bytes(Image.fromarray(found.kept.astype(np.uint8) * np.uint8(255)))
        files["explanation.png"] = png_bytes(pictures.picture(photo, placement, found.kept))
    if files:
        write_files(folder, files)


def slug(name: str) -> str:
    """Return a method's name as a folder can have it."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-.") or "method"


def _empty(task: Evaluation, index: int, name: str) -> dict[str, Any]:
    truth = task.truths[index]
    return {
        "index": index,
        "file": truth.file,
        "method": name,
        "truth_label": truth.label,
        "truth_name": truth.name,
        "error": None,
        "message": None,
        "left_out": None,
    }


def _failed(task: Evaluation, index: int, name: str, error: Exception) -> dict[str, Any]:
    return {**_empty(task, index, name), "error": type(error).__name__, "message": str(error)}
