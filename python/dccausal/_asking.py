"""Between the core and the classifier: masked images are drawn, classified and judged, batch after batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.classifier import Classifier, classify
from dccausal.onnx import OnnxClassifier

# Images a batch for a classifier that does not say what suits it.
_BATCH = 32
# What the buffers of one batch, and of all batches in flight, may take.
_BATCH_BYTES = 32 << 20
_ALL_BYTES = 48 << 20

Judge = Callable[[NDArray[Any]], tuple[NDArray[np.bool_], NDArray[np.float32]]]


class Inquiry(Protocol):
    """A search or an extraction: it proposes batches of questions and takes the verdicts."""

    def propose(self, capacity: int) -> _core.Batch | None:
        """Return the next questions, or None while there are none."""
        ...

    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None:
        """Take the verdicts on a batch."""
        ...


@dataclass(frozen=True)
class _Slot:
    """A buffer for one batch in flight."""

    tensor: NDArray[Any]
    canvas: _core.Canvas


class Asker:
    """
    Asks a classifier about masked versions of one image.

    Parameters
    ----------
    classifier
        An ``OnnxClassifier``, whose input tensor is drawn directly, or any ``Classifier``.
    image, baseline
        uint8 (H, W, 3): the image, and what masked pixels are replaced by.
    batch_size
        Questions a batch; None leaves it to the classifier.
    in_flight
        Batches in the making at once. With more than one the classifier runs in a thread of its own, and the
        next batch is drawn meanwhile. None: 2 for an ``OnnxClassifier`` whose buffers fit, else 1, so that any
        other classifier is called by the caller's thread.
    threads
        Threads that draw.

    """

    def __init__(
        self,
        classifier: Classifier,
        image: NDArray[np.uint8],
        baseline: NDArray[np.uint8],
        *,
        batch_size: int | None,
        in_flight: int | None,
        threads: int,
    ) -> None:
        """Encode the two images and allocate the buffers."""
        self.n_calls = 0
        self.model_seconds = 0.0
        self._classifier = classifier
        is_onnx = isinstance(classifier, OnnxClassifier)
        pair = np.stack([image, baseline])
        pair = classifier.encode(pair) if isinstance(classifier, OnnxClassifier) else pair
        if batch_size is None:
            fitting = max(1, _BATCH_BYTES // pair[0].nbytes)
            batch_size = (
                classifier.batch_size if isinstance(classifier, OnnxClassifier) else min(_BATCH, fitting)
            )
        if in_flight is None:
            in_flight = 2 if is_onnx and 2 * batch_size * pair[0].nbytes <= _ALL_BYTES else 1
        self.batch_size, self.in_flight = batch_size, in_flight

        is_planar = isinstance(classifier, OnnxClassifier) and classifier.layout == "NCHW"
        planes, height, width = pair.shape[1:] if is_planar else (1, *pair.shape[1:3])
        self._renderer = _core.Renderer(
            _bytes(pair[0]),
            _bytes(pair[1]),
            height=height,
            width=width,
            planes=planes,
            pixel_bytes=pair[0].nbytes // (planes * height * width),
            threads=threads,
        )
        shape = (batch_size, *pair.shape[1:])
        tensors = [np.empty(shape, dtype=pair.dtype) for _ in range(in_flight)]
        self._slots = [_Slot(tensor, self._renderer.canvas(_bytes(tensor))) for tensor in tensors]
        self._pool = ThreadPoolExecutor(1, "dccausal-classifier") if in_flight > 1 else None

    def classify(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the checked answer for whole images (n, H, W, 3) uint8."""
        images.flags.writeable = False
        return self._timed(lambda: classify(self._classifier, images), len(images))

    def answer(self, inquiry: Inquiry, judge: Judge, after_batch: Callable[[], None]) -> None:
        """
        Answer all that an inquiry asks, until it has no more questions.

        Verdicts are handed over in the order in which the batches were proposed; ``after_batch`` is called after
        each. Whatever the classifier raises passes through; the inquiry then keeps what it has.
        """
        free = deque(self._slots)
        pending: deque[tuple[_core.Batch, _Slot, Future[NDArray[Any]] | NDArray[Any]]] = deque()
        while True:
            while free and (batch := inquiry.propose(self.batch_size)) is not None:
                slot = free.popleft()
                self._renderer.render(batch, slot.canvas)
                pending.append((batch, slot, self._start(slot.tensor[: len(batch)])))
            if not pending:
                return
            batch, slot, answer = pending.popleft()
            rows = answer.result() if isinstance(answer, Future) else answer
            inquiry.submit(batch.id, *judge(rows))
            free.append(slot)
            after_batch()

    def close(self) -> None:
        """Wait for what is still running; questions that were not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, tensor: NDArray[Any]) -> Future[NDArray[Any]] | NDArray[Any]:
        return self._pool.submit(self._run, tensor) if self._pool is not None else self._run(tensor)

    def _run(self, tensor: NDArray[Any]) -> NDArray[Any]:
        classifier = self._classifier
        if isinstance(classifier, OnnxClassifier):
            return self._timed(lambda: classifier.run(tensor), len(tensor))
        view = tensor.view()
        view.flags.writeable = False
        return self._timed(lambda: classify(classifier, view), len(tensor))

    def _timed(self, call: Callable[[], NDArray[Any]], n: int) -> NDArray[Any]:
        start = time.perf_counter()
        answer = call()
        self.model_seconds += time.perf_counter() - start
        self.n_calls += n
        return answer


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the memory of a C-contiguous array as bytes, without a copy."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
