"""
What exporters write into files beside a model: preprocessing and class names.

Looked for are, in the model's folder and, where that is called "onnx" (as in repositories for browsers), in the
one above it:

* ``preprocessor_config.json`` and ``processor_config.json``, of Hugging Face's image processors and Optimum;
* ``config.json``, of Hugging Face's models (``id2label``, ``problem_type``) and of timm (``pretrained_cfg``,
  ``label_names``).

Nothing in these files is ever an error: what cannot be read is passed over, and the reason says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.sidecar_huggingface import (
    is_multi_label,
    model_names,
    processor_pixels,
    processor_settings,
)
from dccausal.onnx.reading.sidecar_timm import timm_config, timm_names, timm_pixels, timm_settings

_MAX_BYTES = 64 * 1024 * 1024
_BROWSER_FOLDER = "onnx"
_CONFIG = "config.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Sidecar:
    """
    The files beside a model.

    Attributes
    ----------
    documents
        Those that were read, by name.
    trouble
        What could not be read, in words; empty where all could.

    """

    documents: Mapping[str, Mapping[str, Any]]
    trouble: str = ""

    def preprocess(self, image: ImageInput) -> tuple[Preprocess | None, str]:
        """Return the settings that the files tell for an input, and which file does; or None and a trouble."""
        trouble = self.trouble
        size = (image.height, image.width)
        for name, values in self._settings():
            try:
                told = timm_settings(values, size) if name == _CONFIG else processor_settings(values, size)
            except UNREADABLE as error:
                trouble += f"; {name} beside the model cannot be followed: {error}"
                continue
            return told, f"{name} beside the model{trouble}"
        return None, trouble

    def pixels(self) -> tuple[Preprocess, str] | None:
        """Return what the files tell of filter, scale, mean and std alone, and which does; None where none does."""
        for name, values in self._settings():
            try:
                return (timm_pixels if name == _CONFIG else processor_pixels)(
                    values
                ), f"{name} beside the model"
            except UNREADABLE:
                continue
        return None

    def _settings(self) -> list[tuple[str, Mapping[str, Any]]]:
        found = [(name, self.documents[name]) for name in _PROCESSORS if name in self.documents]
        found = [(name, _image_processor(values)) for name, values in found]
        timm = timm_config(self.documents.get(_CONFIG, {}))
        return found if timm is None else [*found, (_CONFIG, timm)]

    @property
    def names(self) -> tuple[str, ...] | None:
        """The class names that config.json tells."""
        config = self.documents.get(_CONFIG, {})
        for read in (timm_names, model_names):
            try:
                names = read(config)
            except UNREADABLE:
                continue
            if names is not None:
                return names
        return None

    @property
    def is_multi_label(self) -> bool:
        """Whether config.json says that each label has a probability of its own."""
        return is_multi_label(self.documents.get(_CONFIG, {}))


def read_sidecar(model: Path | None) -> Sidecar:
    """Return what lies beside a model; nothing for a model in memory."""
    documents: dict[str, Mapping[str, Any]] = {}
    trouble = ""
    if model is not None:
        for name in (*_PROCESSORS, _CONFIG):
            for folder in _folders(model):
                try:
                    document = _read(folder / name)
                except (OSError, ValueError, RecursionError) as error:
                    trouble += f"; {name} beside the model cannot be read: {error}"
                    break
                if document is not None:
                    documents[name] = document
                    break
    return Sidecar(documents, trouble)


def _folders(model: Path) -> list[Path]:
    folder = model.parent
    if folder.absolute().name != _BROWSER_FOLDER:
        return [folder]
    return [folder, folder.absolute().parent]


def _read(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(f"it has {size} bytes; at most {_MAX_BYTES} are needed")
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(document, Mapping):
        raise ValueError("it is no JSON object")  # noqa: TRY004  of data, as the other troubles
    return document


def _image_processor(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the image processor's part of a processor of several parts (text and images, say)."""
    part = values.get("image_processor")
    return part if isinstance(part, Mapping) else values
