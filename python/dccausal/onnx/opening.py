"""What is asked of a model before it is opened, and opening it: the same for whatever the model gives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dccausal._shared.checks import whole_number
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.image_input import metadata_of
from dccausal.onnx.reading.names import Known, names_in_metadata, read_labels
from dccausal.onnx.reading.sidecar import Sidecar, read_sidecar
from dccausal.onnx.running.device import Provider, choose_device
from dccausal.onnx.running.runtime import find_runtime, telemetry
from dccausal.onnx.running.session import Opened, open_model

_MAX_BATCH = 65536


@dataclass(frozen=True)
class Given:
    """
    What the user says of a model's images and labels, checked.

    Attributes
    ----------
    rows
        Images a run; None leaves it open.
    preprocess, changes
        How photographs are prepared, None where that is to be read; and fields that are set whatever it is.
    names
        Of the labels.
    feed
        Constants for other inputs.

    """

    rows: int | None
    preprocess: Preprocess | None
    changes: dict[str, Any]
    names: tuple[str, ...] | None
    feed: dict[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Given:
        """
        Check the options of a model that are called as those of ``OnnxClassifier``, among its arguments.

        Raises
        ------
        OptionError
            If one is out of its range, or a file that it names cannot be read.

        """
        rows, preprocess, labels = (arguments[name] for name in ("batch_size", "preprocess", "labels"))
        geometric = ("geometry", "size", "crop_ratio", "stretch")
        return cls(
            rows=None if rows == "auto" else whole_number("batch_size", rows, 1, _MAX_BATCH),
            preprocess=None if preprocess is None else Preprocess.of(preprocess),
            changes=Preprocess.changes(**{name: arguments[name] for name in geometric}),
            names=None if labels is None else read_labels(labels),
            feed=dict(arguments["feed"] or {}),
        )


@dataclass(frozen=True)
class Loaded:
    """
    A model file in a session, and what lies beside it.

    Attributes
    ----------
    file, opened
        The file, and its session.
    sidecar
        What its exporter wrote into files beside it.
    known
        The names of labels from these sources.
    runtime_version
        Of ONNX Runtime.

    """

    file: ModelFile
    opened: Opened
    sidecar: Sidecar
    known: Known
    runtime_version: str

    @classmethod
    def of(
        cls,
        model: str | os.PathLike[str] | bytes,
        names: tuple[str, ...] | None,
        *,
        device: str,
        providers: Sequence[Provider] | None,
        threads: int,
        reproducible: bool,
        many: bool,
    ) -> Loaded:
        """
        Open a model.

        Raises
        ------
        ModelError, OptionError, RuntimeMissingError, DeviceError
            As ``OnnxClassifier``.

        """
        ort = find_runtime()
        chosen = choose_device(ort.get_available_providers(), device, providers, reproducible=reproducible)
        file = ModelFile.read(model)
        opened = open_model(ort, file, replace(chosen, many=many), threads)
        sidecar = read_sidecar(file.path)
        named, where = sidecar.named or (None, "config.json")
        known = Known(
            names,
            names_in_metadata(metadata_of(opened.session)),
            named,
            file=where,
            is_list=sidecar.listed is not None and where == sidecar.listed[1],
        )
        return cls(file, opened, sidecar, known, ort.__version__)


def runtime_facts(model: Any, runtime_version: str) -> dict[str, Any]:
    """Return what decided the answers of a model in ONNX Runtime, but for what its input and output mean."""
    return {
        "runtime": "onnxruntime",
        "runtime_version": runtime_version,
        "runtime_telemetry": telemetry(),
        "provider": model.provider,
        "device": model.device,
        "device_note": model.device_note,
        "threads": model.threads if model.device == "cpu" else None,
        "model": None if model.path is None else model.path.name,
        "model_sha256": model.sha256,
    }
