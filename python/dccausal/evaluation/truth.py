"""
What is known about photographs: where an occlusion was planted, or where the object is.

A truth file is CSV with a line a photograph and the columns file, top, left, bottom, right (pixels of the upright
photograph, both ends included); label, name, shape, share and mask are optional. ``shape`` is rectangle, ellipse, or
anything else where ``mask`` names a PNG, relative to the truth file, that says by pixel what belongs to it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import check_regular, read_text
from dccausal.errors import InputError
from dccausal.inputs.placement import Placement

TruthKind = Literal["occlusion", "object"]
KINDS = ("occlusion", "object")
COLUMNS = ("file", "top", "left", "bottom", "right")
SHAPES = ("rectangle", "ellipse")

Pixels = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """
    What is known about one photograph.

    Attributes
    ----------
    file
        The photograph, relative to its folder.
    label
        Index of its right label; None where the truth does not say.
    name
        The label in words, as the truth file has it.
    shape
        "rectangle", "ellipse", or another word where there is a mask.
    box
        (top, left, bottom, right) in pixels of the photograph, both ends included.
    mask
        Path of a PNG of the photograph's size, nonzero where the occlusion or object is.

    """

    file: str
    label: int | None
    name: str
    shape: str
    box: tuple[int, int, int, int]
    mask: Path | None = None

    def pixels(self, width: int, height: int) -> Pixels:
        """
        Return which pixels of a photograph belong to the occlusion or object, bool (height, width).

        Raises
        ------
        InputError
            If the box or the mask does not lie in the photograph.

        """
        if self.mask is not None:
            return _read_mask(self.mask, width, height)
        top, left, bottom, right = self.box
        if not (0 <= top <= bottom < height and 0 <= left <= right < width):
            raise InputError(
                f"{self.file}: the truth's box is rows {top} to {bottom}, columns {left} to {right}; "
                f"one within {height} rows and {width} columns is needed"
            )
        if self.shape == "ellipse":
            return ellipse(self.box, width, height)
        inside = np.zeros((height, width), dtype=bool)
        inside[top : bottom + 1, left : right + 1] = True
        return inside


def ellipse(box: tuple[int, int, int, int], width: int, height: int) -> Pixels:
    """
    Return the pixels whose centres lie in the ellipse through the centres of the box's outermost pixels.

    Parameters
    ----------
    box
        (top, left, bottom, right), both ends included.
    width, height
        Of the photograph.

    Returns
    -------
    NDArray
        bool (height, width).

    """
    top, left, bottom, right = box
    rows = np.arange(height, dtype=np.float64)[:, None] - (top + bottom) / 2
    columns = np.arange(width, dtype=np.float64)[None, :] - (left + right) / 2
    half_height, half_width = max((bottom - top) / 2, 0.5), max((right - left) / 2, 0.5)
    inside: Pixels = (rows / half_height) ** 2 + (columns / half_width) ** 2 <= 1
    return inside


def seen_pixels(truth: Pixels, placement: Placement, shape: tuple[int, int]) -> Pixels:
    """
    Return the truth as the model sees it: for each of its pixels, that of the photograph under its centre.

    Parameters
    ----------
    truth
        bool, of the photograph's height and width.
    placement
        Where in the photograph the model's image lies.
    shape
        The model's (height, width).

    """
    left, top, right, bottom = placement.box
    rows = np.floor(top + (np.arange(shape[0]) + 0.5) * (bottom - top) / shape[0]).astype(int)
    columns = np.floor(left + (np.arange(shape[1]) + 0.5) * (right - left) / shape[1]).astype(int)
    height, width = truth.shape
    is_inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None, :]
    clipped = truth[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    seen: Pixels = clipped & is_inside
    return seen


def read_truth(
    path: str | os.PathLike[str], kind: TruthKind | None = None
) -> tuple[TruthKind, dict[str, Truth]]:
    """
    Read a truth file.

    Parameters
    ----------
    path
        The CSV file.
    kind
        What the boxes are; by default "occlusion" if there is a column ``shape``, else "object".

    Returns
    -------
    kind, truths
        By the photograph's file, in the order of the lines.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or names a photograph twice.

    """
    path = Path(path)
    try:
        reader = csv.DictReader(io.StringIO(read_text(path, newline=""), newline=""))
        lines = list(reader)
        columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); a CSV file of truth is needed") from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing or not lines:
        raise InputError(
            f"{path} has {len(lines)} lines and the columns {', '.join(columns) or 'none'}; "
            f"a line at least and the columns {', '.join(COLUMNS)} are needed"
        )
    truths: dict[str, Truth] = {}
    for number, line in enumerate(lines, start=2):
        truth = _truth_of(line, path, number)
        if truth.file in truths:
            raise InputError(
                f"{path}, line {number}: {truth.file} comes twice; a line a photograph is needed"
            )
        truths[truth.file] = truth
    return kind or ("occlusion" if "shape" in columns else "object"), truths


def _truth_of(line: Mapping[str, str | None], path: Path, number: int) -> Truth:
    where = f"{path}, line {number}"
    file, label = (line.get("file") or "").strip(), (line.get("label") or "").strip()
    shape, mask = (line.get("shape") or "rectangle").strip(), (line.get("mask") or "").strip()
    try:
        top, left, bottom, right = (int(line.get(column) or "") for column in COLUMNS[1:])
        index = int(label) if label else None
    except ValueError as error:
        raise InputError(
            f"{where}: {error}; whole numbers of pixels and a label's index are needed"
        ) from error
    if not file:
        raise InputError(f"{where} names no file; a photograph's is needed")
    if shape not in SHAPES and not mask:
        raise InputError(
            f"{where}: shape is {shape!r}; rectangle or ellipse, or a column mask with a PNG is needed"
        )
    box = (top, left, bottom, right)
    return Truth(file, index, line.get("name") or "", shape, box, path.parent / mask if mask else None)


def _read_mask(path: Path, width: int, height: int) -> Pixels:
    from PIL import Image

    try:
        check_regular(path)
        with Image.open(path) as image:
            inside = np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); the PNG of a mask is needed") from error
    if inside.shape != (height, width):
        raise InputError(
            f"{path} has {inside.shape[1]} x {inside.shape[0]} pixels; the photograph's {width} x {height} is needed"
        )
    return inside
