"""What is known of a model beside the numbers that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[Any]]

RTDETR = "Ultralytics RT-DETR"


@dataclass(frozen=True)
class Facts:
    """
    What is known of a model beside the numbers that it gives.

    Attributes
    ----------
    outputs
        What it gave for one image, by name, in its order.
    size
        (height, width) of that image.
    metadata
        Of the model file.
    config
        config.json beside it.
    n_names
        Number of class names that are known.
    activations
        The operation that makes each output, as far as that is known.
    threshold, overlap
        What the user asked for in place of the decoder's own: the least score, and the IoU of doubles.

    """

    outputs: Outputs
    size: tuple[int, int]
    metadata: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    n_names: int | None = None
    activations: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None
    overlap: float | None = None

    @property
    def task(self) -> str:
        """What the metadata call the model's task; empty without."""
        return self.metadata.get("task", "").strip().lower()

    def least(self, own: float) -> float:
        """Return the least score of a detection: as asked for, else the family's own."""
        return own if self.threshold is None else self.threshold

    def iou(self, own: float) -> float:
        """Return the IoU above which boxes are doubles: as asked for, else the family's own."""
        return own if self.overlap is None else self.overlap


class Decoder(Protocol):
    """Makes answers of a model's raw outputs."""

    @property
    def gives(self) -> str:
        """What it gives: "boxes", "maps" or "embeddings"."""
        ...

    @property
    def family(self) -> str:
        """Which exports are read so, in words."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        ...

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> Any:
        """
        Return the answer on ``n`` images of (height, width).

        Returns
        -------
        Candidates, or NDArray
            For maps float32 (n, labels, height, width): probabilities. For embeddings float32 (n, length).

        """
        ...


def called(name: str) -> str:
    """Return the last part of an output's name, in lower case: "boxes" of "StatefulPartitionedCall/Boxes:0"."""
    return name.lower().split(":")[0].replace(".", "/").split("/")[-1]


def with_batch(array: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Return an output of one image with the axis of the batch that it may lack."""
    return array[None] if array.ndim == ndim - 1 else array


def sigmoid(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return probabilities of logits."""
    with np.errstate(over="ignore"):
        result: NDArray[np.float32] = (1 / (1 + np.exp(-values.astype(np.float32)))).astype(np.float32)
    return result


def softmax(values: NDArray[Any], axis: int = -1) -> NDArray[np.float32]:
    """Return probabilities that sum to one along an axis."""
    shifted = np.exp(values.astype(np.float32) - values.max(axis=axis, keepdims=True))
    result: NDArray[np.float32] = (shifted / shifted.sum(axis=axis, keepdims=True)).astype(np.float32)
    return result
