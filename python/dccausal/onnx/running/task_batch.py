"""How many images a run of a detector, a segmenter or an embedding model takes."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from dccausal.onnx.failures import brief
from dccausal.onnx.graph.free_batch import free_batch
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.task import TaskReading
from dccausal.onnx.running.device import open_session
from dccausal.onnx.running.session import Opened, RunSize

_log = logging.getLogger("dccausal")

_ROWS_ON_CPU, _ROWS_ELSEWHERE = 4, 16
_N_SAMPLES = 3
_MAX_PATCHED_BYTES = 512 * 1024 * 1024
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4


def settle_task_batch(opened: Opened, file: ModelFile, reading: TaskReading, wanted: int | None) -> RunSize:
    """
    Settle how many images a run takes: those wanted, else what suits the device.

    A model with a fixed batch of 1 is freed from it where the freed copy gives the same outputs; one that declares
    any number is believed only after it has given for several what it gives for each.
    """
    rows = wanted or (_ROWS_ON_CPU if opened.device.name == "cpu" else _ROWS_ELSEWHERE)
    if reading.is_alone or (reading.fixed_batch or 1) > 1:
        n = reading.fixed_batch or 1
        return RunSize(opened, n, n)
    if reading.fixed_batch is None:
        if rows == 1 or _agrees(opened.session, opened.session, reading):
            return RunSize(opened, rows)
        return RunSize(
            opened, 1, 1, "an image's outputs depend on the others in its batch, so each is run alone"
        )
    freed = _freed(opened, file, reading) if rows > 1 else None
    if freed is None:
        return RunSize(opened, 1, 1, "the model takes exactly 1 image a run, and is run so")
    return RunSize(
        freed,
        rows,
        None,
        "the model's fixed batch of 1 was freed: a copy in memory takes any number, and gave the original's outputs "
        "on random images",
    )


def _freed(opened: Opened, file: ModelFile, reading: TaskReading) -> Opened | None:
    from dataclasses import replace

    graph, folder = file.graph, file.folder
    if graph is None or len(file.model) > _MAX_PATCHED_BYTES or (folder is None and graph.external_files()):
        return None
    try:
        patched = free_batch(file.model, graph, reading.image.name, 1)
        session = open_session(opened.ort, patched, opened.device, opened.threads, folder)
        is_same = _agrees(opened.session, session, reading)
    except Exception as error:  # noqa: BLE001  a graph that cannot be freed fails in ONNX Runtime's own ways
        _log.debug("the batch dimension could not be freed: %s", brief(error))
        return None
    return replace(opened, session=session) if is_same else None


def _agrees(one_by_one: Any, together: Any, reading: TaskReading) -> bool:
    """Return whether a session gives for several images at once what another gives for each alone."""
    tensor, names = reading.sample(_N_SAMPLES), list(reading.names)
    try:
        at_once = together.run(names, reading.inputs.of(tensor))
        alone = [one_by_one.run(names, reading.inputs.of(tensor[i : i + 1])) for i in range(len(tensor))]
    except Exception as error:  # noqa: BLE001  in ONNX Runtime's own ways
        _log.debug("several images at once do not run: %s", brief(error))
        return False
    for i, whole in enumerate(at_once):
        parts = [own[i] for own in alone]
        if any(part.ndim == 0 or part.shape[0] != 1 for part in parts) or len(whole) != len(tensor):
            return False
        if any(part.shape[1:] != whole.shape[1:] for part in parts):
            return False
        expected = np.concatenate(parts)
        scale = float(np.abs(expected).max(initial=1.0)) if expected.dtype.kind == "f" else 1.0
        if not np.allclose(whole, expected, rtol=_RELATIVE, atol=_ABSOLUTE * scale):
            return False
    return True
