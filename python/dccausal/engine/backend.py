"""What the engine needs of a classifier, whatever it is: to see a photograph, to be fed, and to answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier, call, check_answer, classify
from dccausal.engine.masking.batch import Answer, EncodedPair, MaskedBatch, Rows, shared, wants_scores
from dccausal.engine.masking.device import DeviceBatch, DevicePair
from dccausal.engine.masking.host import HostBatch, HostPair
from dccausal.errors import OptionError
from dccausal.inputs.placement import Placement
from dccausal.onnx.card import guess_notes
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.remote.address import is_address
from dccausal.targets import Subject

if TYPE_CHECKING:
    from PIL import Image

# Of a batch that is cut among cores, so that one that is held up for a moment has others do its share.
_IMAGES_A_CORE = 4
# Images a batch for a classifier that does not say what suits it.
_BATCH = 32
# What the buffer of a batch in the host's memory may take, where that leaves an image for each run.
_BATCH_BYTES = 32 << 20
# What classifiers have in common that share the work.
_SAME = (
    "sha256",
    "size",
    "layout",
    "dtype",
    "channels",
    "preprocess",
    "feed",
    "scores",
    "threshold",
    "names",
)


class Backend(Protocol):
    """
    A classifier as the engine sees it.

    Attributes
    ----------
    classifier
        The classifier itself.
    in_flight
        Batches in the making at once that suit it.
    runs_at_once
        Batches that it answers at once; where there are several, each needs a thread that waits for it.
    size
        Height and width of what it sees; None where it takes images as they are.
    stretch
        Whether the range of values that a 16-bit photograph uses is stretched.
    image_bytes
        Bytes of one image in a batch; None where that depends on the image.

    """

    classifier: Classifier
    in_flight: int
    runs_at_once: int
    size: tuple[int, int] | None
    stretch: bool
    image_bytes: int | None

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return what the classifier sees of a photograph, uint8 (H, W, 3), and where that lies in it."""
        ...

    def remarks(self, photo: Image.Image) -> Sequence[str]:
        """Return sentences on how the classifier takes a photograph, where that is a guess or unusual."""
        ...

    def pair(self, image: NDArray[np.uint8], baselines: NDArray[np.uint8], threads: int) -> EncodedPair:
        """Return an image, uint8 (H, W, 3), and its baselines (n, H, W, 3), to be masked by ``threads`` threads."""
        ...

    def batch(self) -> MaskedBatch:
        """Return room for a batch."""
        ...

    def capacity(self, n_bytes: int) -> int:
        """Return the number of questions that a batch of images of so many bytes takes."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return what decides the classifier's answers, as plain values."""
        ...


