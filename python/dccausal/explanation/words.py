"""
An explanation in words: for a terminal, and for a notebook.

Names and paths come from files, so nothing in them may steer a terminal or a browser: all is escaped.
"""

from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from dccausal._shared.text import brief_score, percent, printable, score_text
from dccausal.explanation import pictures
from dccausal.explanation.caption import Caption, Weight
from dccausal.explanation.kind_words import kind_picture, kind_rows
from dccausal.explanation.mark import Mark
from dccausal.explanation.sheet import contact_sheet, fit_width

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from dccausal.explanation.record import Level, Record

_WIDTH = 100
_LABEL_WIDTH = 12
_THUMBNAIL = 360
# Characters that a list of baselines may have below a picture.
_BESIDE = 28
# An explanation that keeps less than this share of the score is told to be weak, wherever its score is shown.
_WEAK = 0.25
_OUTCOMES = {
    "sufficient": "sufficient for the label, not shown to be minimal",
    "trivial": "trivial: the label stays with everything masked",
    "insufficient": "insufficient: what is kept does not give the label",
}


def summary(explanation: Record) -> str:
    """Return the result in a few lines, for a terminal of 100 columns."""
    lines = [printable(explanation.source or "an image")]
    for heading, text in rows(explanation):
        wrapped = textwrap.wrap(printable(text), _WIDTH - _LABEL_WIDTH) or [""]
        lines += [
            f"  {heading if i == 0 else '':<{_LABEL_WIDTH - 2}}{part}" for i, part in enumerate(wrapped)
        ]
    return "\n".join(lines)


def rows(explanation: Record) -> list[tuple[str, str]]:
    """Return what there is to say, as (heading, sentence)."""
    n_kept, n_pixels = int(explanation.kept.sum()), explanation.kept.size
    label = str(explanation.label) if explanation.name is None else explanation.title
    if explanation.target is not None:
        label = explanation.title
    kept = f"{percent(explanation.size)} of the pixels ({n_kept:,} of {n_pixels:,})"
    if not math.isnan(explanation.score):
        label += f", score {score_text(explanation.score)}"
    alone = alone_text(explanation)
    result = [
        ("label", label),
        ("kept", f"{kept}, {alone}" if alone else kept),
        ("outcome", outcome_text(explanation)),
        ("cost", _cost(explanation)),
    ]
    if len(explanation.baselines) > 1:
        scores = (
            one.name if math.isnan(one.score) else f"{one.name} {brief_score(one.score)}"
            for one in explanation.baselines
        )
        result.insert(2, ("beside", ", ".join(scores)))
    if explanation.levels:
        sizes = (f"{level_name(level.confidence)}: {percent(level.size)}" for level in explanation.levels)
        result.insert(-2, ("levels", ", ".join(sizes)))
    if explanation.target is not None:
        result.insert(1, ("target", str(explanation.target["words"])))
    result[-1:-1] = kind_rows(explanation.kind)
    return result + [("note", note) for note in explanation.notes]


def alone_text(explanation: Record) -> str:
    """Return the explanation's score and the photograph's, and beside which baselines; nothing where there are none."""
    alone, whole = explanation.explanation_score, explanation.score
    if math.isnan(alone):
        return ""
    only = "only " if is_weak(explanation) else ""
    beside = "" if math.isnan(whole) else f" (photograph: {brief_score(whole)})"
    several = beside_text(explanation)
    where = f"beside {several}" if several else "alone"
    return f"score {only}{brief_score(alone)} {where}{beside}"


def beside_text(explanation: Record) -> str:
    """Return the names of several baselines, or their number where that is shorter; nothing where there is one."""
    names = [PurePath(one.name).name for one in explanation.baselines]
    text = ", ".join(names)
    if len(names) <= 1:
        return ""
    return text if len(text) <= _BESIDE else f"{len(names)} baselines"


def is_weak(explanation: Record) -> bool:
    """Return whether the explanation alone has so little of the photograph's score that a reader has to be told."""
    return explanation.score > 0 and explanation.explanation_score < _WEAK * explanation.score


def level_name(confidence: float) -> str:
    """Return what a level keeps: 0.9, half, label alone."""
    return {0.0: "label alone", 0.5: "half"}.get(confidence, f"{confidence:g}")


def caption_of(explanation: Record, contour: pictures.Contour = "solid") -> Caption:
    """Return what stands below a picture of the explanation, whose outlines are drawn like this."""
    score = alone_text(explanation)
    if explanation.outcome in ("trivial", "insufficient"):
        score = _OUTCOMES[explanation.outcome].capitalize()
    weak = is_weak(explanation) or explanation.outcome == "insufficient"
    lines = tuple(_lines(explanation, contour))
    return Caption(short_title(explanation), score[:1].upper() + score[1:], weak, lines)


