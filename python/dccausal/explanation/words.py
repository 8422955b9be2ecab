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
from pathlib import PurePath
from typing import TYPE_CHECKING

from dccausal._shared.text import printable, score_text
from dccausal.explanation import pictures
from dccausal.explanation.sheet import contact_sheet, fit_width

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.explanation.record import Record

_WIDTH = 100
_LABEL_WIDTH = 12
_THUMBNAIL = 360
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
    kept = f"{explanation.size:.1%} of the pixels ({n_kept:,} of {n_pixels:,})"
    if not math.isnan(explanation.score):
        label += f", score {score_text(explanation.score)}"
    if not math.isnan(explanation.explanation_score):
        kept += (
            f", score {score_text(explanation.explanation_score)} with the rest masked "
            f"(photograph: {score_text(explanation.score)})"
        )
    result = [
        ("label", label),
        ("kept", kept),
        ("outcome", outcome_text(explanation)),
        ("cost", _cost(explanation)),
    ]
    return result + [("note", note) for note in explanation.notes]


def short_title(explanation: Record) -> str:
    """Return the label in words, the first one where its name lists several."""
    if explanation.name is None:
        return explanation.title
    return f"{explanation.name.split(',')[0]} ({explanation.label})"


def outcome_text(explanation: Record) -> str:
    """Return the outcome as a sentence."""
    if explanation.outcome != "minimal":
        return _OUTCOMES[explanation.outcome]
    grid = explanation.statistics.get("grid")
    blocks = f"none of its blocks on the {grid[0]} x {grid[1]} grid" if grid else "none of its blocks"
    return f"minimal: {blocks} can be masked too without losing the label"


def _cost(explanation: Record) -> str:
    statistics = explanation.statistics
    text = f"{statistics.get('model_calls', 0):,} model calls"
    if "seconds" in statistics:
        text += f" in {statistics['seconds']:.1f} s"
    if "model_seconds" in statistics:
        text += f", {statistics['model_seconds']:.1f} s of them in the model"
    phases = statistics.get("model_calls_by_phase") or {}
    listed = ", ".join(f"{phase} {n_calls:,}" for phase, n_calls in phases.items())
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
    kept = f"{explanation.size:.1%} kept ({explanation.outcome})"
    calls = f"{explanation.statistics.get('model_calls', 0):,} model calls"
    first, second = (image for image, _ in _pictures(explanation))
    return contact_sheet([[(first, f"{short_title(explanation)}{score}"), (second, f"{kept}, {calls}")]])


def _pictures(explanation: Record) -> list[tuple[Image.Image, str]]:
    photo, placement, kept = explanation.photo, explanation.placement, explanation.kept
    overlay = pictures.overlay(photo, placement, explanation.heatmap, kept)
    return [
        (overlay, "responsibility, hottest in yellow; the explanation outlined"),
        (pictures.picture(photo, placement, kept), "the explanation: what suffices for the label"),
    ]


def _escape(text: str) -> str:
    return html.escape(printable(text), quote=True)


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    fit_width(image, 2 * _THUMBNAIL if image.width >= 2 * _THUMBNAIL else _THUMBNAIL).save(
        buffer, format="JPEG", quality=90, subsampling=0
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