class CallableBackend:
    """Any callable: it gets images as they are, in the host's memory, from the caller's thread."""

    def __init__(self, classifier: Classifier, subject: Subject | None = None) -> None:
        """Take the callable, and what is to be explained where that is no label."""
        self.classifier, self._subject = classifier, subject
        self.in_flight, self.runs_at_once = 1, 1
        self.size: tuple[int, int] | None = None
        self.stretch = False
        self.image_bytes: int | None = None

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return the photograph as it is."""
        width, height = photo.size
        box = (0.0, 0.0, float(width), float(height))
        return np.array(photo, dtype=np.uint8), Placement(photo_size=(width, height), box=box)

    def remarks(self, photo: Image.Image) -> Sequence[str]:  # noqa: ARG002  every backend is told
        """Return nothing: how a callable takes photographs is its own affair."""
        return ()

    def pair(self, image: NDArray[np.uint8], baselines: NDArray[np.uint8], threads: int) -> EncodedPair:
        """Return them as they are."""
        return HostPair(image, baselines, lambda images: images, is_planar=False, threads=threads)

    def batch(self) -> MaskedBatch:
        """Return room for a batch in the host's memory."""
        return HostBatch(self._answer)

    def capacity(self, n_bytes: int) -> int:
        """Return as many as fit into 32 MiB, at most 32."""
        return max(1, min(_BATCH, _BATCH_BYTES // n_bytes))

    def provenance(self) -> dict[str, Any]:
        """Return what the callable is called."""
        named = self.classifier
        kind = named if hasattr(named, "__qualname__") else type(named)
        return {"runtime": "callable", "name": f"{kind.__module__}.{kind.__qualname__}"}

    def _answer(self, tensor: NDArray[Any], parts: list[tuple[Rows, slice]]) -> list[Answer]:
        tensor.flags.writeable = False
        if self._subject is not None:
            answer = call(self.classifier, tensor, "what the target reads")
            return shared(self._subject.read(answer, len(tensor)), parts)
        answers = classify(self.classifier, tensor)
        return [
            answers[own] if wants_scores(rows.asked) else rows.target.judge(answers[own])
            for rows, own in parts
        ]


class OnnxBackend:
    """A model in ONNX Runtime or on a server: its input tensor is masked directly, on the device where that is CUDA."""

    def __init__(self, classifier: ModelClassifier, subject: Subject | None = None) -> None:
        """Take the classifier, and what is to be explained where that is no label."""
        self._model, self._subject = classifier, subject
        self.classifier: Classifier = classifier
        # The device's graph knows the score and the rank of a label, and nothing else.
        self._composer = classifier.composer if subject is None else None
        self.in_flight = 2
        self.runs_at_once = classifier.runs_at_once if self._composer is None else 1
        self._most = classifier.batch_size
        if self.runs_at_once > 1:
            self._most = self.runs_at_once * max(classifier.batch_size, _IMAGES_A_CORE)
        self.size: tuple[int, int] | None = classifier.size
        self.stretch = classifier.preprocess.stretch
        self.image_bytes: int | None = (
            math.prod(classifier.size) * classifier.channels * classifier.dtype.itemsize
        )

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return the photograph as the model's preprocessing cuts and scales it."""
        return self._model.prepare(photo)

    def remarks(self, photo: Image.Image) -> Sequence[str]:
        """Return whether a guess about the preprocessing decides the label, and what else is doubtful."""
        return (*guess_notes(self._model, photo), *self._model.cautions)

    def pair(self, image: NDArray[np.uint8], baselines: NDArray[np.uint8], threads: int) -> EncodedPair:
        """Return them as the model's numbers, where its batches are made."""
        if self._composer is not None:
            return DevicePair(self._composer, image, baselines)
        is_planar = self._model.layout == "NCHW"
        return HostPair(image, baselines, self._model.encode, is_planar=is_planar, threads=threads)

    def batch(self) -> MaskedBatch:
        """Return room for a batch where the model reads it best."""
        return HostBatch(self._answer) if self._composer is None else DeviceBatch(self._composer)

    def capacity(self, n_bytes: int) -> int:
        """Return as many as suit the model, in the host's memory at most what fits into 32 MiB."""
        if self._composer is not None:
            return self._most
        return max(self.runs_at_once, min(self._most, _BATCH_BYTES // n_bytes))

    def provenance(self) -> dict[str, Any]:
        """Return what the classifier says of itself."""
        return self._model.provenance()

    def _answer(self, tensor: NDArray[Any], parts: list[tuple[Rows, slice]]) -> list[Answer]:
        runner = self._model.runner
        kind, outputs = runner.reading.kind, runner.outputs(tensor)
        if self._subject is not None:
            scores = check_answer(kind.apply(outputs), len(tensor))
            return shared(self._subject.read(scores, len(tensor)), parts)
        answers: list[Answer] = []
        for rows, own in parts:
            if wants_scores(rows.asked):
                answers.append(check_answer(kind.apply(outputs[own]), own.stop - own.start))
            else:
                answers.append(kind.judge(outputs[own], rows.target))
        return answers


def check_alike(first: Classifier, others: tuple[Classifier, ...]) -> None:
    """
    Do nothing if the others are the same model as the first, read and fed in the same way.

    Raises
    ------
    OptionError
        If one is not.

    """
    for other in others:
        if not isinstance(first, OnnxClassifier) or not isinstance(other, OnnxClassifier):
            raise OptionError(
                f"classifiers of {type(first).__name__} and {type(other).__name__} were given; "
                "several have to be OnnxClassifiers"
            )
        differing = [name for name in _SAME if getattr(first, name) != getattr(other, name)]
        if differing:
            raise OptionError(
                f"classifiers that differ in {', '.join(differing)} were given; "
                "one model on several devices is needed"
            )


def open_classifier(classifier: Any) -> Classifier:
    """
    Return the classifier that is meant: the model at a path or an address, or the callable itself.

    Raises
    ------
    OptionError
        If it is neither.
    ModelError, RuntimeMissingError, DeviceError
        If the model cannot be loaded.

    """
    import os

    if is_address(classifier):
        from dccausal.remote.classifier import RemoteClassifier

        return RemoteClassifier(classifier)
    if isinstance(classifier, str | os.PathLike):
        return OnnxClassifier(classifier)
    if not callable(classifier):
        raise OptionError(
            f"classifier is {type(classifier).__name__}; the path of an ONNX file, the address of a model on a "
            "server, or a callable is needed"
        )
    given: Classifier = classifier
    return given
