"""A classifier on its device, with room for the batches that it has in the making."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

from dccausal.engine.backend import Backend
from dccausal.engine.masking.batch import Answer, MaskedBatch, Rows
from dccausal.engine.task import ImageTask


class TimedAnswers(NamedTuple):
    """The answers of a batch, and when they were computed."""

    answers: list[Answer]
    started: float
    stopped: float


@dataclass(eq=False)
class BatchInFlight:
    """
    A batch in the making.

    Attributes
    ----------
    lane
        Where it is made and answered.
    masked
        The masked images.
    tasks, parts
        Whose questions they are, and which rows they fill.
    answers
        What it will be answered; None while nobody has it run yet.

    """

    lane: Lane
    masked: MaskedBatch
    tasks: Sequence[ImageTask]
    parts: Sequence[Rows]
    answers: Future[TimedAnswers] | None = None

    def start(self) -> None:
        """Have it run by its lane's own thread, where there is one."""
        if self.lane.pool is not None:
            self.answers = self.lane.pool.submit(run, self.masked, self.parts)

    def result(self) -> TimedAnswers:
        """Return the answers; a batch that was not started is run here and now."""
        return run(self.masked, self.parts) if self.answers is None else self.answers.result()

    def account(self, timed: TimedAnswers) -> None:
        """Share out what it cost: time in which its classifier ran another one too counts once."""
        lane = self.lane
        seconds = max(0.0, timed.stopped - max(timed.started, lane.busy_until))
        lane.busy_until = max(lane.busy_until, timed.stopped)
        n = sum(len(rows.asked) for rows in self.parts)
        for task, rows in zip(self.tasks, self.parts, strict=True):
            if task.job is not None:
                task.job.account(len(rows.asked), seconds * len(rows.asked) / n)


class Lane:
    """
    A classifier on its device, with room for the batches that it has in the making.

    Parameters
    ----------
    backend
        The classifier.
    batch_size, in_flight
        As for ``Asker``.
    number
        Which of a task's pairs is masked here.

    """

    def __init__(self, backend: Backend, batch_size: int | None, in_flight: int | None, number: int) -> None:
        """Nothing is in the making yet."""
        self.backend, self.number = backend, number
        self._batch_size = batch_size
        self.in_flight = in_flight or backend.in_flight
        self.batches = [backend.batch() for _ in range(self.in_flight)]
        self.free = deque(self.batches)
        # Each waits for its own batch, so that a run of the next begins as soon as there is a core for it.
        n_threads = self.in_flight if backend.runs_at_once > 1 else 1
        self.pool = ThreadPoolExecutor(n_threads, "dccausal-classifier") if self.in_flight > 1 else None
        self.busy_until = 0.0

    def capacity(self, n_bytes: int) -> int:
        """Return the number of questions that a batch of images of so many bytes takes."""
        return self.backend.capacity(n_bytes) if self._batch_size is None else self._batch_size

    def run(self, masked: MaskedBatch, parts: Sequence[Rows]) -> TimedAnswers:
        """Have a batch answered and wait for it; by the lane's own thread, as the classifier is in one at a time."""
        if self.pool is None:
            return run(masked, parts)
        answers = self.pool.submit(run, masked, parts)
        try:
            return answers.result()
        finally:
            wait([answers])  # after an interrupt too, since the room is used again

    def spare(self) -> MaskedBatch:
        """Return room for a batch beside those in the making."""
        return self.free[0] if self.free else self.backend.batch()


def run(masked: MaskedBatch, parts: Sequence[Rows]) -> TimedAnswers:
    """Have a batch answered."""
    started = time.perf_counter()
    answers = masked.answer(parts)
    return TimedAnswers(answers, started, time.perf_counter())
