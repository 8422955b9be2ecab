"""A job and its image ready to be masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dccausal.engine.job import Job
from dccausal.engine.masking.batch import Answer, Asked, EncodedPair
from dccausal.errors import DccausalError


@dataclass(eq=False)
class ImageTask:
    """
    A job and its image ready to be masked, or the error that ended it.

    Attributes
    ----------
    index
        Number of the image among others, from 0.
    job, pairs
        None where the image could not be prepared; else the image for each of the asker's lanes.
    error
        Why there is no explanation.

    """

    index: int
    job: Job | None
    pairs: Sequence[EncodedPair] | None
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
            self.job.take(asked, answer)
        except DccausalError as error:
            self.error = error
