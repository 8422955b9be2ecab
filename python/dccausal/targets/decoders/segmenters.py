"""Segmenters: a number for each label at each place, or the labels themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.decoders.facts import Facts, Outputs, called, sigmoid, softmax, with_batch
from dccausal.targets.maps import LabelMaps, of_binary, of_labels

_RANK = 4
_NO_MAPS = re.compile(r"aux|depth|feature|hidden|embed|proto|disparity|normal")
# What MaskFormer and its kin, and DETR with masks, call their queries' scores and masks.
_QUERIES = (
    ("class_queries_logits", "masks_queries_logits"),
    ("logits", "pred_masks"),
    ("pred_logits", "pred_masks"),
)
_LONGER = 1.5  # a map has the image's proportions, to within this factor

Kind = Literal["maps", "binary", "labels"]


@dataclass(frozen=True)
class Segmenter:
    """
    Reads one output with a map for each label, for a yes or no, or of the labels themselves.

    Attributes
    ----------
    output
        Its name.
    kind
        Which of these.
    is_last
        Whether the labels are the last axis (TensorFlow), not the second.
    is_probability
        Whether the numbers are probabilities already.
    n_labels
        Number of labels.
    family
        Which exports are read so.

    """

    output: str
    kind: Kind
    is_last: bool
    is_probability: bool
    n_labels: int
    family: str
    gives: str = "maps"

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.output,)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> LabelMaps:  # noqa: ARG002
        """Return the maps of ``n`` images."""
        value = outputs[self.output]
        if self.kind == "labels":
            return of_labels(value.reshape(n, *_sides(value)), self.n_labels)
        value = with_batch(value, _RANK)
        if self.is_last:
            value = np.moveaxis(value, -1, 1)
        if self.kind == "binary":
            return of_binary(value, is_probability=self.is_probability)
        return LabelMaps(value, "none" if self.is_probability else "softmax")


@dataclass(frozen=True)
class MaskQueries:
    """Reads the queries of MaskFormer and its kin: a mask and a score of each label for each of them."""

    classes: str
    masks: str
    n_labels: int
    family: str = "MaskFormer and its kin, or DETR with masks"
    gives: str = "maps"

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.classes, self.masks)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> LabelMaps:  # noqa: ARG002
        """Return the maps of ``n`` images: the sum over queries of probability times mask."""
        scores = softmax(with_batch(outputs[self.classes], 3))[..., :-1]
        maps = np.einsum("nqc,nqhw->nchw", scores, sigmoid(with_batch(outputs[self.masks], _RANK)))
        return LabelMaps(maps / np.maximum(maps.sum(axis=1, keepdims=True), 1e-6), "none")


def segmenter(facts: Facts) -> Segmenter | MaskQueries | None:
    """Return the decoder of maps; None where there are none."""
    outputs = facts.outputs
    by_name = {called(name): name for name in outputs}
    for classes, masks in _QUERIES:
        if classes in by_name and masks in by_name:
            return MaskQueries(by_name[classes], by_name[masks], outputs[by_name[classes]].shape[-1] - 1)
    for name, value in outputs.items():
        if _NO_MAPS.search(called(name)):
            continue
        found = _labels(name, value, facts) if value.dtype.kind in "iu" else _maps(name, value, facts)
        if found is not None:
            return found
    return None


def _labels(name: str, value: NDArray[Any], facts: Facts) -> Segmenter | None:
    wide = [side for side in value.shape if side > 1]
    if len(wide) != 2 or not _has_proportions(wide, facts.size):  # noqa: PLR2004
        return None
    n_labels = facts.n_names or int(value.max(initial=0)) + 1
    return Segmenter(name, "labels", False, True, n_labels, "a map of labels")


def _maps(name: str, value: NDArray[Any], facts: Facts) -> Segmenter | None:
    if value.ndim not in (_RANK, _RANK - 1) or value.dtype.kind != "f":
        return None
    if value.ndim == _RANK - 1 and len(value) == 1 and not _has_proportions(value.shape[1:], facts.size):
        return None  # rows of a head
    value = with_batch(value, _RANK)
    first, last = value.shape[1], value.shape[3]
    if min(sorted(value.shape[1:])[1:]) < 2:  # noqa: PLR2004  no places
        return None
    is_last = last < first if facts.n_names not in (first, last) else facts.n_names == last != first
    n_labels = last if is_last else first
    inside = bool(value.min() >= 0 and value.max() <= 1)
    if n_labels == 1:
        return Segmenter(name, "binary", is_last, inside, 2, "a map of yes or no")
    sums = value.sum(axis=3 if is_last else 1)
    is_probability = inside and (bool(np.abs(sums - 1).max() < 0.02) or _is_activated(name, facts))  # noqa: PLR2004
    return Segmenter(name, "maps", is_last, is_probability, n_labels, "a map for each label")


def _has_proportions(sides: Sequence[int], size: tuple[int, int]) -> bool:
    """Return whether (height, width) may be those of a map of an image of (height, width)."""
    return 1 / _LONGER < (sides[0] / sides[1]) / (size[0] / size[1]) < _LONGER


def _is_activated(name: str, facts: Facts) -> bool:
    return facts.activations.get(name, "").endswith(("Softmax", "Sigmoid"))


def _sides(value: NDArray[Any]) -> tuple[int, int]:
    wide = [side for side in value.shape if side > 1][-2:]
    return wide[0], wide[1]
