"""Class names, from a file, a sequence or what exporters write into a model's metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dccausal.errors import OptionError
from dccausal.onnx.failures import UNREADABLE
from dccausal.onnx.reading.label_files import read_file
from dccausal.onnx.reading.label_text import names_in_text
from dccausal.onnx.reading.label_values import KEYS, OneBased, literal, names_of

Labels = str | os.PathLike[str] | Sequence[str] | Mapping[Any, Any]

BACKGROUND = "background"
# Intel's Geti and Training Extensions: a JSON object, or names with a space between them and "_" within.
_GETI_INFO, _GETI_LABELS = "model_info label_info", "model_info labels"
_IMAGENET = 1000
_MAX_TEXT = 1 << 24


def read_labels(labels: Labels) -> tuple[str, ...]:
    """
    Return class names in the order of their indices.

    Parameters
    ----------
    labels
        The path of a file (``label_files`` lists the forms: text, CSV, JSON, YAML, TensorFlow's label map); a
        sequence of names; or a mapping from index to name, or from name to index.

    Raises
    ------
    OptionError
        If the file cannot be read, or does not hold names for 0, 1, 2, ... without gaps.

    """
    if isinstance(labels, str | os.PathLike):
        return read_file(Path(labels))
    if isinstance(labels, OneBased):  # as a classifier that is pickled keeps them
        return labels
    return names_of(labels, "labels")


def names_in_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the class names in metadata, as JSON or as a Python literal (Ultralytics); None without any."""
    for key in KEYS:
        text = metadata.get(key)
        if not text or len(text) > _MAX_TEXT:
            continue
        try:
            return names_of(literal(text), f"metadata {key!r}")
        except UNREADABLE:
            pass
        try:
            names = names_in_text(text, f"metadata {key!r}")
        except UNREADABLE:
            continue  # other programs may mean something else by the key
        if len(names) > 1:
            return names
    return _geti_names(metadata)


def _geti_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    try:
        return names_of(literal(metadata[_GETI_INFO])["label_names"], f"metadata {_GETI_INFO!r}")
    except UNREADABLE:
        names = metadata.get(_GETI_LABELS, "")[:_MAX_TEXT].split()
        return tuple(name.replace("_", " ") for name in names) or None


@dataclass(frozen=True)
class Known:
    """
    The class names that are known, by where they come from: the first that there are count.

    Attributes
    ----------
    given
        By the user.
    in_metadata, beside
        In the model's metadata, and in the file beside it whose name is ``file``.
    file, is_list
        That file, and whether it holds nothing but names, so that it may be another model's.
    in_graph
        In the operation that makes the scores into texts or maps.

    """

    given: tuple[str, ...] | None = None
    in_metadata: tuple[str, ...] | None = None
    beside: tuple[str, ...] | None = None
    in_graph: tuple[str, ...] | None = None
    file: str = "config.json"
    is_list: bool = False

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names themselves."""
        return self.given or self.in_metadata or self.beside or self.in_graph

    @property
    def n(self) -> int | None:
        """Their number; None without any."""
        return len(self.names) if self.names else None

    @property
    def source(self) -> str:
        """Where they come from."""
        if self.given:
            return "given"
        if self.in_metadata:
            return "the model's metadata"
        return f"{self.file} beside the model" if self.beside else "the end of the graph"

    def fitting(self, n_labels: int | None) -> Known:
        """Return the same without a list of names beside the model that has another number than there are labels."""
        is_other = self.is_list and self.beside is not None and len(self.beside) != n_labels
        return replace(self, beside=None) if is_other else self

    def settle(self, n_classes: int | None, *, is_binary: bool) -> tuple[tuple[str, ...] | None, str | None]:
        """
        Return a name for each class, and a sentence if those that were found had to be left out.

        1000 names for 1001 classes (TensorFlow's ImageNet models), and names whose indices begin at 1, get
        "background" in front; a single name for a binary model gets its negation. ``n_classes`` is None where nothing
        tells.

        Raises
        ------
        OptionError
            If the user gave another number of names than there are classes.

        """
        names = self.names
        if names is None or n_classes is None or len(names) == n_classes:
            return names, None
        is_one_based = len(names) == _IMAGENET or isinstance(names, OneBased)
        if is_one_based and n_classes == len(names) + 1:
            return (BACKGROUND, *names), None
        if is_binary and len(names) == 1:
            return (f"not {names[0]}", names[0]), None
        if self.given:
            raise OptionError(
                f"{len(names)} names (labels, or prompts) were given; the model has {n_classes} classes, as many "
                "are needed"
            )
        note = (
            f"{self.source} names {len(names)} classes, but the model has {n_classes}: the names are not used"
        )
        return None, note
