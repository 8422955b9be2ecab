"""The answer to a kind of question in words and in a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.text import brief_score, percent
from dccausal.explanation import pictures
from dccausal.explanation.caption import Caption

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.explanation.kinds import Kind, KindSet
    from dccausal.explanation.mark import Mark
    from dccausal.explanation.record import Record

_ASKED = {
    "several": "sufficient sets that lie apart",
    "contrastive": "what gives the label alone, and takes it away when it is masked",
    "necessary": "what would have to go",
    "why-not": "what would have to go for",
    "complete": "what has the photograph's score alone",
}
_FOUND = {None: "not answered", False: "there seems to be none, see the notes", True: "found"}


def kind_rows(kind: Kind) -> list[tuple[str, str]]:
    """Return what there is to say of the kind, as (heading, sentence); nothing where none was asked for."""
    if kind.name == "sufficient":
        return []
    other = f" {_label(kind.other, kind.other_name)}" if kind.other is not None else ""
    rows = [("kind", f"{kind.name}, {_ASKED[kind.name]}{other}: {_FOUND[kind.exists]}")]
    for i, one in enumerate(kind.sets):
        rows.append((f"set {i + 1}" if len(kind.sets) > 1 else "set", _sentence(one)))
    return rows


def kind_caption(explanation: Record, title: str, contour: pictures.Contour = "solid") -> Caption:
    """Return what stands below the picture of the kind's sets."""
    kind, score = explanation.kind, ""
    alone = [brief_score(one.score_alone) for one in kind.sets if not math.isnan(one.score_alone)]
    first = kind.sets[0]
    if kind.name == "several":
        score = f"Scores alone {', '.join(alone)}" if alone else ""
    elif kind.name == "complete":
        score = f"Score {alone[0]} alone (photograph: {brief_score(explanation.score)})"
    elif first.label_without is not None:
        score = (
            f"Without: {_label(first.label_without, first.name_without)}{_number(first.top_score_without)}"
        )
    line = None if contour == "none" else "bold"
    lines: Any = tuple((line, percent(one.size)) for one in kind.sets)
    is_weak = any(one.outcome == "refuted" for one in kind.sets)
    return Caption(f"{title}: {kind.name}", score, is_weak, lines, are_apart=True)


def kind_picture(
    explanation: Record,
    title: str,
    *,
    mark: Mark | None = None,
    contour: pictures.Contour = "solid",
    caption: bool = True,
) -> Image.Image:
    """Show the kind's sets on the photograph, the rest grey and dark, and a frame around what is explained."""
    sets = [one.pixels for one in explanation.kind.sets]
    return pictures.picture(
        explanation.photo,
        explanation.placement,
        np.logical_or.reduce(sets),
        apart=sets,
        # The line around a region would look like that of another set.
        mark=mark if len(sets) == 1 or isinstance(mark, tuple) else None,
        contour=contour,
        caption=kind_caption(explanation, title, contour) if caption else None,
    )


def _sentence(one: KindSet) -> str:
    text = f"{percent(one.size)} of the pixels, {one.outcome}"
    if one.keeps is None:
        return text
    text += f"; alone: {'the label' if one.keeps else 'not the label'}{_number(one.score_alone)}"
    if one.label_without is not None:
        top = "the label" if not one.loses else _label(one.label_without, one.name_without)
        return f"{text}; without: {top}{_number(one.top_score_without)}"
    return f"{text}; without: {'lost' if one.loses else 'still given'}{_number(one.score_without)}"


def _label(label: int | None, name: str | None) -> str:
    return f"label {label}" if name is None else f"{name.split(',')[0]} ({label})"


def _number(score: float) -> str:
    return "" if math.isnan(score) else f", {brief_score(score)}"
