"""All measures of one explanation of one image, as a flat row. What measuring costs is kept apart from explaining."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import metrics
from dccausal.classifier import Classifier
from dccausal.engine.profiles import PROFILES
from dccausal.evaluation.extract import CountedClassifier, Scene, extract
from dccausal.evaluation.truth import TruthKind
from dccausal.explanation.kinds import Kind
from dccausal.targets import Target

Pixels = NDArray[np.bool_]

# Endings of columns: of the grown set, and of an explanation that came from elsewhere.
_GROWN, _OWN = "_grown", ""
# Shares of the best-ranked pixels at which it is asked whether they alone give the label.
RETAINED = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.75)


_SHAPE = ("pieces", "holes", "outline", "holds_peak")
_SET_COLUMNS = ("size", "covered", "share", "iou", *_SHAPE, "explanation_score", "robustness", "neutral")


@dataclass(frozen=True, eq=False)
class MethodResult:
    """
    What a method found on one image.

    Attributes
    ----------
    heatmap
        float32 (H, W).
    ranking
        int64 (H * W,), best first; None where the method ranks no pixels.
    kept
        bool (H, W): its explanation; None where it gives none.
    label, name
        What was explained.
    outcome
        As in ``Explanation``; None where the method does not say.
    calls
        Model calls by phase, and "all".
    seconds, model_seconds
        What it took; None where that is not known.
    notes
        What it says about its result.
    grid
        Blocks a side of the lattice on which its ranking is grown and shrunk.
    levels
        By share of the score, its nested sets and what became of them.
    kind
        What else was asked of it, and the answer.

    """

    heatmap: NDArray[np.float32] | None
    ranking: NDArray[np.int64] | None
    kept: Pixels | None
    label: int
    name: str | None
    outcome: str | None
    calls: Mapping[str, int | None]
    seconds: float | None
    model_seconds: float | None
    notes: tuple[str, ...] = ()
    grid: int = PROFILES["default"].grid
    levels: Mapping[float, tuple[Pixels, str]] = field(default_factory=dict)
    kind: Kind = field(default_factory=Kind)


@dataclass(frozen=True)
class Settings:
    """
    How explanations are measured.

    Attributes
    ----------
    kind
        What the truth is about.
    floors
        Of the confidence; methods gave their explanation at the first.
    steps
        Of the curves.
    max_calls
        Budget of each extraction.
    batch_size
        Images a call.

    """

    kind: TruthKind
    floors: tuple[float, ...]
    steps: int = 50
    max_calls: int | None = None
    batch_size: int = 32


def measure(
    found: MethodResult,
    scene: Scene,
    truth: Pixels | None,
    backgrounds: NDArray[np.uint8] | None,
    classifier: Classifier,
    settings: Settings,
    *,
    neutral: NDArray[np.uint8] | None = None,
) -> dict[str, Any]:
    """
    Return the measures of an explanation by their column.

    Parameters
    ----------
    found
        What the method found.
    scene
        The image and its baselines.
    truth
        bool (H, W); None where the model does not see it.
    backgrounds
        Other images, uint8 (n, H, W, 3); None leaves robustness out.
    classifier
        The model.
    settings
        How to measure.
    neutral
        Plain backgrounds, uint8 (n, H, W, 3); None leaves them out.

    Returns
    -------
    dict
        Plain values; a measure that does not apply is missing.

    """
    target = scene.target(found.label)
    row: dict[str, Any] = {
        "score": target.score,
        "outcome": found.outcome,
        **{
            f"calls_{phase}": found.calls.get(phase)
            for phase in ("search", "growth", "shrinking", "remainder")
        },
        "calls": found.calls.get("all"),
        "seconds": found.seconds,
        "model_seconds": found.model_seconds,
    }
    row |= _of_kind(found.kind, found.calls)
    if found.outcome is not None:
        row["is_minimal"] = found.outcome == "minimal"
    sets, extracted = _extractions(found, scene, CountedClassifier(classifier), settings)
    row |= extracted
    counted, started = CountedClassifier(classifier), time.perf_counter()
    for ending, kept in sets.items():
        row |= _of_kept(ending, kept, truth, settings.kind)
        if ending != _GROWN:
            row |= _of_shape(ending, kept, found.heatmap)
            others = {"robustness": backgrounds, "neutral": neutral}
            row |= _of_shown(ending, kept, scene, target, others, counted, settings.batch_size)
    first = suffix(settings.floors[0])
    if _OWN not in sets and first in sets:  # the method's own explanation is that at the first floor
        row |= {name.removesuffix(first): row[name] for name in list(row) if name in _columns_of(first)}
    if found.ranking is not None:
        row |= _curves(found.ranking, scene, found.label, target.score, counted, settings)
    if settings.kind == "object" and truth is not None and truth.any():
        row |= _localisation(found, truth)
    row["measuring_calls"] = counted.n_calls
    row["measuring_seconds"] = time.perf_counter() - started
    return row


def _of_kind(kind: Kind, calls: Mapping[str, int | None]) -> dict[str, Any]:
    """Return what became of the question of a kind; nothing where none was asked."""
    if kind.name == "sufficient":
        return {}
    row: dict[str, Any] = {"kind": kind.name, "calls_kind": calls.get("kind"), "kind_sets": len(kind.sets)}
    if kind.exists is not None:
        row["kind_exists"] = kind.exists
    if kind.sets:
        sets = kind.sets
        row["kind_size"] = float(np.mean([one.size for one in sets]))
        row["kind_sufficient"] = float(np.mean([one.keeps is True for one in sets]))
        row["kind_necessary"] = float(np.mean([one.loses is True for one in sets]))
        row["kind_minimal"] = float(np.mean([one.outcome == "minimal" for one in sets]))
    return row


def _extractions(
    found: MethodResult, scene: Scene, counted: CountedClassifier, settings: Settings
) -> tuple[dict[str, Pixels], dict[str, Any]]:
    """
    Grow and shrink the method's ranking, at each floor of which its own explanation is not at hand.

    Returns
    -------
    sets, row
        The kept pixels by the ending of their columns, and what became of the extractions.

    """
    sets: dict[str, Pixels] = {}
    row: dict[str, Any] = {}
    first, *others = settings.floors
    if found.kept is not None and found.outcome is not None:  # the method itself extracted at the first floor
        sets[suffix(first)] = found.kept
        row[f"outcome{suffix(first)}"] = found.outcome
    else:
        others = [first, *others]
        if found.kept is not None:
            sets[_OWN] = found.kept
    if found.heatmap is None:
        return sets, row
    for floor in [floor for floor in others if floor in found.levels]:  # at hand too
        sets[suffix(floor)], row[f"outcome{suffix(floor)}"] = found.levels[floor]
        others.remove(floor)
    started, n_growth = time.perf_counter(), 0
    for floor in dict.fromkeys((0.0, *others)):
        result = extract(
            counted,
            scene,
            found.heatmap,
            found.label,
            floor=floor,
            grid=found.grid,
            is_grown_enough=floor not in others,
            max_calls=settings.max_calls,
            batch_size=settings.batch_size,
        )
        if floor == 0 and result.grown is not None:
            sets[_GROWN] = result.grown
        if floor in others:
            sets[suffix(floor)] = result.kept
            row |= {f"outcome{suffix(floor)}": result.outcome, f"calls{suffix(floor)}": result.n_calls}
        n_growth = result.n_growth if floor == 0 else n_growth
    extra = {floor: row[f"calls{suffix(floor)}"] for floor in others}
    # Besides search and extraction: the intact image, and beside each baseline the blank one and the result.
    n_checks = 1 + 2 * len(scene.baselines)
    row |= _costs(found.calls, first, n_growth, extra, n_checks)
    row |= {"extraction_calls": counted.n_calls, "extraction_seconds": time.perf_counter() - started}
    return sets, row


def _costs(
    calls: Mapping[str, int | None], first: float, n_growth: int, extra: Mapping[float, int], n_checks: int
) -> dict[str, int]:
    """Return the model calls that a method would have needed for each set alone, where its search is known."""
    search, row = calls.get("search"), {}
    if search is not None:
        row[f"cost{_GROWN}"] = search + n_growth + n_checks
        row |= {f"cost{suffix(floor)}": search + n_calls + n_checks for floor, n_calls in extra.items()}
    n_all = calls.get("all")
    if first not in extra and n_all is not None:
        row[f"cost{suffix(first)}"] = n_all
    return row


def suffix(floor: float) -> str:
    """Return what the columns of a floor end in: "@0", "@0.5"."""
    return f"@{floor:g}"


def _columns_of(ending: str) -> tuple[str, ...]:
    """Return the columns that one set of kept pixels has."""
    return tuple(f"{name}{ending}" for name in _SET_COLUMNS)


def _of_shown(
    ending: str,
    kept: Pixels,
    scene: Scene,
    target: Target,
    backgrounds: Mapping[str, NDArray[np.uint8] | None],
    counted: CountedClassifier,
    batch_size: int,
) -> dict[str, Any]:
    """Show the classifier the kept pixels alone, beside each baseline, and on other backgrounds by their column."""
    shown = np.where(kept[..., None], scene.image, scene.baselines)
    row = {f"explanation_score{ending}": float(target.judge(counted(shown))[1].min())}
    for column, others in backgrounds.items():
        if others is not None and len(others):
            row[f"{column}{ending}"] = metrics.robustness(
                counted, scene.image, kept, target.label, others, batch_size=batch_size
            )
    return row


def _of_kept(ending: str, kept: Pixels, truth: Pixels | None, kind: TruthKind) -> dict[str, Any]:
    row: dict[str, Any] = {f"size{ending}": metrics.size(kept)}
    if truth is None or not truth.any():
        return row
    if kind == "occlusion":
        row[f"covered{ending}"] = metrics.occlusion_covered(kept, truth)
        row[f"share{ending}"] = metrics.occlusion_share(kept, truth) if kept.any() else None
    else:
        row[f"iou{ending}"] = metrics.iou(kept, truth)
    return row


def _of_shape(ending: str, kept: Pixels, heatmap: NDArray[np.float32] | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        f"pieces{ending}": metrics.pieces(kept),
        f"holes{ending}": metrics.holes(kept),
        f"outline{ending}": metrics.outline(kept) if kept.any() else None,
    }
    if heatmap is not None:
        row[f"holds_peak{ending}"] = metrics.holds_peak(kept, heatmap)
    return row


def _curves(
    ranking: NDArray[np.int64],
    scene: Scene,
    label: int,
    score: float,
    counted: CountedClassifier,
    settings: Settings,
) -> dict[str, Any]:
    image, baseline, steps, n = scene.image, scene.baseline, settings.steps, settings.batch_size
    insertion = metrics.insertion_curve(counted, image, baseline, ranking, label, steps=steps, batch_size=n)
    deletion = metrics.deletion_curve(counted, image, baseline, ranking, label, steps=steps, batch_size=n)
    retained = metrics.insertion_curve(
        counted, image, baseline, ranking, label, shares=RETAINED, batch_size=n
    )
    return {
        "insertion": insertion.auc,
        "deletion": deletion.auc,
        "insertion_relative": insertion.relative_auc(score),
        "deletion_relative": deletion.relative_auc(score),
        **{
            f"retained@{share:g}": bool(is_top)
            for share, is_top in zip(RETAINED, retained.is_top, strict=True)
        },
        "insertion_scores": _rounded(insertion.scores),
        "deletion_scores": _rounded(deletion.scores),
    }


def _localisation(found: MethodResult, truth: Pixels) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if found.heatmap is not None:
        row["pointing"] = metrics.pointing_game(found.heatmap, truth)
    if found.ranking is not None:
        row["best_iou"], row["best_iou_share"] = metrics.best_iou(found.ranking, truth)
    return row


def _rounded(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in values]
