"""The files of a result. docs/result-schema.md describes them; change it together with this file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import npy_bytes, png_bytes
from dccausal._shared.json import _plain, json_text
from dccausal.explanation import pictures
from dccausal.explanation.kind_words import kind_picture
from dccausal.explanation.kinds import Kind, KindSet
from dccausal.explanation.rle import coco_rle, rle_pixels
from dccausal.explanation.words import caption_of, mark_of, short_title

if TYPE_CHECKING:
    from dccausal.explanation.record import AskedBaseline, Level, Record

SCHEMA = "dccausal.result"
SCHEMA_VERSION = 1
SCHEMA_MINOR = 7  # one more whenever keys are added

RESULT_FILES = ("overlay.png", "explanation.png", "heatmap.npy", "heatmap.png", "kept.png", "result.json")
_MOST_BASELINES = 16
# What only some results have: baselines that are not one colour, a cut-out or a kind that was asked for.
STALE_FILES = (
    "baseline.png",
    *(f"baseline-{number}.png" for number in range(2, _MOST_BASELINES + 1)),
    "cutout.png",
    "kind.png",
)

_HOTTEST = 65535
_SET_SCORES = ("score_alone", "score_without", "top_score_without", "other_score_without")
_SET = ("outcome", "keeps", "loses", "label_without", "name_without")


def result_files(
    explanation: Record,
    *,
    colormap: str = "inferno",
    alpha: float = 0.65,
    contour: pictures.Contour = "solid",
    caption: bool = True,
    cutout: bool = False,
) -> dict[str, bytes]:
    """Return the files of a result by name, result.json last; the options are those of ``Explanation.save``."""
    from PIL import Image

    kept = explanation.kept.astype(np.uint8) * np.uint8(255)
    heat = np.rint(explanation.heatmap.astype(np.float64) * _HOTTEST).astype(np.uint16)
    drawing: dict[str, Any] = {
        "levels": [level.kept for level in explanation.levels],
        "contour": contour,
        "caption": caption_of(explanation, contour) if caption else None,
        "mark": mark_of(explanation),
    }
    photo, placement, own = explanation.photo, explanation.placement, explanation.kept
    overlay = pictures.overlay(
        photo, placement, explanation.heatmap, own, colormap=colormap, alpha=alpha, **drawing
    )
    files = {
        "overlay.png": png_bytes(overlay),
        "explanation.png": png_bytes(pictures.picture(photo, placement, own, **drawing)),
        "heatmap.npy": npy_bytes(explanation.heatmap),
        "heatmap.png": png_bytes(Image.fromarray(heat)),
        "kept.png": png_bytes(Image.fromarray(kept)),
    }
    if explanation.kind.sets:
        title = short_title(explanation)
        picture = kind_picture(explanation, title, mark=drawing["mark"], contour=contour, caption=caption)
        files["kind.png"] = png_bytes(picture)
    if cutout:
        files["cutout.png"] = png_bytes(pictures.cutout(photo, placement, own))
    if _colour(explanation.baseline) is None:
        files["baseline.png"] = png_bytes(Image.fromarray(explanation.baseline))
    for number, baseline in list(enumerate(explanation.baselines, 1))[1:]:
        if _colour(baseline.image) is None:
            files[f"baseline-{number}.png"] = png_bytes(Image.fromarray(baseline.image))
    document = result_document(explanation)
    document["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["result.json"] = (json_text(document, indent=2) + "\n").encode("ascii")
    return files


def result_document(explanation: Record) -> dict[str, Any]:
    """Return what result.json says, but for the hashes of the files: plain values, keys in a fixed order."""
    left, top, right, bottom = explanation.placement.box
    height, width = explanation.kept.shape
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "schema_minor": SCHEMA_MINOR,
        "outcome": explanation.outcome,
        "label": explanation.label,
        "name": explanation.name,
        "target": _target(explanation.target),
        "score": explanation.score,
        "explanation_score": explanation.explanation_score,
        "size": explanation.size,
        "kept_rle": coco_rle(explanation.kept),
        "levels": [_level(level) for level in explanation.levels],
        "kind": _kind(explanation.kind),
        "notes": explanation.notes,
        "image": {
            "path": explanation.source,
            "photo_width": explanation.photo.width,
            "photo_height": explanation.photo.height,
            "box": {"left": left, "top": top, "right": right, "bottom": bottom},
            "height": height,
            "width": width,
            "sha256": _sha256(explanation.image),
        },
        "baseline": {"colour": _colour(explanation.baseline), "sha256": _sha256(explanation.baseline)},
        "baselines": [_baseline(baseline) for baseline in explanation.baselines],
        "statistics": explanation.statistics,
        "trees": explanation.trees,
        "provenance": explanation.provenance,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _target(target: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a target with its mask as run lengths."""
    if target is None or "mask" not in target:
        return target
    rest = {key: value for key, value in target.items() if key != "mask"}
    return {**rest, "mask_rle": coco_rle(target["mask"])}


def _level(level: Level) -> dict[str, Any]:
    return {
        "confidence": level.confidence,
        "score": level.score,
        "size": level.size,
        "outcome": level.outcome,
        "kept_rle": coco_rle(level.kept),
    }


def _kind(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "exists": kind.exists,
        "other": kind.other,
        "other_name": kind.other_name,
        "questions": kind.n_questions,
        "sets": [
            {
                "size": one.size,
                "outcome": one.outcome,
                "score_alone": one.score_alone,
                "keeps": one.keeps,
                "score_without": one.score_without,
                "loses": one.loses,
                "label_without": one.label_without,
                "name_without": one.name_without,
                "top_score_without": one.top_score_without,
                "other_score_without": one.other_score_without,
                "kept_rle": coco_rle(one.pixels),
            }
            for one in kind.sets
        ],
    }


def _baseline(baseline: AskedBaseline) -> dict[str, Any]:
    return {
        "name": baseline.name,
        "colour": _colour(baseline.image),
        "sha256": _sha256(baseline.image),
        "explanation_score": baseline.score,
    }


def kind_of(document: Mapping[str, Any] | None, shape: tuple[int, int]) -> Kind:
    """Return the kind that a result.json tells of; results before minor version 5 have none."""
    if document is None:
        return Kind()
    sets = []
    for given in document["sets"]:
        fields = {name: given[name] for name in _SET if name in given}
        scores = {name: float("nan") if given[name] is None else float(given[name]) for name in _SET_SCORES}
        sets.append(KindSet(pixels=rle_pixels(given["kept_rle"], shape), **{**fields, **scores}))
    return Kind(
        name=document["name"],
        exists=document["exists"],
        sets=tuple(sets),
        other=document["other"],
        other_name=document["other_name"],
        n_questions=document["questions"],
    )


def _colour(baseline: NDArray[np.uint8]) -> list[int] | None:
    """Return the colour of a baseline (r, g, b); None where it is not one colour."""
    first = baseline[0, 0]
    return [int(channel) for channel in first] if (baseline == first).all() else None


def _sha256(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
