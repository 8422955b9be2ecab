"""A job and its image ready to be masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dccausal.engine.job import Job
from dccausal.engine.masking.batch import Answer, Asked, EncodedPair, wants_scores
from dccausal.errors import ClassifierError, DccausalError

# Their first place among the images that are asked about first.
_BASELINES = 1


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

    def fail(self, asked: Asked, error: DccausalError) -> None:
        """End with the error that a question led to."""
        self.error = error
        if not wants_scores(asked) or self.job is None or self.job.name != "check":
            return
        rows = [asked.first + row - _BASELINES for row in getattr(error, "rows", ())]
        if rows and min(rows) >= 0:
            self.error = ClassifierError(
                "the classifier returned NaN or infinite scores for the fully masked image alone, which is the "
                f"baseline and nothing else ({self._baseline(rows[0])}), as a normalisation by the image's own "
                "deviation does; another baseline, such as blur or an image, is needed"
            )

    def _baseline(self, number: int) -> str:
        """Return a baseline in words."""
        if self.job is None:
            return "unknown"
        pixels = self.job.view.baselines[number]
        if not (pixels == pixels[0, 0]).all():
            return "an image"
        return "the colour #{:02x}{:02x}{:02x}".format(*pixels[0, 0].tolist())
