"""
Results that another program computed, as JSON Lines, so that they are measured like all others.

A line has ``file`` (as the truth names the photograph) and, of what there is, ``label``, ``calls``, ``calls_search``,
``seconds``, ``model_seconds``, ``mask`` (path of a .npy: bool (H, W), True = kept), ``heatmap`` (.npy: float (H, W))
or ``ranking`` (.npy: int (H * W,), flat indices, best first). Paths are relative to the file; arrays have the model's
size. A line with ``error`` says that the program failed on the photograph. A last line that is still being written is
left for later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import read_array, read_text
from dccausal.errors import InputError
from dccausal.evaluation.measure import MethodResult

_NUMBERS = ("calls", "calls_search", "seconds", "model_seconds")


class ExternalResults:
    """
    The results of one program.

    Parameters
    ----------
    path
        The JSON Lines file.

    Raises
    ------
    InputError
        If the file cannot be read or a line is no result.

    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read all lines; the arrays are read when they are asked for."""
        self._path = Path(path)
        try:
            text = read_text(self._path, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read ({error}); JSON Lines are needed") from error
        *whole, last = text.split("\n")
        lines = [line for line in (*whole, *([last] if _is_whole(last) else [])) if line.strip()]
        self._lines = {line["file"]: line for line in (self._read(line) for line in lines)}

    def __contains__(self, file: object) -> bool:
        """Return whether there is a result for a photograph."""
        return file in self._lines

    def found(self, file: str, label: int, name: str | None, shape: tuple[int, int]) -> MethodResult:
        """
        Return the result for a photograph.

        Parameters
        ----------
        file
            As the truth names it.
        label, name
            What is explained where the result does not say.
        shape
            The model's (height, width).

        Raises
        ------
        InputError
            If the program failed on it, or an array cannot be read or has another shape.

        """
        line = self._lines[file]
        if line.get("error") is not None:
            raise InputError(
                f"{self._path}: {file} ended in {line['error']!r}; a result is needed to measure it"
            )
        kept, heatmap = self._array(line, "mask", shape), self._array(line, "heatmap", shape)
        ranking = self._array(line, "ranking", (shape[0] * shape[1],))
        if heatmap is None and ranking is not None:
            heatmap = _heat_of(self._checked_ranking(ranking), shape)
        elif heatmap is not None:
            heatmap = heatmap.astype(np.float32)
            if ranking is None:
                ranking = np.argsort(-heatmap.ravel(), kind="stable")
        own = line.get("label")
        return MethodResult(
            heatmap=heatmap,
            ranking=None if ranking is None else ranking.astype(np.int64),
            kept=None if kept is None else kept.astype(bool),
            label=label if own is None else int(own),
            name=name if own is None or own == label else None,
            outcome=None,
            calls={"all": line.get("calls"), "search": line.get("calls_search")},
            seconds=line.get("seconds"),
            model_seconds=line.get("model_seconds"),
        )

    def _read(self, text: str) -> dict[str, Any]:
        try:
            line = json.loads(text)
        except ValueError as error:
            raise InputError(
                f"{self._path}: {text[:60]!r} is no JSON ({error}); one object a line is needed"
            ) from error
        if not isinstance(line, dict) or not isinstance(line.get("file"), str):
            raise InputError(f"{self._path}: {text[:60]!r} names no file; an object with file is needed")
        bad = [key for key in _NUMBERS if not isinstance(line.get(key), int | float | None)]
        if bad or not isinstance(line.get("label"), int | None):
            raise InputError(
                f"{self._path}: {text[:60]!r} has {bad or ['label']} that are no numbers; numbers are needed"
            )
        return line

    def _array(self, line: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        if line.get(key) is None:
            return None
        path = self._path.parent / str(line[key])
        try:
            array = read_array(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); an array of numpy's is needed") from error
        if array.shape != shape or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(
                f"{path} is {array.shape} {array.dtype}; finite numbers {shape}, the model's size, are needed"
            )
        return array

    def _checked_ranking(self, ranking: NDArray[Any]) -> NDArray[Any]:
        if not np.array_equal(np.sort(ranking), np.arange(len(ranking))):
            raise InputError(
                f"{self._path}: a ranking does not name each pixel once; indices 0 to {len(ranking) - 1} are needed"
            )
        return ranking


def _is_whole(text: str) -> bool:
    """Return whether a line that does not end yet has all of its object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _heat_of(ranking: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a heatmap with the order of a ranking."""
    heat = np.empty(len(ranking), dtype=np.float32)
    heat[ranking.astype(np.int64)] = 1 - np.arange(len(ranking)) / len(ranking)
    return heat.reshape(shape)
