"""Between jobs and the classifier: batches of what jobs ask are drawn, classified and handed back."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from dccausal._compose import Composer, DeviceEasel, DeviceSubject, find_composer
from dccausal._easel import Answer, Asked, Easel, HostEasel, HostSubject, Share, Subject
from dccausal._gallery import Pictures
from dccausal._job import Job
from dccausal.classifier import Classifier
from dccausal.errors import DccausalError
from dccausal.onnx import OnnxClassifier

# Images a batch for a classifier that does not say what suits it.
_BATCH = 32
# What the buffers of one batch, and of all batches in flight, may take.
_BATCH_BYTES = 32 << 20
_ALL_BYTES = 48 << 20


@dataclass(eq=False)
class Task:
    """
    A job and its image ready to be drawn, or the error that ended it.

    Attributes
    ----------
    index
        Place of the image among others.
    job, subject
        None where the image could not be prepared.
    error
        Why there is no explanation.

    """

    index: int
    job: Job | None
    subject: Subject | None
    error: DccausalError | None = None

    @property
    def is_done(self) -> bool:
        """Whether the task asks no more."""
        return self.error is not None or self.job is None or self.job.is_done

    def propose(self, capacity: int) -> Asked | None:
        """Return the next questions, at most ``capacity``."""
        return None if self.error is not None or self.job is None else self.job.propose(capacity)

    def take(self, asked: Asked, answer: Answer) -> None:
        """Hand the job its answer; an error of dccausal's ends this task and no other."""
        if self.error is not None or self.job is None:
            return
        try:
            if isinstance(asked, Pictures) and isinstance(answer, np.ndarray):
                self.job.take_scores(asked, answer)
            elif not isinstance(asked, Pictures) and isinstance(answer, tuple):
                self.job.take_verdicts(asked, *answer)
        except DccausalError as error:
            self.error = error


class _Batch(NamedTuple):
    """A batch in the making, and what will become of it."""

    easel: Easel
    tasks: Sequence[Task]
    shares: Sequence[Share]
    answers: Future[list[Answer]]


