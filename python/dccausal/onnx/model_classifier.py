"""What classifiers have in common that ask a model by tensors: one in ONNX Runtime, or one on a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import check_answer, resolve_label
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Layout, Placement, Preprocess
from dccausal.onnx.reading.image_input import describe
from dccausal.onnx.reading.names import Known
from dccausal.onnx.reading.scores import check_threshold
from dccausal.onnx.reading.trial import Reading

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.onnx.running.composing import Composer


class Asked(Protocol):
    """
    What asks a model.

    Attributes
    ----------
    reading
        What its input and output mean.

    """

    @property
    def reading(self) -> Reading:
        """What the model's input and output mean."""
        ...

    def outputs(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return what the model says (n, columns) of a tensor (n, ...), of its own type."""
        ...

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return scores (n, classes), not yet checked for NaN; or labels (n,)."""
        ...


class ModelClassifier:
    """
    A classifier that asks a model by tensors; ``OnnxClassifier`` lists what is known about it.

    Attributes
    ----------
    runner
        Asks the model.
    batch_size, runs_at_once
        Images a run, and runs at once.

    """

    runner: Asked
    size: tuple[int, int]
    layout: Layout
    dtype: np.dtype[Any]
    channels: int
    batch_size: int
    runs_at_once: int
    names: Sequence[str] | None
    n_classes: int | None
    preprocess: Preprocess
    preprocess_reason: str
    is_guessed: bool
    is_range_told: bool
    cautions: Sequence[str]
    notes: Sequence[str]
    path: Path | None
    sha256: str | None
    device: str
    provider: str
    reproducible: bool
    batch_size_reason: str
    fixed_batch: int | None
    inputs: Sequence[str]
    outputs: Sequence[str]
    names_reason: str | None
    scores: str
    scores_reason: str
    multi_label: bool
    threshold: float | None
    feed: dict[str, Any]

    @property
    def composer(self) -> Composer | None:
        """What makes masked images on the device of the model; None where the host's memory is the place."""
        return None

    def provenance(self) -> dict[str, Any]:
        """Return all that decided the scores, as plain values ready for JSON."""
        reading = self.runner.reading
        return {
            "batch_size": self.batch_size,
            "batch_size_reason": self.batch_size_reason,
            "runs_at_once": self.runs_at_once,
            "fixed_batch": self.fixed_batch,
            "precision": str(self.dtype),
            "reproducible": self.reproducible,
            "input": reading.image.name,
            "feed": self.feed,
            "output": reading.output_name,
            "layout": self.layout,
            "size": list(self.size),
            "channels": self.channels,
            "n_classes": self.n_classes,
            "scores": self.scores,
            "scores_reason": self.scores_reason,
            "threshold": self.threshold,
            "preprocess": self.preprocess.to_dict(),
            "preprocess_reason": self.preprocess_reason,
            "notes": list(self.notes),
        }

    def take_over(self, reading: Reading, known: Known, threshold: float | None, session: Any) -> str | None:
        """
        Take over what was read of the model.

        Parameters
        ----------
        reading
            What its input and output mean.
        known
            The names of its labels, by where they come from.
        threshold
            From which score on a label counts as given; None for the usual one.
        session
            What lists the model's inputs and outputs.

        Returns
        -------
        str or None
            A sentence on names that do not fit.

        Raises
        ------
        OptionError
            If names or threshold do not go with the scores.

        """
        kind = reading.kind
        self.names, note = known.settle(reading.n_classes, is_binary=kind.name == "binary")
        self.n_classes = reading.n_classes or (len(self.names) if self.names else None)
        self.names_reason = None if self.names is None else known.source
        self.threshold = check_threshold(threshold, kind.name)
        self.inputs = tuple(describe(node) for node in session.get_inputs())
        self.outputs = tuple(describe(node) for node in session.get_outputs())
        self.size, self.channels = reading.size, reading.channels
        self.layout, self.dtype = reading.image.layout, reading.image.dtype
        self.preprocess, self.preprocess_reason = reading.preprocess, reading.preprocess_reason
        self.is_guessed, self.is_range_told = reading.is_guessed, reading.is_range_told
        self.scores, self.scores_reason = kind.name, kind.reason
        self.multi_label, self.feed = kind.name == "sigmoid", reading.inputs.described()
        return note

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return what the model sees of an RGB photograph, uint8 (height, width, 3), and where it lies."""
        return self.preprocess.prepare(photo, self.size)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """
        Return the model's input tensor for images (n, height, width, 3) uint8, C-contiguous.

        Raises
        ------
        OptionError
            If the images have another shape or dtype.

        """
        if images.shape[1:] != (*self.size, 3):
            height, width = self.size
            raise OptionError(
                f"images must be (N, {height}, {width}, 3) uint8, got {images.shape} {images.dtype}"
            )
        return self.runner.reading.encode(images)

    def run(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """
        Return the scores of an encoded batch.

        Parameters
        ----------
        tensor
            (n, channels, height, width) or (n, height, width, channels), as ``layout`` says, of ``dtype``.
            Runs of ``batch_size`` images are made of it, without copies where it is C-contiguous.

        Returns
        -------
        NDArray
            float32 (n, n_classes), finite: probabilities, for "sigmoid" each of its own; for "labels" int64 (n,).

        Raises
        ------
        OptionError
            If the tensor has another shape or dtype.
        ClassifierError
            If the model fails, or its scores are not finite.

        """
        shape = self.runner.reading.image.shape(len(tensor), self.size, self.channels)
        if tensor.shape != shape or tensor.dtype != self.dtype:
            raise OptionError(
                f"tensor must be {('n', *shape[1:])} {self.dtype}, got {tensor.shape} {tensor.dtype}"
            )
        return self._checked([self.runner(tensor)], len(tensor))

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[Any]:
        """
        Return the scores float32 (n, n_classes), or labels int64 (n,), of images (n, height, width, 3) uint8 RGB.

        Encodes and runs ``batch_size`` images at a time, so that memory does not grow with n. Raises what
        ``encode`` and ``run`` raise.
        """
        step = self.batch_size * self.runs_at_once
        starts = range(0, max(1, len(images)), step)
        return self._checked([self.runner(self.encode(images[i : i + step])) for i in starts], len(images))

    def _checked(self, parts: list[NDArray[Any]], n: int) -> NDArray[Any]:
        return check_answer(parts[0] if len(parts) == 1 else np.concatenate(parts), n)

    def resolve_label(self, target: int | str | None) -> int | None:
        """
        Return the index of a label given by index or name; None stays None (``classifier.resolve_label``).

        Raises
        ------
        OptionError
            If there is no such label, or several.

        """
        return resolve_label(target, self.names, self.n_classes)