def _lines(explanation: Record, contour: pictures.Contour) -> Iterator[tuple[Weight | None, str]]:
    """Return what each line is around; levels of the same pixels have one."""
    sets: dict[bytes, list[str]] = {}
    for level in explanation.levels:
        name = level_name(level.confidence).removesuffix(" alone")
        name = name if sets or level.confidence == 0 else f"{name} of the score"
        sets.setdefault(level.kept.tobytes(), []).append(name)
    kept = explanation.kept.tobytes()
    if not sets:
        yield (None if contour == "none" else "bold"), f"{percent(explanation.size)} of the pixels"
    for pixels, names in sets.items():
        weight: Weight = "bold" if pixels == kept else "thin"
        share = pixels.count(1) / len(pixels)
        yield (None if contour == "none" else weight), f"{', '.join(names)}: {percent(share)}"


def short_title(explanation: Record) -> str:
    """Return the label in words, the first one where its name lists several."""
    if explanation.name is None or explanation.target is not None:
        return explanation.title
    return f"{explanation.name.split(',')[0]} ({explanation.label})"


def mark_of(explanation: Record) -> Mark | None:
    """Return the box of a target, in the photograph's pixels, or the mask of a region; None where it has neither."""
    target = explanation.target or {}
    if "mask" in target:
        mask: NDArray[np.bool_] = target["mask"]
        return mask
    box = target.get("box")
    if box is None:
        return None
    return float(box["left"]), float(box["top"]), float(box["right"]), float(box["bottom"])


def outcome_text(explanation: Record) -> str:
    """Return the outcome as a sentence."""
    if explanation.outcome != "minimal":
        return _OUTCOMES[explanation.outcome]
    grid = explanation.statistics.get("grid")
    blocks = f"none of its blocks on the {grid[0]} x {grid[1]} grid" if grid else "none of its blocks"
    share = next((level.confidence for level in explanation.levels if _is_kept(explanation, level)), 0.0)
    floor = f" or {level_name(share)} of the score" if share else ""
    hole = ", or leaving a hole" if explanation.levels else ""
    return f"minimal: {blocks} can be masked too without losing the label{floor}{hole}"


def _is_kept(explanation: Record, level: Level) -> bool:
    return bool((level.kept == explanation.kept).all())


def _cost(explanation: Record) -> str:
    statistics = explanation.statistics
    text = f"{statistics.get('model_calls', 0):,} model calls"
    if "seconds" in statistics:
        text += f" in {statistics['seconds']:.1f} s"
    if "model_seconds" in statistics:
        text += f", {statistics['model_seconds']:.1f} s of them in the model"
    phases = statistics.get("model_calls_by_phase") or {}
    listed = ", ".join(f"{phase} {n_calls:,}" for phase, n_calls in phases.items() if n_calls)
    return f"{text} ({listed})" if listed else text


def notebook_html(explanation: Record) -> str:
    """Return a fragment of HTML: the pictures side by side, and the sentences. It loads nothing."""
    source = explanation.source
    title = short_title(explanation)
    heading = title if source is None else f"{title}: {PurePath(source).name}"
    figures = "".join(
        f'<figure style="margin:0"><img src="{_data_uri(image)}" alt="{_escape(text)}" width="{_THUMBNAIL}">'
        f"<figcaption>{_escape(text)}</figcaption></figure>"
        for image, text in _pictures(explanation)
    )
    table = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{_escape(name)}</th>'
        f'<td style="text-align:left">{_escape(text)}</td></tr>'
        for name, text in rows(explanation)
    )
    return (
        f'<div class="dccausal"><strong>{_escape(heading)}</strong>'
        f'<div style="display:flex;flex-wrap:wrap;gap:12px;margin:8px 0">{figures}</div>'
        f"<table>{table}</table></div>"
    )


def notebook_sheet(explanation: Record) -> Image.Image:
    """Return overlay and explanation side by side with captions, as one picture."""
    score = "" if math.isnan(explanation.score) else f", score {score_text(explanation.score)}"
    kept = f"{percent(explanation.size)} kept ({explanation.outcome})"
    calls = f"{explanation.statistics.get('model_calls', 0):,} model calls"
    first, second, *_ = (image for image, _ in _pictures(explanation))
    return contact_sheet([[(first, f"{short_title(explanation)}{score}"), (second, f"{kept}, {calls}")]])


def _pictures(explanation: Record) -> list[tuple[Image.Image, str]]:
    photo, placement, kept = explanation.photo, explanation.placement, explanation.kept
    levels = [level.kept for level in explanation.levels]
    mark = mark_of(explanation)
    overlay = pictures.overlay(photo, placement, explanation.heatmap, kept, levels=levels, mark=mark)
    shown = pictures.picture(photo, placement, kept, levels=levels, mark=mark)
    shown_pictures = [
        (overlay, "responsibility, hottest in yellow; the explanation outlined"),
        (shown, "the explanation: what suffices for the label"),
    ]
    if explanation.kind.sets:
        title = short_title(explanation)
        shown_pictures.append(
            (kind_picture(explanation, title, caption=False), f"{explanation.kind.name} sets")
        )
    return shown_pictures


def _escape(text: str) -> str:
    return html.escape(printable(text), quote=True)


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    fit_width(image, 2 * _THUMBNAIL if image.width >= 2 * _THUMBNAIL else _THUMBNAIL).save(
        buffer, format="JPEG", quality=90, subsampling=0
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
