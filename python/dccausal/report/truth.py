"""Known labels of photographs, from a table with the columns file and label, for a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from dccausal._shared.files import read_text
from dccausal.errors import InputError


class Truth:
    """
    The known label of each photograph.

    Parameters
    ----------
    path
        CSV file with the columns ``file`` (a path, the end of one, or a name) and ``label`` (an index, or a class
        name or one of the synonyms in it).

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or gives a file two labels.

    """

    def __init__(self, path: Path) -> None:
        """Read the table."""
        self.path = path
        self._labels: dict[str, str] = {}
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(path, newline=""), newline="")))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(f"{path} cannot be read ({error}); a CSV file is needed") from error
        for number, row in enumerate(rows, 2):
            file, label = (row.get("file") or "").strip(), (row.get("label") or "").strip()
            if not file or not label:
                raise InputError(
                    f"{path}: row {number} lacks a file or a label; columns file,label are needed"
                )
            if self._labels.setdefault(file, label) != label:
                raise InputError(f"{path}: {file} has two labels (row {number}); one is needed")

    def label_of(self, path: str) -> str | None:
        """Return the label of a photograph as the table has it; None where it has none."""
        parts = PurePath(path).parts
        for start in range(len(parts)):
            label = self._labels.get(path if start == 0 else "/".join(parts[start:]))
            if label is not None:
                return label
        return None

    def judge(self, about: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the known label of an item and whether the explained one is that; None where it is not known."""
        known = self.label_of(about["path"])
        if known is None:
            return None
        if about["error"] is not None:
            return {"label": known, "right": None}
        name = str(about["name"] or "").casefold()
        names = {name, *(synonym.strip() for synonym in name.split(","))} - {""}
        is_index = known.isdecimal()
        is_right = int(known) == about["label"] if is_index else known.casefold() in names
        return {"label": known, "right": is_right}