class Asker:
    """
    Asks a classifier what jobs want to know, the questions of several jobs in one batch.

    Batches are drawn in the host's memory, or by CUDA where it runs the model.

    Parameters
    ----------
    classifier
        An ``OnnxClassifier``, whose input tensor is drawn directly, or any ``Classifier``.
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
        self, classifier: Classifier, *, batch_size: int | None, in_flight: int | None, threads: int
    ) -> None:
        """Nothing is asked yet."""
        self._classifier, self._threads = classifier, threads
        self._batch_size = batch_size
        self._composer: Composer | None = None
        if isinstance(classifier, OnnxClassifier):
            self._batch_size = batch_size or classifier.batch_size
            self._composer = find_composer(classifier._runner)  # noqa: SLF001  its other half
            n_bytes = math.prod(classifier.size) * classifier.channels * classifier.dtype.itemsize
            fits = self._composer is not None or 2 * self._batch_size * n_bytes <= _ALL_BYTES
            in_flight = in_flight or (2 if fits else 1)
        self.in_flight = in_flight or 1
        self._easels = [self._easel() for _ in range(self.in_flight)]
        self._free = deque(self._easels)
        self._pending: deque[_Batch] = deque()
        self._pool = ThreadPoolExecutor(1, "dccausal-classifier") if self.in_flight > 1 else None

    def __enter__(self) -> Self:
        """Return the asker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is still running; batches that were not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_free(self) -> bool:
        """Whether another batch can be begun."""
        return bool(self._free)

    @property
    def is_busy(self) -> bool:
        """Whether a batch is in the making."""
        return bool(self._pending)

    def task(self, job: Job) -> Task:
        """Return the job with its image ready to be drawn."""
        view = job.view
        subject: Subject = (
            HostSubject(self._classifier, view.image, view.baseline, self._threads)
            if self._composer is None
            else DeviceSubject(self._composer, view.image, view.baseline)
        )
        return Task(view.index, job, subject)

    def capacity(self, n_bytes: int) -> int:
        """Return the number of questions that a batch of images of so many bytes takes."""
        return self._batch_size or min(_BATCH, max(1, _BATCH_BYTES // n_bytes))

    def begin(self, tasks: Iterable[Task]) -> bool:
        """
        Draw a batch of what the tasks ask and start it; False if they ask nothing.

        The first tasks come first. The others are looked at only while there is room left, and have to wait if
        their images have another shape.
        """
        chosen: list[Task] = []
        shares: list[Share] = []
        n, capacity = 0, 1
        for task in tasks:
            subject = task.subject
            if subject is None or (shares and subject.shape != shares[0].subject.shape):
                continue
            capacity = self.capacity(subject.n_bytes)
            asked = task.propose(capacity - n)
            if asked is not None and task.job is not None:
                chosen.append(task)
                shares.append(Share(subject, asked, n, task.job.target))
                n += len(asked)
            if n == capacity:
                break
        if not shares:
            return False
        easel = self._free.popleft()
        easel.draw(shares, capacity)
        self._pending.append(_Batch(easel, chosen, shares, self._start(easel, chosen, shares)))
        return True

    def finish(self) -> None:
        """
        Wait for the oldest batch and hand out its answers.

        Where the classifier fails on a batch of several images, it is asked about each alone, so that the
        others do not suffer from it.
        """
        batch = self._pending.popleft()
        try:
            answers = batch.answers.result()
        except DccausalError as error:
            self._ask_alone(batch, error)
        else:
            for task, share, answer in zip(batch.tasks, batch.shares, answers, strict=True):
                task.take(share.asked, answer)
        self._free.append(batch.easel)

    def drop(self) -> None:
        """Forget all batches in the making, once they do not run any more."""
        for batch in self._pending:
            batch.answers.cancel()
        self._pending.clear()
        if self._pool is not None:
            self._pool.submit(lambda: None).result()
        self._free = deque(self._easels)

    def _easel(self) -> Easel:
        return HostEasel(self._classifier) if self._composer is None else DeviceEasel(self._composer)

    def _ask_alone(self, batch: _Batch, error: DccausalError) -> None:
        for task, share in zip(batch.tasks, batch.shares, strict=True):
            if len(batch.tasks) == 1:
                task.error = error
                return
            try:
                (answer,) = self._start(batch.easel, [task], [share]).result()
            except DccausalError as own:
                task.error = own
            else:
                task.take(share.asked, answer)

    def _start(self, easel: Easel, tasks: Sequence[Task], shares: Sequence[Share]) -> Future[list[Answer]]:
        if self._pool is not None:
            return self._pool.submit(_run, easel, tasks, shares)
        answers: Future[list[Answer]] = Future()
        try:
            answers.set_result(_run(easel, tasks, shares))
        except DccausalError as error:
            answers.set_exception(error)
        return answers


def _run(easel: Easel, tasks: Sequence[Task], shares: Sequence[Share]) -> list[Answer]:
    """Have a batch answered, and share out what it cost."""
    start = time.perf_counter()
    answers = easel.answer(shares)
    seconds = time.perf_counter() - start
    n = sum(len(share.asked) for share in shares)
    for task, share in zip(tasks, shares, strict=True):
        if task.job is not None:
            task.job.account(len(share.asked), seconds * len(share.asked) / n)
    return answers


def work(asker: Asker, active: list[Task], intake: Callable[[bool], Task | None]) -> Iterator[Task]:
    """
    Work on tasks until all are done, and hand out each as it is finished.

    Parameters
    ----------
    asker
        Asks the classifier.
    active
        The tasks begun and not handed out yet, oldest first; changed in place, so that it holds after an
        interrupt.
    intake
        Returns the next task, None if there is none (yet). It is called where a batch has room left, with True
        where there is nothing else to do than to wait for it.

    """

    def tasks(*, may_wait: bool) -> Iterator[Task]:
        yield from list(active)
        while (task := intake(may_wait)) is not None:
            active.append(task)
            yield task

    while True:
        while asker.is_free and asker.begin(tasks(may_wait=False)):
            pass
        if not asker.is_busy:
            asker.begin(tasks(may_wait=True))
        if asker.is_busy:
            asker.finish()
        done = [task for task in active if task.is_done]
        for task in done:
            yield task
            active.remove(task)
        if not (active or done or asker.is_busy):
            return
