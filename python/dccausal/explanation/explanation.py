"""The result of ``explain``: what the classifier needed to see, and what it cost to find out."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dccausal._shared.files import write_files
from dccausal.explanation import pictures
from dccausal.explanation.kind_words import kind_picture
from dccausal.explanation.record import Record
from dccausal.explanation.result import STALE_FILES, result_files
from dccausal.explanation.words import (
    caption_of,
    mark_of,
    notebook_html,
    notebook_sheet,
    short_title,
    summary,
)

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Explanation(Record):
    """
    Why a classifier gave a label to an image.

    Arrays are read-only and lie in the model's resolution (H, W); pictures have the photograph's size.

    Attributes
    ----------
    heatmap
        float32 (H, W) in [0, 1]: how responsible each pixel is for the label. The highest value is 1, unless
        all are 0.
    kept
        bool (H, W): the explanation, pixels that are sufficient for the label when all others are replaced by
        ``baseline``.
    label, name
        Index of the label that is explained, and its name (None where the classifier has no names).
    score
        The label's score on the image; NaN where the classifier gives labels only.
    explanation_score
        Its score with only ``kept`` visible; beside several baselines the least.
    outcome
        "minimal": sufficient, and no block of the lattice can be left out without losing that or leaving a hole.
        "sufficient": sufficient, but the search was stopped before minimality was established.
        "trivial": the label stays with everything masked, ``kept`` is empty.
        "insufficient": what is kept does not give the label.
    notes
        Sentences on whatever should be known about this result.
    image
        uint8 (H, W, 3) RGB: what the model saw.
    baseline
        uint8 (H, W, 3) RGB: what masked pixels were replaced by, the first of several.
    baselines
        Each baseline beside which the label has to stay: ``AskedBaseline`` with its name, its pixels and the score of
        ``kept`` there. In the order in which they were given.
    photo
        The whole photograph, upright, mode RGB.
    placement
        Where in the photograph ``image`` lies.
    source
        Path of the photograph as it was given; None for an image in memory.
    provenance
        All that decided the result: versions, model, device, options. Plain values.
    statistics
        What it cost: "model_calls", "model_calls_by_phase", "seconds", "model_seconds", ... Plain values.
    levels
        The nested sets, outermost first, each inside the one before: ``Level`` with its share of the score, its pixels
        and its score. ``kept`` is one of them. Empty where there is one set alone.
    target
        What is explained where that is no label: a box, a region, a similarity, a function. Plain values with "kind",
        "title" and "words", boxes in the photograph's pixels. None for a label.
    kind
        What was asked beside what suffices (``explain(kind=...)``), and the sets that answer it: a ``Kind``.
    trees
        The causal trees of the first partitions, as many as ``explain`` was to record. Plain values, see the
        page on the files of a result.

    Raises
    ------
    InputError
        If a field has another shape or dtype, or a value out of its range.

    """

    def overlay(
        self,
        *,
        colormap: str = "inferno",
        alpha: float = 0.65,
        contour: pictures.Contour = "solid",
        caption: bool = True,
    ) -> Image.Image:
        """
        Draw the heatmap over the photograph, with the nested sets as outlines, that of ``kept`` boldest.

        Parameters
        ----------
        colormap
            "inferno", "magma", "plasma", "viridis", "cividis" or "grey".
        alpha
            Opacity of the hottest places, 0 to 1.
        contour
            How the sets are outlined: "solid", "dashed", or "none".
        caption
            Whether label, scores and what the lines mean stand below it.

        Returns
        -------
        Image
            RGB, of the photograph's size, enlarged to a width of 640 where that is less, and the caption; see
            ``pictures.overlay`` for how heat becomes colour.

        Raises
        ------
        OptionError
            If the colour map or the contour is unknown, or ``alpha`` out of range.

        """
        return pictures.overlay(
            self.photo,
            self.placement,
            self.heatmap,
            self.kept,
            levels=[level.kept for level in self.levels],
            mark=mark_of(self),
            colormap=colormap,
            alpha=alpha,
            contour=contour,
            caption=caption_of(self, contour) if caption else None,
        )

    def picture(self, *, contour: pictures.Contour = "solid", caption: bool = True) -> Image.Image:
        """
        Show the explanation on the photograph, the rest grey and dark.

        Parameters
        ----------
        contour
            How the sets are outlined: "solid", "dashed", or "none".
        caption
            Whether label, scores and what the lines mean stand below it.

        Returns
        -------
        Image
            RGB, of the photograph's size, enlarged to a width of 640 where that is less, and the caption.

        Raises
        ------
        OptionError
            If the contour is unknown.

        """
        return pictures.picture(
            self.photo,
            self.placement,
            self.kept,
            levels=[level.kept for level in self.levels],
            mark=mark_of(self),
            contour=contour,
            caption=caption_of(self, contour) if caption else None,
        )

    def kind_picture(
        self, *, contour: pictures.Contour = "solid", caption: bool = True
    ) -> Image.Image | None:
        """
        Show the sets of ``kind`` on the photograph, the rest grey and dark.

        Parameters
        ----------
        contour, caption
            As for ``picture``.

        Returns
        -------
        Image or None
            RGB, as ``picture``; None where there are no sets.

        Raises
        ------
        OptionError
            If the contour is unknown.

        """
        if not self.kind.sets:
            return None
        return kind_picture(self, short_title(self), mark=mark_of(self), contour=contour, caption=caption)

    def cutout(self) -> Image.Image:
        """Cut the explanation out of the photograph; RGBA, of its size, transparent where masked."""
        return pictures.cutout(self.photo, self.placement, self.kept)

    def masked_picture(self) -> Image.Image:
        """Show what the model was given in the last check, beside the first baseline; RGB, of the model's size."""
        return pictures.masked_picture(self.image, self.baseline, self.kept)

    def summary(self) -> str:
        """Return the result in a few lines of text."""
        return summary(self)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        colormap: str = "inferno",
        alpha: float = 0.65,
        contour: pictures.Contour = "solid",
        caption: bool = True,
        cutout: bool = False,
    ) -> Path:
        """
        Write the pictures, heatmap.npy, heatmap.png, kept.png and result.json into a folder.

        The pictures are overlay.png, explanation.png and, where asked for, cutout.png. Each file is there whole
        or not at all; those of an earlier result are replaced, result.json last. A baseline that is not one
        colour is written too, as baseline.png, the second one as baseline-2.png.

        Parameters
        ----------
        folder
            Created where it is missing.
        colormap, alpha, contour, caption
            How the pictures are drawn; see ``overlay``.
        cutout
            Whether cutout.png is written, the explanation on nothing; see the method ``cutout``.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OptionError
            If the colour map or the contour is unknown, or ``alpha`` out of range.
        OutputError
            If the folder cannot be written. ``dccausal._shared.files.check_writable`` tells beforehand.

        """
        files = result_files(
            self, colormap=colormap, alpha=alpha, contour=contour, caption=caption, cutout=cutout
        )
        write_files(folder, files, stale=[name for name in STALE_FILES if name not in files])
        return Path(folder)

    def __repr__(self) -> str:
        """Return label, score, size and cost in one line."""
        calls = self.statistics.get("model_calls")
        return (
            f"<Explanation of {self.source or 'an image'}: {self.title}, score {self.score:.3g}, "
            f"{self.outcome}, {self.size:.1%} kept, {calls} model calls>"
        )

    def _repr_html_(self) -> str:
        return notebook_html(self)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        notebook_sheet(self).save(buffer, format="PNG")
        return buffer.getvalue()
