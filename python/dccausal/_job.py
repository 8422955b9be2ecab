"""One explanation in the making: the phases, what is known so far, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal._asking import Asker
from dccausal._verdicts import Target, choose_target
from dccausal.explanation import Outcome
from dccausal.profiles import Profile

Phase = Literal["check", "search", "growth", "shrinking", "verification"]
PHASES: tuple[Phase, ...] = ("check", "search", "growth", "shrinking", "verification")

# Calls outside the core's budget: the intact image, the blank one, the last check of the result.
_CHECKS = 3
# Of a limited budget, what the search may use; the extraction has the rest.
_SEARCH_SHARE = 2 / 3
# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4
# The settled share of the search from which the number of calls is extrapolated.
_ENOUGH_TO_EXTRAPOLATE = 0.2


@dataclass(frozen=True)
class Progress:
    """
    How far an explanation has come.

    Attributes
    ----------
    phase
        "check", "search", "growth", "shrinking" or "verification".
    n_calls
        Model calls so far.
    n_expected
        Model calls to expect at the end of the search; None while that is not known, and after it.
    seconds
        Time since the start.

    """

    phase: Phase
    n_calls: int
    n_expected: int | None
    seconds: float


class Job:
    """
    The steps of one explanation; what they find is kept in attributes, so that a job may be cut short.

    Parameters
    ----------
    asker
        Asks the classifier about the image.
    image, baseline
        uint8 (H, W, 3).
    settings, seed, min_confidence, max_calls, progress
        As in ``explain``.

    """

    def __init__(
        self,
        asker: Asker,
        image: NDArray[np.uint8],
        baseline: NDArray[np.uint8],
        settings: Profile,
        *,
        seed: int,
        min_confidence: float,
        max_calls: int | None,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        """Take what the steps need."""
        height, width = image.shape[:2]
        self._started = time.perf_counter()
        self._asker, self._image, self._baseline = asker, image, baseline
        self._settings, self._seed, self._min_confidence = settings, seed, min_confidence
        self._budget = None if max_calls is None else max_calls - _CHECKS
        self._progress = progress
        self._search: _core.Search | None = None
        self._extraction: _core.Extraction | None = None
        self._calls: dict[Phase, int] = dict.fromkeys(PHASES, 0)
        self._seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self._marks = (0, self._started)
        self._blank: tuple[bool, float] = (False, float("nan"))
        self.phase: Phase = "check"
        self.target = Target(0, 1, float("nan"))
        self.outcome: Outcome = "sufficient"
        self.notes: list[str] = []
        self.heatmap = np.zeros((height, width), dtype=np.float32)
        self.heatmap_peak = 0.0
        self.kept = np.ones((height, width), dtype=bool)
        self.explanation_score = float("nan")

    def check(self, target: int | None, top_k: int | None, *, multi_label: bool) -> None:
        """Ask about the intact image and the blank one, and fix the label to explain."""
        answer = self._asker.classify(np.stack([self._image, self._baseline]))
        needs_scores = self._min_confidence > 0
        self.target = choose_target(
            answer[:1], target, top_k, multi_label=multi_label, needs_scores=needs_scores
        )
        is_passing, scores = self.target.judge(answer)
        self._blank = (bool(is_passing[1]), float(scores[1]))
        if self._blank[0] and not scores[1] < self._floor():
            self.outcome = "trivial"
            self.kept = np.zeros_like(self.kept)
            self.notes.append(
                "The label stays with everything masked: masking changes nothing, so nothing in the image "
                "can be told to be its cause. Another baseline may tell more."
            )

    def run(self) -> None:
        """Search for responsibilities, then extract the explanation; nothing to do where it is trivial."""
        if self.outcome == "trivial":
            return
        self._extract(self._find_responsibilities())

    def verify(self) -> None:
        """Ask once more about the explanation itself, drawn by other means than during the search."""
        self._enter("verification")
        explanation = np.where(self.kept[..., None], self._image, self._baseline)
        answer = self._asker.classify(explanation[None])
        is_passing, scores = self.target.judge(answer)
        self.explanation_score = float(scores[0])
        if not is_passing[0] or scores[0] < self._floor() * (1 - _ROUNDING):
            self.outcome = "insufficient"
            self.notes.append(
                "The last check failed: with everything else masked the classifier does not give the label. "
                "Its answers differ from call to call."
            )
        self._enter("verification")

    def statistics(self) -> dict[str, Any]:
        """Return the counts and times of all phases, as plain values."""
        counts = self._search.counts() if self._search is not None else None
        search_calls = self._calls["search"]
        grid = self._extraction.grid if self._extraction is not None else None
        grown = self._extraction.grown() if self._extraction is not None else None
        questions = counts["exhaustive"] if counts else 0
        return {
            "model_calls": sum(self._calls.values()),
            "model_calls_by_phase": dict(self._calls),
            "questions": questions,
            "questions_saved": questions - search_calls,
            "questions_not_needed": questions - counts["verdicts"] if counts else 0,
            "questions_repeated": counts["verdicts"] - search_calls if counts else 0,
            "partitions": counts["partitions"] if counts else 0,
            "refinements": counts["refinements"] if counts else 0,
            "rounds": counts["rounds"] if counts else 0,
            "heatmap_peak": self.heatmap_peak,
            "grid": list(grid) if grid else None,
            "grown_size": float(grown.mean()) if grown is not None else None,
            "seconds": time.perf_counter() - self._started,
            "seconds_by_phase": dict(self._seconds),
            "model_seconds": self._asker.model_seconds,
        }

    def _find_responsibilities(self) -> _core.Search:
        self._enter("search")
        settings = self._settings
        height, width = self.kept.shape
        budget = None if self._budget is None else max(1, int(self._budget * _SEARCH_SHARE))
        self._search = search = _core.Search(
            height,
            width,
            partitions=settings.partitions,
            seed=self._seed,
            world=settings.world,
            weighting=settings.weighting,
            min_side=settings.min_side,
            refine_equal=settings.refine_equal,
            concentration=settings.concentration,
            wave=settings.partitions,
            max_calls=budget,
            intact=(True, self.target.score),
            blank=self._blank,
        )
        try:
            self._asker.answer(search, self.target.judge, lambda: self._report(search.progress))
        finally:
            self._take_heatmap(search.heatmap())
        return search

    def _extract(self, search: _core.Search) -> None:
        self._enter("growth")
        self._extraction = extraction = _core.Extraction(
            search,
            self.heatmap,
            cells=self._settings.grid,
            min_score=self._floor(),
            max_calls=self._budget,
        )

        def after_batch() -> None:
            if self.phase == "growth" and extraction.stage != "growth":
                self._enter("shrinking")
            self._report(None)

        try:
            self._asker.answer(extraction, self.target.judge, after_batch)
        finally:
            self.kept = extraction.kept()
        if extraction.stage == "minimal":
            self.outcome = "minimal"
        elif self._budget is not None:
            self.notes.append("The budget of model calls ran out before the explanation was minimal.")

    def _take_heatmap(self, mean: NDArray[np.float32]) -> None:
        self.heatmap_peak = float(mean.max())
        if self.heatmap_peak > 0:
            self.heatmap = mean / np.float32(self.heatmap_peak)

    def _floor(self) -> float:
        return self._min_confidence * self.target.score if self._min_confidence > 0 else 0.0

    def _enter(self, phase: Phase) -> None:
        """Close the account of the present phase and open the next."""
        n_calls, now = self._asker.n_calls, time.perf_counter()
        self._calls[self.phase] += n_calls - self._marks[0]
        self._seconds[self.phase] += now - self._marks[1]
        self._marks = (n_calls, now)
        self.phase = phase
        self._report(None)

    def _report(self, done: float | None) -> None:
        if self._progress is None:
            return
        n_calls = self._asker.n_calls
        expected = (
            None if done is None or done < _ENOUGH_TO_EXTRAPOLATE else max(n_calls, int(n_calls / done))
        )
        self._progress(Progress(self.phase, n_calls, expected, time.perf_counter() - self._started))
