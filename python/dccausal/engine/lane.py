"""A classifier on its device, with room for the batches that it has in the making."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from dccausal.classifier import Classifier
from dccausal.engine.masking.batch import Answer, Easel, Share
from dccausal.engine.masking.device import Composer, DeviceEasel, find_composer
from dccausal.engine.masking.host import HostEasel
from dccausal.engine.task import Task
from dccausal.onnx.classifier import OnnxClassifier

# Of a batch that is cut among cores, so that one that is held up for a moment has others do its share.
_IMAGES_A_CORE = 4


# Images a batch for a classifier that does not say what suits it.
_BATCH = 32


# What the buffer of a batch in the host's memory may take, where that leaves an image for each run.
_BATCH_BYTES = 32 << 20


class _Timed(NamedTuple):
    """The answers of a batch, and when they were computed."""

    answers: list[Answer]
    started: float
    stopped: float


@dataclass(eq=False)
class _Batch:
    """A batch in the making; without ``answers`` it is drawn, and nobody has it run yet."""

    place: _Place
    easel: Easel
    tasks: Sequence[Task]
    shares: Sequence[Share]
    answers: Future[_Timed] | None = None


class _Place:
    """
    A classifier on its device, with room for the batches that it has in the making.

    Parameters
    ----------
    classifier, batch_size, in_flight
        As for ``Asker``.
    number
        Which of a task's subjects is drawn here.

    """

    def __init__(
        self, classifier: Classifier, batch_size: int | None, in_flight: int | None, number: int
    ) -> None:
        self.classifier, self.number = classifier, number
        self.composer: Composer | None = None
        self._batch_size, self._most, self._least = batch_size, _BATCH, 1
        n_threads = 1
        if isinstance(classifier, OnnxClassifier):
            self.composer = find_composer(classifier._runner)  # noqa: SLF001  its other half
            self._least = classifier.runs_at_once if self.composer is None else 1
            self._most = classifier.batch_size
            if self._least > 1:
                self._most = self._least * max(classifier.batch_size, _IMAGES_A_CORE)
            in_flight = in_flight or 2
            # Each waits for its own batch, so that a run of the next begins as soon as there is a core for it.
            n_threads = in_flight if self._least > 1 else 1
        self.in_flight = in_flight or 1
        self.easels = [self._easel() for _ in range(self.in_flight)]
        self.free = deque(self.easels)
        self.pool = ThreadPoolExecutor(n_threads, "dccausal-classifier") if self.in_flight > 1 else None
        self.busy_until = 0.0

    def capacity(self, n_bytes: int) -> int:
        """Return the number of questions that a batch of images of so many bytes takes."""
        if self._batch_size is not None:
            return self._batch_size
        if self.composer is not None:
            return self._most
        return max(self._least, min(self._most, _BATCH_BYTES // n_bytes))

    def spare(self) -> Easel:
        """Return room for a batch beside those in the making."""
        return self.free[0] if self.free else self._easel()

    def _easel(self) -> Easel:
        return HostEasel(self.classifier) if self.composer is None else DeviceEasel(self.composer)


def _start(batch: _Batch) -> None:
    """Have a batch run by its classifier's own thread, where there is one."""
    if batch.place.pool is not None:
        batch.answers = batch.place.pool.submit(_run, batch.easel, batch.shares)


def _answers(batch: _Batch) -> _Timed:
    """Return the answers of a batch; one that was not started is run here and now."""
    return _run(batch.easel, batch.shares) if batch.answers is None else batch.answers.result()


def _run(easel: Easel, shares: Sequence[Share]) -> _Timed:
    started = time.perf_counter()
    answers = easel.answer(shares)
    return _Timed(answers, started, time.perf_counter())


def _account(batch: _Batch, timed: _Timed) -> None:
    """Share out what a batch cost: time in which its classifier ran another one too counts once."""
    place = batch.place
    seconds = max(0.0, timed.stopped - max(timed.started, place.busy_until))
    place.busy_until = max(place.busy_until, timed.stopped)
    n = sum(len(share.asked) for share in batch.shares)
    for task, share in zip(batch.tasks, batch.shares, strict=True):
        if task.job is not None:
            task.job.account(len(share.asked), seconds * len(share.asked) / n)
