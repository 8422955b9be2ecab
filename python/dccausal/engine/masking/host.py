"""What batches are drawn on in the host's memory: an image's masked versions become rows of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.classifier import Classifier, check_answer, classify
from dccausal.engine.masking.batch import Answer, Share
from dccausal.engine.whole_images import Pictures
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.onnx.reading.scores import ScoreKind


class HostSubject:
    """
    An image as the renderer has it.

    Parameters
    ----------
    classifier
        An ``OnnxClassifier``, whose input tensor is drawn, or any ``Classifier``, which gets uint8 images.
    image, baseline
        uint8 (H, W, 3).
    threads
        Threads that draw.

    """

    def __init__(
        self, classifier: Classifier, image: NDArray[np.uint8], baseline: NDArray[np.uint8], threads: int
    ) -> None:
        """Encode the two images."""
        self._classifier = classifier
        pair = self.encode(np.stack([image, baseline]))
        self.shape, self.dtype, self.n_bytes = pair.shape[1:], pair.dtype, pair[0].nbytes
        is_planar = isinstance(classifier, OnnxClassifier) and classifier.layout == "NCHW"
        planes, height, width = self.shape if is_planar else (1, *self.shape[:2])
        self.renderer = _core.Renderer(
            as_bytes(pair[0]),
            as_bytes(pair[1]),
            height=height,
            width=width,
            planes=planes,
            pixel_bytes=pair[0].nbytes // (planes * height * width),
            threads=threads,
        )

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return what the classifier gets for whole images (n, H, W, 3)."""
        return self._classifier.encode(images) if isinstance(self._classifier, OnnxClassifier) else images


class _Canvas(NamedTuple):
    """Rows of the tensor of which the renderer knows what they show."""

    subject: HostSubject
    start: int
    stop: int
    canvas: _core.Canvas


class HostEasel:
    """A tensor in the host's memory, and a classifier that reads it there."""

    def __init__(self, classifier: Classifier) -> None:
        """Begin without a tensor: its shape is the first subject's."""
        self._classifier = classifier
        # The model behind it, whose output is read here, in one go.
        self._runner = classifier._runner if isinstance(classifier, OnnxClassifier) else None  # noqa: SLF001
        self._tensor: NDArray[Any] = np.empty(0, dtype=np.uint8)
        self._canvases: list[_Canvas] = []

    def draw(self, shares: Sequence[Share], capacity: int) -> None:
        """Draw a batch; where an image has the same rows as in the last one, only what changed is written."""
        subject: HostSubject = shares[0].subject
        if self._tensor.shape != (capacity, *subject.shape) or self._tensor.dtype != subject.dtype:
            self._canvases.clear()
            self._tensor = np.empty((capacity, *subject.shape), dtype=subject.dtype)
        for share in shares:
            if isinstance(share.asked, Pictures):
                self._forget(share.start, share.stop)
                self._tensor[share.start : share.stop] = share.subject.encode(share.asked.images)
            else:
                # The last image of a batch has the rest of the rows too: alone, it finds them again.
                stop = capacity if share is shares[-1] else share.stop
                canvas = self._canvas(share, stop)
                share.subject.renderer.render(share.asked, canvas)

    def answer(self, shares: Sequence[Share]) -> list[Answer]:
        """
        Classify some shares in one call.

        Raises
        ------
        ClassifierError
            If the classifier raises, or its answer cannot be read.

        """
        start = shares[0].start
        tensor = self._tensor[start : shares[-1].stop]
        if self._runner is None:
            tensor.flags.writeable = False
            rows = classify(self._classifier, tensor)
            return [_read(share, rows[share.start - start : share.stop - start]) for share in shares]
        kind, outputs = self._runner.reading.kind, self._runner.outputs(tensor)
        return [
            _read_output(share, outputs[share.start - start : share.stop - start], kind) for share in shares
        ]

    def _canvas(self, share: Share, stop: int) -> _core.Canvas:
        """Return a canvas over a share's rows: an old one that reaches far enough, or a new one up to ``stop``."""
        for old in self._canvases:
            if old.subject is share.subject and old.start == share.start and share.stop <= old.stop:
                return old.canvas
        self._forget(share.start, stop)
        canvas: _core.Canvas = share.subject.renderer.canvas(as_bytes(self._tensor[share.start : stop]))
        self._canvases.append(_Canvas(share.subject, share.start, stop, canvas))
        return canvas

    def _forget(self, start: int, stop: int) -> None:
        """Drop the canvases of rows that are about to be written by others."""
        self._canvases = [old for old in self._canvases if old.stop <= start or stop <= old.start]


def _read(share: Share, rows: NDArray[Any]) -> Answer:
    return rows if isinstance(share.asked, Pictures) else share.target.judge(rows)


def _read_output(share: Share, outputs: NDArray[Any], kind: ScoreKind) -> Answer:
    if isinstance(share.asked, Pictures):
        return check_answer(kind.apply(outputs), len(outputs))
    return kind.judge(outputs, share.target)


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the memory of a C-contiguous array as bytes, without a copy."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
