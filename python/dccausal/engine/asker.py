"""Between jobs and the classifier: batches of what jobs ask are masked, classified and handed back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.backend import Backend
from dccausal.engine.job import Job
from dccausal.engine.lane import BatchInFlight, Lane
from dccausal.engine.masking.batch import Rows
from dccausal.engine.task import ImageTask
from dccausal.errors import DccausalError

_log = logging.getLogger("dccausal")


class Asker:
    """
    Asks a classifier what jobs want to know, the questions of several jobs in one batch.

    Masked images are made in the host's memory, or by CUDA where it runs the model. Of several classifiers, each
    gets the next batch when it has room for one.

    Parameters
    ----------
    backends
        The classifier; or several, of one model on several devices.
    batch_size
        Questions a batch; None leaves it to the classifier.
    in_flight
        Batches in the making at once, for each classifier. Where there are two of them, the classifier runs in
        a thread of its own, and the second is made meanwhile; a batch that is alone, since a search waits for
        its answers, is run by the caller's thread. None leaves it to the classifier: 2 for a model, 1 for a
        callable, which is so always called by the caller's thread.
    threads
        Threads that mask.

    """

    def __init__(
        self, *backends: Backend, batch_size: int | None, in_flight: int | None, threads: int
    ) -> None:
        """Nothing is asked yet."""
        self._threads = threads
        if len(backends) > 1:  # the caller's thread cannot wait for two at once
            in_flight = max(2, in_flight or 2)
        self._lanes = [Lane(one, batch_size, in_flight, i) for i, one in enumerate(backends)]
        self._all = tuple(self._lanes)
        self._pending: deque[BatchInFlight] = deque()
        self.in_flight = self._lanes[0].in_flight

    def __enter__(self) -> Self:
        """Return the asker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is still running; batches that were not begun are dropped."""
        for lane in self._all:
            if lane.pool is not None:
                lane.pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_free(self) -> bool:
        """Whether another batch can be begun."""
        return any(lane.free for lane in self._lanes)

    @property
    def is_busy(self) -> bool:
        """Whether a batch is in the making."""
        return bool(self._pending)

    def task(self, job: Job) -> ImageTask:
        """Return the job with its image ready to be masked."""
        view = job.view
        pairs = [lane.backend.pair(view.image, view.baselines, self._threads) for lane in self._all]
        return ImageTask(view.index, job, pairs)

    def capacity(self, image: NDArray[np.uint8]) -> int:
        """Return the number of questions that a batch about an image (H, W, 3) takes."""
        lane = self._all[0]
        return lane.capacity(lane.backend.image_bytes or image.nbytes)

    def begin(self, tasks: Iterable[ImageTask]) -> bool:
        """
        Make a batch of what the tasks ask; False if they ask nothing.

        It is started if another one is made or run too; alone, it waits for ``finish``.

        The first tasks come first. The others are looked at only while there is room left, and have to wait if
        their images have another shape.
        """
        chosen: list[ImageTask] = []
        parts: list[Rows] = []
        n, capacity = 0, 1
        lane = max(self._lanes, key=lambda lane: len(lane.free))
        for task in tasks:
            pair = None if task.pairs is None else task.pairs[lane.number]
            if pair is None or (parts and pair.shape != parts[0].pair.shape):
                continue
            capacity = lane.capacity(pair.n_bytes)
            asked = task.propose(capacity - n)
            if asked is not None and task.job is not None:
                chosen.append(task)
                parts.append(Rows(pair, asked, n, task.job.asked_target))
                n += len(asked)
            if n == capacity:
                break
        if not parts:
            return False
        # Two batches overlap; one that stays alone is run by the caller's thread, which would only wait for it.
        is_alone = not self._pending and len(self._all) == 1
        for held in self._pending:
            if held.answers is None:
                held.start()
        batch = BatchInFlight(lane, lane.free.popleft(), chosen, parts)
        batch.masked.mask(parts, capacity)
        if not is_alone:
            batch.start()
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
            timed = batch.result()
        except DccausalError as error:
            self._pending.remove(batch)
            self._ask_again(batch, error)
        else:
            self._pending.remove(batch)
            batch.account(timed)
            for task, part, answer in zip(batch.tasks, batch.parts, timed.answers, strict=True):
                task.take(part.asked, answer)
        batch.lane.free.append(batch.masked)

    def drop(self) -> None:
        """Forget all batches in the making, once they do not run any more."""
        for batch in self._pending:
            if batch.answers is None or batch.answers.cancel():
                continue
            wait([batch.answers])
            if batch.answers.exception() is None:
                batch.account(batch.answers.result())
        self._pending.clear()
        for lane in self._all:
            lane.free = deque(lane.batches)

    def _next(self) -> BatchInFlight:
        if len(self._all) == 1:  # so that what is asked together does not depend on the clock
            return self._pending[0]
        wait([one for batch in self._pending if (one := batch.answers)], return_when=FIRST_COMPLETED)
        return next(batch for batch in self._pending if batch.answers is None or batch.answers.done())

    def _ask_again(self, batch: BatchInFlight, error: DccausalError) -> None:
        for lane in [other for other in self._lanes if other is not batch.lane]:
            parts = [
                part._replace(pair=task.pairs[lane.number])
                for task, part in zip(batch.tasks, batch.parts, strict=True)
                if task.pairs is not None
            ]
            masked = lane.spare()
            try:
                masked.mask(parts, parts[-1].stop)
                timed = lane.run(masked, parts)
            except DccausalError:
                continue
            if batch.lane in self._lanes:
                self._lanes.remove(batch.lane)
                _log.warning(
                    "a classifier is left out from now on, since another goes on where it fails: %s", error
                )
            batch.account(timed)
            for task, part, answer in zip(batch.tasks, parts, timed.answers, strict=True):
                task.take(part.asked, answer)
            return
        self._ask_alone(batch, error)

    def _ask_alone(self, batch: BatchInFlight, error: DccausalError) -> None:
        for task, part in zip(batch.tasks, batch.parts, strict=True):
            if len(batch.tasks) == 1:
                task.fail(part.asked, error)
                return
            alone = BatchInFlight(batch.lane, batch.masked, [task], [part])
            try:
                timed = batch.lane.run(batch.masked, [part])
            except DccausalError as own:
                task.fail(part.asked, own)
            else:
                alone.account(timed)
                task.take(part.asked, timed.answers[0])


def work(
    asker: Asker, active: list[ImageTask], intake: Callable[[bool], ImageTask | None]
) -> Iterator[ImageTask]:
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

    def tasks(*, may_wait: bool) -> Iterator[ImageTask]:
        yield from list(active)
        while (task := intake(may_wait)) is not None:
            active.append(task)
            yield task

    while True:
        while asker.is_free and asker.begin(tasks(may_wait=False)):
            pass
        is_idle = not asker.is_busy
        if is_idle:
            asker.begin(tasks(may_wait=True))
        if asker.is_busy:
            asker.finish()
        done = [task for task in active if task.is_done]
        for task in done:
            yield task
            active.remove(task)
        # A batch may outlive the tasks that it is about; the next task is not waited for meanwhile.
        if is_idle and not (active or done or asker.is_busy):
            return
