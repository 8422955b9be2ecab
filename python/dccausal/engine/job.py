"""
One explanation in the making: what to ask next, what is known so far, and what it cost.

A job asks nothing itself. Like the core, it proposes questions and takes the answers, so that one loop serves the
search of one image and those of many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.finder import Finder, MakeFinder
from dccausal.engine.profiles import Profile
from dccausal.engine.progress import PHASES, Phase, Progress
from dccausal.engine.whole_images import Gallery, Pictures
from dccausal.explanation.record import Outcome
from dccausal.inputs.view import View
from dccausal.targets import Target, choose_target

# Calls outside the core's budget: the intact image, the blank one, the last check of the result.
_CHECKS = 3
# Of a limited budget, what the search may use; the extraction has the rest.
_SEARCH_SHARE = 2 / 3
# Scores of one image differ by about this much with the batch it is in.
_ROUNDING = 1e-4
# The settled share of the search from which the number of calls is extrapolated.
_ENOUGH_TO_EXTRAPOLATE = 0.2


Asked = _core.Batch | Pictures


class Job:
    """
    The explanation of one image as a state machine: propose, have the classifier answer, take, until it is done.

    What is known is kept in attributes, so that a job may be cut short. ``account`` may be called from another
    thread than the rest.

    Parameters
    ----------
    view
        The image.
    settings, seed, trees, top_k, min_confidence, max_calls, progress
        As in ``explain``.
    label
        The index of the label to explain; None for the top one.
    multi_label
        Whether the scores are independent of each other.
    threshold
        The score from which on a label counts as given; None for the usual rule.
    make_finder
        Makes what finds the heatmap; None for the causal search.

    """

    def __init__(
        self,
        view: View,
        settings: Profile,
        *,
        seed: int,
        trees: int,
        label: int | None,
        top_k: int | None,
        multi_label: bool,
        threshold: float | None = None,
        min_confidence: float,
        max_calls: int | None,
        progress: Callable[[Progress], object] | None,
        make_finder: MakeFinder | None = None,
    ) -> None:
        """Begin with the intact image and the blank one."""
        height, width = view.image.shape[:2]
        self._started = time.perf_counter()
        self.view = view
        self._settings, self._seed, self._min_confidence = settings, seed, min_confidence
        self._n_trees = trees
        self._wanted = (label, top_k, multi_label, threshold)
        self._budget = None if max_calls is None else max_calls - _CHECKS
        self._progress = progress
        self._gallery: Gallery | None = Gallery(np.stack([view.image, view.baseline]))
        self._search: _core.Search | None = None
        self._make_finder = make_finder
        self._finder: Finder | None = None
        self._extraction: _core.Extraction | None = None
        self._calls: dict[Phase, int] = dict.fromkeys(PHASES, 0)
        self._seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self._marks = (0, self._started)
        self._blank: tuple[bool, float] = (False, float("nan"))
        self.n_calls = 0
        self.model_seconds = 0.0
        self.phase: Phase = "check"
        self.is_done = False
        self.target = Target(0, 1, float("nan"))
        self.outcome: Outcome = "sufficient"
        self.notes: list[str] = []
        self.remarks: tuple[str, ...] = ()  # on what is explained, where the notes are on how that went
        self.heatmap = np.zeros((height, width), dtype=np.float32)
        self.heatmap_peak = 0.0
        self.kept = np.ones((height, width), dtype=bool)
        self.explanation_score = float("nan")

    def propose(self, capacity: int) -> Asked | None:
        """Return the next questions, at most ``capacity``; None while it waits for answers, or at the end."""
        inquiry = self._gallery or self._extraction or self._finder or self._search
        return None if inquiry is None or self.is_done else inquiry.propose(capacity)

    def take_scores(self, pictures: Pictures, answer: NDArray[Any]) -> None:
        """
        Take the classifier's checked answer on whole images.

        Raises
        ------
        OptionError, ClassifierError
            If it does not go with the label to explain (see ``choose_target``).

        """
        gallery = self._gallery
        if gallery is None:
            self._take_found(pictures, answer)
            return
        gallery.submit(pictures, answer)
        if not gallery.is_done:
            return
        if self.phase == "check":
            self._take_check(gallery.answer())
        else:
            self._take_verification(gallery.answer())

    def take_verdicts(
        self, batch: _core.Batch, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]
    ) -> None:
        """Take the verdicts on masked images, and go on to the next phase where this one has all it needs."""
        search, extraction = self._search, self._extraction
        if extraction is not None:
            extraction.submit(batch.id, is_passing, scores)
            if self.phase == "growth" and extraction.stage != "growth":
                self._enter("shrinking")
            self._report(None)
            if extraction.is_done:
                self._end_extraction(extraction)
        elif search is not None:
            search.submit(batch.id, is_passing, scores)
            self._report(search.progress)
            if search.is_done:
                self._begin_extraction(search)

    def account(self, n_calls: int, seconds: float) -> None:
        """Take note of what a run of the model cost."""
        self.n_calls += n_calls
        self.model_seconds += seconds

    def cut_short(self) -> bool:
        """
        Leave off where it stands and verify what is known; False if that is nothing.

        Questions in flight must have ended, and are forgotten.
        """
        if self.phase == "check":
            return False
        if self.phase != "verification":
            self.notes.append(f"Interrupted during {self.phase}: this is the best that was known by then.")
        if self._extraction is not None:
            self._take_kept(self._extraction)
        elif self._search is not None:
            self._take_heatmap(self._search)
        self._begin_verification()
        return True

    def statistics(self) -> dict[str, Any]:
        """Return the counts and times of all phases, as plain values."""
        counts = self._search.counts() if self._search is not None and self._finder is None else None
        search_calls = self._calls["search"]
        grid = self._extraction.grid if self._extraction is not None else None
        grown = self._extraction.grown() if self._extraction is not None else None
        questions = counts["exhaustive"] if counts else 0
        return {
            "model_calls": sum(self._calls.values()),
            "model_calls_by_phase": dict(self._calls),
            "questions": questions,
            "questions_saved": questions - search_calls if counts else 0,
            "questions_not_needed": questions - counts["verdicts"] if counts else 0,
            "questions_repeated": counts["verdicts"] - search_calls if counts else 0,
            "partitions": counts["partitions"] if counts else 0,
            "refinements": counts["refinements"] if counts else 0,
            "questions_inferred": counts["inferred"] if counts else 0,
            "audited": counts["audited"] if counts else 0,
            "audited_wrong": counts["audited_wrong"] if counts else 0,
            "reach": counts["reach"] if counts else 0.0,
            "rounds": counts["rounds"] if counts else 0,
            "heatmap_peak": self.heatmap_peak,
            "grid": list(grid) if grid else None,
            "grown_size": float(grown.mean()) if grown is not None else None,
            "seconds": time.perf_counter() - self._started,
            "seconds_by_phase": dict(self._seconds),
            "model_seconds": self.model_seconds,
        }

    def trees(self) -> tuple[dict[str, Any], ...]:
        """Return the causal trees that were recorded, as plain values."""
        if self._search is None or self._finder is not None:
            return ()
        return tuple({**tree} for tree in self._search.trees())

    def _take_check(self, answer: NDArray[Any]) -> None:
        """Fix the label to explain, and end where masking changes nothing."""
        label, top_k, multi_label, threshold = self._wanted
        needs_scores = self._min_confidence > 0
        self.target = choose_target(
            answer[:1],
            label,
            top_k,
            multi_label=multi_label,
            needs_scores=needs_scores,
            threshold=threshold,
        )
        self.remarks = (*filter(None, [self.target.note]), *self.remarks)
        is_passing, scores = self.target.judge(answer)
        self._blank = (bool(is_passing[1]), float(scores[1]))
        if self._blank[0] and not self._is_below_floor(scores[1]):
            self.outcome = "trivial"
            self.kept = np.zeros_like(self.kept)
            self.notes.append(
                "The label stays with everything masked: masking changes nothing, so nothing in the image "
                "can be told to be its cause. Another baseline may tell more."
            )
            self._begin_verification()
        else:
            self._begin_search()

    def _take_found(self, pictures: Pictures, answer: NDArray[Any]) -> None:
        finder, search = self._finder, self._search
        if finder is None or search is None:
            return
        finder.submit(pictures, *self.target.judge(answer))
        self._report(finder.progress)
        if finder.is_done:
            self._begin_extraction(search)

    def _begin_search(self) -> None:
        self._enter("search")
        settings = self._settings
        height, width = self.kept.shape
        budget = None if self._budget is None else max(1, int(self._budget * _SEARCH_SHARE))
        self._search = _core.Search(
            height,
            width,
            partitions=settings.partitions,
            seed=self._seed,
            world=settings.world,
            weighting=settings.weighting,
            min_side=settings.min_side,
            refine_equal=settings.refine_equal,
            concentration=settings.concentration,
            wave=settings.wave,
            reach=settings.reach if settings.evidence == "shared" else None,
            audit=settings.audit,
            max_calls=budget,
            intact=(True, self.target.score),
            blank=self._blank,
            survey=settings.surveyed_sides(),
            trees=self._n_trees,
        )
        self._gallery = None
        if self._make_finder is not None:
            self._finder = self._make_finder(self.view, self.target, budget)
        if (self._finder or self._search).is_done:
            self._begin_extraction(self._search)

    def _begin_extraction(self, search: _core.Search) -> None:
        self._take_heatmap(search)
        self._enter("growth")
        # A finder's calls are not in the evidence, which is where the core counts.
        n_found = self._calls["search"] if self._finder is not None else 0
        self._extraction = _core.Extraction(
            search,
            self.heatmap,
            cells=self._settings.grid,
            min_score=self._floor(),
            max_calls=None if self._budget is None else self._budget - n_found,
        )
        if self._extraction.is_done:
            self._end_extraction(self._extraction)

    def _end_extraction(self, extraction: _core.Extraction) -> None:
        self._take_kept(extraction)
        if self.outcome != "minimal" and self._budget is not None:
            self.notes.append("The budget of model calls ran out before the explanation was minimal.")
        self._begin_verification()

    def _begin_verification(self) -> None:
        """Ask once more about the explanation itself, drawn by other means than during the search."""
        self._enter("verification")
        kept = np.flatnonzero(self.kept)
        explanation = self.view.baseline.copy()
        explanation.reshape(-1, 3)[kept] = self.view.image.reshape(-1, 3)[kept]
        self._gallery = Gallery(explanation[None])

    def _take_verification(self, answer: NDArray[Any]) -> None:
        is_passing, scores = self.target.judge(answer)
        self.explanation_score = float(scores[0])
        if not is_passing[0] or self._is_below_floor(scores[0], 1 - _ROUNDING):
            self.outcome = "insufficient"
            self.notes.append(
                "The last check failed: with everything else masked the classifier does not give the label. "
                "Its answers differ from call to call."
            )
        self._enter("verification")
        self.is_done = True

    def _take_heatmap(self, search: _core.Search) -> None:
        if self._finder is not None:
            self._take_found_heatmap(self._finder)
            return
        mean = search.heatmap()
        self.heatmap_peak = float(mean.max())
        if self.heatmap_peak > 0:
            self.heatmap = mean / np.float32(self.heatmap_peak)

    def _take_found_heatmap(self, finder: Finder) -> None:
        """Bring a heatmap of any range to that from 0 to 1."""
        found = finder.heatmap()
        lowest, self.heatmap_peak = float(found.min()), float(found.max())
        if self.heatmap_peak > lowest:
            self.heatmap = ((found - lowest) / (self.heatmap_peak - lowest)).astype(np.float32)
        self.notes.extend(finder.notes)

    def _take_kept(self, extraction: _core.Extraction) -> None:
        self.kept = extraction.kept()
        if self._settings.reestimate > 0 and self._finder is None:
            self._reestimate(extraction)
        if extraction.stage == "minimal":
            self.outcome = "minimal"

    def _reestimate(self, extraction: _core.Extraction) -> None:
        """
        Add to the heatmap what the extraction found: 1 where it kept, less where it dropped, 0 elsewhere.

        What was dropped last has most: every set that shrinking went through was found sufficient.
        """
        grown = extraction.grown()
        if grown is None:
            return
        places = _pixelwise(extraction.places(), self.kept.shape)
        n_kept = int(places[self.kept].max(initial=-1)) + 1
        n_grown = int(places[grown].max(initial=-1)) + 1
        found = 1 - np.clip((places - n_kept + 1) / (n_grown - n_kept + 1), 0, 1)
        weight = self._settings.reestimate
        self.heatmap = ((self.heatmap + weight * found) / (1 + weight)).astype(np.float32)

    def _floor(self) -> float:
        return self._min_confidence * self.target.score if self._min_confidence > 0 else 0.0

    def _is_below_floor(self, score: float, share: float = 1.0) -> bool:
        """Return whether a score is too small for what was asked; nothing is, where nothing was asked."""
        return self._min_confidence > 0 and bool(score < self._floor() * share)

    def _enter(self, phase: Phase) -> None:
        """Close the account of the present phase and open the next."""
        now = time.perf_counter()
        self._calls[self.phase] += self.n_calls - self._marks[0]
        self._seconds[self.phase] += now - self._marks[1]
        self._marks = (self.n_calls, now)
        self.phase = phase
        self._report(None)

    def _report(self, done: float | None) -> None:
        if self._progress is None:
            return
        n_calls = self.n_calls
        expected = (
            None if done is None or done < _ENOUGH_TO_EXTRAPOLATE else max(n_calls, int(n_calls / done))
        )
        seconds = time.perf_counter() - self._started
        self._progress(Progress(self.phase, n_calls, expected, seconds, self.view.index))


def _pixelwise(blocks: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give every pixel the value of its block; the blocks of a lattice are as even as whole pixels allow."""
    for axis, side in enumerate(shape):
        n_blocks = blocks.shape[axis]
        edges = np.arange(n_blocks + 1) * side // n_blocks
        blocks = np.repeat(blocks, np.diff(edges), axis=axis)
    return blocks
