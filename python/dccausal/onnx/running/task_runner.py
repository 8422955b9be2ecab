"""Runs of a model of which several outputs are read, whatever their shapes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError
from dccausal.onnx.failures import brief, is_out_of_memory
from dccausal.onnx.reading.feed import Inputs
from dccausal.onnx.reading.trial import pad
from dccausal.onnx.running.session import Opened

_log = logging.getLogger("dccausal")

Outputs = dict[str, NDArray[Any]]


class TaskRunner:
    """
    Runs a model on tensors of any length, some images a run, several runs at once on the CPU.

    Parameters
    ----------
    opened
        The session.
    inputs
        What it is given beside the images.
    names
        The outputs that are read.
    rows
        Images a run.
    is_fixed
        Whether each run has to have exactly so many.

    """

    def __init__(
        self, opened: Opened, inputs: Inputs, names: Sequence[str], rows: int, *, is_fixed: bool
    ) -> None:
        """Nothing is run yet."""
        self.opened, self.rows, self.runs = opened, rows, opened.runs
        self._inputs, self._names, self._is_fixed = inputs, list(names), is_fixed
        self._pool = ThreadPoolExecutor(self.runs, "dccausal-run") if self.runs > 1 else None

    def __call__(self, tensor: NDArray[Any]) -> list[tuple[Outputs, int]]:
        """
        Return the outputs of each run, by name, and the number of images that count in it.

        Raises
        ------
        ClassifierError
            If ONNX Runtime fails.

        """
        starts = range(0, len(tensor), self.rows)
        parts = [tensor[start : start + self.rows] for start in starts]
        if self._pool is None or len(parts) == 1:
            return [one for part in parts for one in self._run(part)]
        asked = [self._pool.submit(self._run, part) for part in parts]
        wait(asked)  # for all: the caller may write to the tensor again afterwards
        return [one for future in asked for one in future.result()]

    def _run(self, part: NDArray[Any]) -> list[tuple[Outputs, int]]:
        tensor = np.ascontiguousarray(pad(part, self.rows) if self._is_fixed else part)
        try:
            values = self.opened.session.run(self._names, self._inputs.of(tensor))
        except Exception as error:
            if len(part) > 1 and not self._is_fixed and is_out_of_memory(error):
                self.rows = max(1, len(part) // 2)
                _log.warning("not enough memory for %d images a run; going on with %d", len(part), self.rows)
                return [one for half in np.array_split(part, 2) for one in self._run(half)]
            raise ClassifierError(
                f"the model failed on {len(part)} images on {self.opened.device.name}: {brief(error)}; "
                "its outputs are needed"
            ) from error
        return [(dict(zip(self._names, values, strict=True)), len(part))]
