"""Detectors, segmenters and embeddings as the engine sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier
from dccausal.engine.masking.batch import Answer, EncodedPair, MaskedBatch, Rows, shared
from dccausal.engine.masking.host import HostBatch, HostPair
from dccausal.inputs.placement import Placement
from dccausal.onnx.model import OnnxModel
from dccausal.targets import Subject

if TYPE_CHECKING:
    from PIL import Image

_BATCH_BYTES = 32 << 20
_IMAGES_A_RUN = 4


class ModelBackend:
    """An ``OnnxModel``: its input tensor is masked directly, and the target judges what its outputs say."""

    def __init__(self, model: OnnxModel, subject: Subject) -> None:
        """Take the model, and what is to be explained."""
        self._model, self._subject = model, subject
        self.classifier: Classifier = model
        self.in_flight, self.runs_at_once = 2, model.runs_at_once
        self.size, self.stretch = model.size, model.preprocess.stretch
        self.image_bytes: int | None = None
        if model.size is not None:
            self.image_bytes = math.prod(model.size) * model.channels * model.dtype.itemsize

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return the photograph as the model's preprocessing cuts and scales it."""
        return self._model.prepare(photo)

    def remarks(self, photo: Image.Image) -> Sequence[str]:  # noqa: ARG002  every backend is told
        """Return what is doubtful about the model."""
        return self._model.cautions

    def pair(self, image: NDArray[np.uint8], baseline: NDArray[np.uint8], threads: int) -> EncodedPair:
        """Return the two as the model's numbers."""
        model = self._model
        return HostPair(image, baseline, model.encode, is_planar=model.layout == "NCHW", threads=threads)

    def batch(self) -> MaskedBatch:
        """Return room for a batch in the host's memory."""
        return HostBatch(self._answer)

    def capacity(self, n_bytes: int) -> int:
        """Return as many as suit the model, at most what fits into 32 MiB."""
        model = self._model
        most = max(model.batch_size, self.runs_at_once * _IMAGES_A_RUN)
        return max(model.fixed_batch or self.runs_at_once, min(most, _BATCH_BYTES // n_bytes))

    def provenance(self) -> dict[str, Any]:
        """Return what the model says of itself."""
        return self._model.provenance()

    def _answer(self, tensor: NDArray[Any], parts: list[tuple[Rows, slice]]) -> list[Answer]:
        return shared(self._subject.read(self._model.answer(tensor), len(tensor)), parts)
