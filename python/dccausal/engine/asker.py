"""Between jobs and the classifier: batches of what jobs ask are drawn, classified and handed back."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier
from dccausal.engine.job import Job
from dccausal.engine.lane import (
    _account,
    _answers,
    _Batch,
    _Place,
    _run,
    _start,
)
from dccausal.engine.masking.batch import Share, Subject
from dccausal.engine.masking.device import DeviceSubject
from dccausal.engine.masking.host import HostSubject
from dccausal.engine.task import Task
from dccausal.errors import DccausalError
from dccausal.onnx.classifier import OnnxClassifier

_log = logging.getLogger("dccausal")


class Asker:
    """
    Asks a classifier what jobs want to know, the questions of several jobs in one batch.

    Batches are drawn in the host's memory, or by CUDA where it runs the model. Of several classifiers, each
    gets the next batch when it has room for one.

    Parameters
    ----------
    classifiers
        An ``OnnxClassifier``, whose input tensor is drawn directly, or any ``Classifier``; or several of the
        first kind, of one model on several devices.
    batch_size
        Questions a batch; None leaves it to the classifier.
    in_flight
        Batches in the making at once, for each classifier. Where there are two of them, the classifier runs in
        a thread of its own, and the second is drawn meanwhile; a batch that is alone, since a search waits for
        its answers, is run by the caller's thread. None: 2 for an ``OnnxClassifier``, else 1, so that any other
        classifier is always called by the caller's thread.
    threads
        Threads that draw.

    """

    def __init__(
        self, *classifiers: Classifier, batch_size: int | None, in_flight: int | None, threads: int
    ) -> None:
        """Nothing is asked yet."""
        self._threads = threads
        if len(classifiers) > 1:  # the caller's thread cannot wait for two at once
            in_flight = max(2, in_flight or 2)
        self._places = [_Place(one, batch_size, in_flight, i) for i, one in enumerate(classifiers)]
        self._all = tuple(self._places)
        self._pending: deque[_Batch] = deque()
        self.in_flight = self._places[0].in_flight

    def __enter__(self) -> Self:
        """Return the asker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is still running; batches that were not begun are dropped."""
        for place in self._all:
            if place.pool is not None:
                place.pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_free(self) -> bool:
        """Whether another batch can be begun."""
        return any(place.free for place in self._places)

    @property
    def is_busy(self) -> bool:
        """Whether a batch is in the making."""
        return bool(self._pending)

    def task(self, job: Job) -> Task:
        """Return the job with its image ready to be drawn."""
        view = job.view
        in_host: HostSubject | None = None
        subjects: list[Subject] = []
        for place in self._all:
            if place.composer is not None:
                subjects.append(DeviceSubject(place.composer, view.image, view.baseline))
            else:
                in_host = in_host or HostSubject(place.classifier, view.image, view.baseline, self._threads)
                subjects.append(in_host)
        return Task(view.index, job, subjects)

    def capacity(self, image: NDArray[np.uint8]) -> int:
        """Return the number of questions that a batch about an image (H, W, 3) takes."""
        place = self._all[0]
        if not isinstance(place.classifier, OnnxClassifier):
            return place.capacity(image.nbytes)
        n_values = math.prod(place.classifier.size) * place.classifier.channels
        return place.capacity(n_values * place.classifier.dtype.itemsize)

    def begin(self, tasks: Iterable[Task]) -> bool:
        """
        Draw a batch of what the tasks ask; False if they ask nothing.

        It is started if another one is drawn or run too; alone, it waits for ``finish``.

        The first tasks come first. The others are looked at only while there is room left, and have to wait if
        their images have another shape.
        """
        chosen: list[Task] = []
        shares: list[Share] = []
        n, capacity = 0, 1
        place = max(self._places, key=lambda place: len(place.free))
        for task in tasks:
            subject = None if task.subjects is None else task.subjects[place.number]
            if subject is None or (shares and subject.shape != shares[0].subject.shape):
                continue
            capacity = place.capacity(subject.n_bytes)
            asked = task.propose(capacity - n)
            if asked is not None and task.job is not None:
                chosen.append(task)
                shares.append(Share(subject, asked, n, task.job.target))
                n += len(asked)
            if n == capacity:
                break
        if not shares:
            return False
        # Two batches overlap; one that stays alone is run by the caller's thread, which would only wait for it.
        is_alone = not self._pending and len(self._all) == 1
        for held in self._pending:
            if held.answers is None:
                _start(held)
        batch = _Batch(place, place.free.popleft(), chosen, shares)
        batch.easel.draw(shares, capacity)
        if not is_alone:
            _start(batch)
        self._pending.append(batch)
        return True

    def finish(self) -> None:
        """
        Wait for a batch and hand out its answers: the oldest, or the first that a device is done with.

        Where the classifier fails on a batch, another device is asked, if there is one; and where it fails on
        one of several images, it is asked about each alone, so that the others do not suffer from it.
        """
        batch = self._next()
        try:
            timed = _answers(batch)
        except DccausalError as error:
            self._pending.remove(batch)
            self._ask_again(batch, error)
        else:
            self._pending.remove(batch)
            _account(batch, timed)
            for task, share, answer in zip(batch.tasks, batch.shares, timed.answers, strict=True):
                task.take(share.asked, answer)
        batch.place.free.append(batch.easel)

    def drop(self) -> None:
        """Forget all batches in the making, once they do not run any more."""
        for batch in self._pending:
            if batch.answers is None or batch.answers.cancel():
                continue
            wait([batch.answers])
            if batch.answers.exception() is None:
                _account(batch, batch.answers.result())
        self._pending.clear()
        for place in self._all:
            place.free = deque(place.easels)

    def _next(self) -> _Batch:
        if len(self._all) == 1:  # so that what is asked together does not depend on the clock
            return self._pending[0]
        wait([one for batch in self._pending if (one := batch.answers)], return_when=FIRST_COMPLETED)
        return next(batch for batch in self._pending if batch.answers is None or batch.answers.done())

    def _ask_again(self, batch: _Batch, error: DccausalError) -> None:
        for place in [other for other in self._places if other is not batch.place]:
            shares = [
                share._replace(subject=task.subjects[place.number])
                for task, share in zip(batch.tasks, batch.shares, strict=True)
                if task.subjects is not None
            ]
            easel = place.spare()
            try:
                easel.draw(shares, shares[-1].stop)
                timed = _run(easel, shares)
            except DccausalError:
                continue
            if batch.place in self._places:
                self._places.remove(batch.place)
                _log.warning(
                    "a classifier is left out from now on, since another goes on where it fails: %s", error
                )
            _account(batch, timed)
            for task, share, answer in zip(batch.tasks, shares, timed.answers, strict=True):
                task.take(share.asked, answer)
            return
        self._ask_alone(batch, error)

    def _ask_alone(self, batch: _Batch, error: DccausalError) -> None:
        for task, share in zip(batch.tasks, batch.shares, strict=True):
            if len(batch.tasks) == 1:
                task.fail(share.asked, error)
                return
            alone = _Batch(batch.place, batch.easel, [task], [share])
            try:
                timed = _answers(alone)
            except DccausalError as own:
                task.fail(share.asked, own)
            else:
                _account(alone, timed)
                task.take(share.asked, timed.answers[0])


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
