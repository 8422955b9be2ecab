"""Opening a model on a device, and setting it free from a fixed batch size."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from dccausal.errors import DeviceError, ModelError
from dccausal.onnx.failures import brief
from dccausal.onnx.graph.free_batch import agrees, free_batch
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.trial import Reading, run_in_chunks, sample_images
from dccausal.onnx.running.device import Device, open_session

_log = logging.getLogger("dccausal")

# On the CPU convolutional nets are fastest where a batch's activations stay in the cache, by measurement.
# Where there is time to find out, ``_calibration`` knows better.
_ROWS_ON_CPU = 4
_ROWS_ON_CUDA = 64
_ROWS_ELSEWHERE = 16
_N_SAMPLES = 8
_MAX_PATCHED_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class Opened:
    """
    A session, and where it runs.

    Attributes
    ----------
    ort
        The module onnxruntime.
    session
        Its InferenceSession.
    device
        The device that it runs on.
    threads
        Threads on the CPU, for one run or for several at once (``runs``).
    note
        A sentence, if that is not the device preferred.

    """

    ort: Any
    session: Any
    device: Device
    threads: int
    note: str | None = None

    @property
    def runs(self) -> int:
        """Runs that are made at once."""
        return self.device.arrange(self.threads).runs


def open_model(ort: Any, file: ModelFile, device: Device, threads: int) -> Opened:
    """
    Open the session on the device, or on the CPU where that is allowed.

    Raises
    ------
    ModelError
        If ONNX Runtime cannot load the model on any device.
    DeviceError
        If it can, but not on this one.

    """
    file.check_weights()
    source, folder = file.source, file.folder
    reason: Exception
    try:
        return Opened(ort, open_session(ort, source, device, threads, folder), device, threads)
    except DeviceError as error:
        if not device.may_fall_back:
            raise
        reason = error
    except Exception as error:
        if device == device.on_cpu:
            raise _unloadable(ort, file, error) from error
        reason = error
    try:
        session = open_session(ort, source, device.on_cpu, threads, folder)
    except Exception as error:
        raise _unloadable(ort, file, error) from error
    if not device.may_fall_back:
        raise DeviceError(
            f"{device.name} was asked for, but {file.what} cannot run there: {brief(reason)}; "
            "another device is needed"
        ) from reason
    note = f"CUDA could not be used, so the model runs on the CPU: {brief(reason)}"
    _log.warning(note)
    return Opened(ort, session, device.on_cpu, threads, note)


def _unloadable(ort: Any, file: ModelFile, error: Exception) -> ModelError:
    return ModelError(
        f"{file.what} cannot be loaded by ONNX Runtime: {brief(error)} (of version {ort.__version__}); "
        "an ONNX image classifier is needed"
    )


@dataclass(frozen=True)
class RunSize:
    """
    A session and how many images it is run with.

    Attributes
    ----------
    opened
        The session.
    rows
        Images a run.
    fixed
        The same if the model takes no other number.
    is_open
        Whether the number was left to us.
    note
        A sentence, where the model is fixed or had to be freed.

    """

    opened: Opened
    rows: int
    fixed: int | None = None
    note: str | None = None
    is_open: bool = False


def settle_batch(opened: Opened, file: ModelFile, reading: Reading, wanted: int | None) -> RunSize:
    """
    Settle how many images a run takes: those wanted, else the model's own, else what suits the device.

    A model with another fixed batch, or one of 1, is freed from it if possible.
    """
    fixed = reading.fixed_batch
    rows = wanted or _default_rows(opened.device.name)
    if fixed is None:
        return RunSize(opened, rows, is_open=wanted is None)
    if fixed == wanted or (wanted is None and fixed > 1):
        return RunSize(opened, fixed, fixed)
    if reading.is_alone:
        return RunSize(opened, fixed, fixed)
    freed = _freed(opened, file, reading, fixed)
    if freed is None:
        plural = "" if fixed == 1 else "s"
        return RunSize(
            opened, fixed, fixed, f"the model takes exactly {fixed} image{plural} a run, and is run so"
        )
    note = (
        f"the model's fixed batch of {fixed} was freed: a copy in memory takes any number, and gave the "
        "original's answers to random images"
    )
    return RunSize(freed, rows, None, note, is_open=wanted is None)


def _default_rows(device: str) -> int:
    if device == "cpu":
        return _ROWS_ON_CPU
    return _ROWS_ON_CUDA if device.startswith("cuda") else _ROWS_ELSEWHERE


def _freed(opened: Opened, file: ModelFile, reading: Reading, fixed: int) -> Opened | None:
    """
    Return a session of the same model with its batch dimension freed, or None where that cannot be done.

    The new session is believed only after it has given the answers of the old one (``agrees``).
    """
    graph = file.graph
    model, folder = file.model, file.folder
    if graph is None or len(model) > _MAX_PATCHED_BYTES or (folder is None and graph.external_files()):
        return None
    name, output = reading.image.name, reading.output_name
    tensors = reading.encode(sample_images(_N_SAMPLES, reading.size))
    try:
        patched = free_batch(model, graph, name, fixed)
        freed = open_session(opened.ort, patched, opened.device, opened.threads, folder)
        is_same = agrees(
            lambda t: run_in_chunks(opened.session, reading.inputs, output, t, fixed),
            lambda t: run_in_chunks(freed, reading.inputs, output, t, len(t)),
            tensors,
        )
    except Exception as error:  # noqa: BLE001  a graph that cannot be freed fails in ONNX Runtime's own ways
        _log.debug("the batch dimension could not be freed: %s", brief(error))
        return None
    return replace(opened, session=freed) if is_same else None
