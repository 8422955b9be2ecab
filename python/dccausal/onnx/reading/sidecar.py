"""
What exporters write into files beside a model: preprocessing and class names.

Looked for are, in the model's folder and, where that is called "onnx" (as in repositories for browsers), in the
one above it:

* ``preprocessor_config.json`` and ``processor_config.json``, of Hugging Face's image processors and Optimum;
* ``config.json``, of Hugging Face's models (``id2label``, ``problem_type``) and of timm (``pretrained_cfg``,
  ``label_names``);
* ``inference.yml`` of PaddleClas and PaddleX, ``pipeline.json`` of MMDeploy;
* ``metadata.json`` of Teachable Machine, ``environment.json`` of Roboflow;
* names alone: ``labels.txt`` and the like (``_NAME_FILES``).

Nothing in these files is ever an error: what cannot be read is passed over, and the reason says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dccausal._shared.files import is_file
from dccausal._shared.yaml import read_yaml
from dccausal.errors import OptionError, RuntimeMissingError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides
from dccausal.onnx.reading.sidecar_huggingface import (
    is_multi_label,
    model_names,
    processor_pixels,
    processor_settings,
)
from dccausal.onnx.reading.sidecar_pipelines import (
    is_paddle,
    openmm_pixels,
    openmm_settings,
    openmm_steps,
    paddle_names,
    paddle_pixels,
    paddle_settings,
)
from dccausal.onnx.reading.sidecar_services import (
    TEACHABLE_PIXELS,
    is_teachable,
    roboflow_names,
    teachable_names,
    teachable_settings,
)
from dccausal.onnx.reading.sidecar_timm import timm_config, timm_names, timm_pixels, timm_settings

_MAX_BYTES = 64 * 1024 * 1024
_BROWSER_FOLDER = "onnx"
_CONFIG = "config.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_PADDLE, _OPENMM, _TEACHABLE, _ROBOFLOW = (
    "inference.yml",
    "pipeline.json",
    "metadata.json",
    "environment.json",
)
_OWN = (*_PROCESSORS, _CONFIG)
_DOCUMENTS = (*_OWN, _PADDLE, _OPENMM, _TEACHABLE, _ROBOFLOW)
_NAME_FILES = (
    *("labels.txt", "class_names.txt", "classes.txt", "names.txt", "labels.json", "class_names.json"),
    *(
        "classes.json",
        "class_indices.json",
        "index_to_name.json",
        "id2label.json",
        "labels.csv",
        "labelmap.txt",
    ),
    *("label_map.pbtxt", "labels.yaml", "labels.yml"),
)


@dataclass(frozen=True)
class _Told:
    """What a document tells, and how it is read."""

    name: str
    values: Mapping[str, Any]
    settings: Callable[[Mapping[str, Any], Sides], Preprocess]
    pixels: Callable[[Mapping[str, Any]], Preprocess]


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
    listed
        Class names from a file of names alone, and that file's name; None without.

    """

    documents: Mapping[str, Mapping[str, Any]]
    trouble: str = ""
    listed: tuple[tuple[str, ...], str] | None = None

    def preprocess(self, image: ImageInput) -> tuple[Preprocess | None, str]:
        """Return the settings that the files tell for an input, and which file does; or None and a trouble."""
        trouble = self.trouble
        for told in self._settings():
            try:
                settings = told.settings(told.values, (image.height, image.width))
            except UNREADABLE as error:
                trouble += f"; {told.name} beside the model cannot be followed: {error}"
                continue
            return settings, f"{told.name} beside the model{trouble}"
        return None, trouble

    def pixels(self) -> tuple[Preprocess, str] | None:
        """Return what the files tell of filter, scale, mean and std alone, and which does; None where none does."""
        for told in self._settings():
            try:
                return told.pixels(told.values), f"{told.name} beside the model"
            except UNREADABLE:
                continue
        return None

    def _settings(self) -> list[_Told]:
        documents = self.documents
        found = []
        for name in (*_PROCESSORS, _CONFIG):
            timm = timm_config(
                documents.get(name, {})
            )  # transformers' wrapper of timm keeps it in any of them
            if timm is not None:
                found.append(_Told(name, timm, timm_settings, timm_pixels))
            elif name in _PROCESSORS and name in documents:
                values = _image_processor(documents[name])
                found.append(_Told(name, values, processor_settings, processor_pixels))
        if is_paddle(documents.get(_PADDLE, {})):
            found.append(_Told(_PADDLE, documents[_PADDLE], paddle_settings, paddle_pixels))
        if openmm_steps(documents.get(_OPENMM, {})):
            found.append(_Told(_OPENMM, documents[_OPENMM], openmm_settings, openmm_pixels))
        if is_teachable(documents.get(_TEACHABLE, {})):
            found.append(
                _Told(_TEACHABLE, documents[_TEACHABLE], teachable_settings, lambda _: TEACHABLE_PIXELS)
            )
        return found

    @property
    def named(self) -> tuple[tuple[str, ...], str] | None:
        """The class names that the files tell, and which file does; None without any."""
        readers: tuple[tuple[str, Callable[[Mapping[str, Any]], tuple[str, ...] | None]], ...] = (
            (_CONFIG, timm_names),
            (_CONFIG, model_names),
            (_PADDLE, paddle_names),
            (_TEACHABLE, teachable_names),
            (_ROBOFLOW, roboflow_names),
        )
        for file, read in readers:
            try:
                names = read(self.documents.get(file, {}))
            except UNREADABLE:
                continue
            if names is not None:
                return names, file
        return self.listed

    @property
    def is_multi_label(self) -> bool:
        """Whether config.json says that each label has a probability of its own."""
        return is_multi_label(self.documents.get(_CONFIG, {}))


def read_sidecar(model: Path | None) -> Sidecar:
    """Return what lies beside a model; nothing for a model in memory."""
    documents: dict[str, Mapping[str, Any]] = {}
    trouble = ""
    if model is None:
        return Sidecar(documents)
    for name in _DOCUMENTS:
        for folder in _folders(model):
            try:
                document = _read(folder / name)
            except (OSError, ValueError, RecursionError, RuntimeMissingError) as error:
                if name in _OWN or isinstance(error, RuntimeMissingError):  # others are called so too
                    trouble += f"; {name} beside the model cannot be read: {error}"
                break
            if document is not None:
                documents[name] = document
                break
    return Sidecar(documents, trouble, _listed(model))


def _listed(model: Path) -> tuple[tuple[str, ...], str] | None:
    """Return the names in the first file of names alone that can be read, and its name."""
    for folder in _folders(model):
        for name in _NAME_FILES:
            if is_file(folder / name):
                try:
                    return read_labels(folder / name), name
                except (OptionError, RuntimeMissingError):
                    continue
    return None


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
    text = path.read_text(encoding="utf-8-sig")
    is_yaml = path.suffix == ".yml"
    document = read_yaml(text) if is_yaml else json.loads(text)
    if not isinstance(document, Mapping):
        raise ValueError(f"it is no {'YAML' if is_yaml else 'JSON'} object")  # noqa: TRY004  of data, as the others
    return document


def _image_processor(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the image processor's part of a processor of several parts (text and images, say)."""
    part = values.get("image_processor")
    return part if isinstance(part, Mapping) else values
