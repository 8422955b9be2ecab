"""
One explanation in the making: its phases in turn, what is known so far, and what it cost.

A job asks nothing itself. Like the core, it proposes questions and takes the answers, so that one loop serves the
search of one image and those of many.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.causal import CausalSearch
from dccausal.engine.finder import MakeSearch
from dccausal.engine.findings import Findings
from dccausal.engine.kinds import SeekSet
from dccausal.engine.masking.batch import Answer, Asked
from dccausal.engine.options import Options
from dccausal.engine.phase import Phase
from dccausal.engine.phases import Check, Find
from dccausal.engine.progress import PHASES, PhaseName, Progress, StopEarly
from dccausal.engine.sketch import sketch
from dccausal.engine.verify import Verify
from dccausal.inputs.view import View
from dccausal.targets import Subject, Target

# The settled share of the search from which the number of calls is extrapolated.
_ENOUGH_TO_EXTRAPOLATE = 0.2
_COUNTS = ("partitions", "refinements", "inferred", "audited", "audited_wrong", "rounds")


class Job:
    """
    The explanation of one image as a state machine: propose, have the classifier answer, take, until it is done.

    What is known is kept in ``found``, so that a job may be cut short. ``account`` may be called from another
    thread than the rest.

    Parameters
    ----------
    view
        The image.
    options
        How it is to be explained.
    label
        The index of the label to explain; None for the top one.
    multi_label
        Whether the scores are independent of each other.
    threshold
        The score from which on a label counts as given; None for the usual rule.
    make_search
        Makes what finds the heatmap; None for the causal search.
    subject
        What is to be explained, where that is no label.
    names
        A name for each label; None without.

    """

    def __init__(
        self,
        view: View,
        options: Options,
        *,
        label: int | None,
        multi_label: bool,
        threshold: float | None = None,
        make_search: MakeSearch | None = None,
        subject: Subject | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Begin with the intact image and the blank one."""
        self._started = time.perf_counter()
        self.view, self._options = view, options
        self.found = Findings(view, options)
        make = make_search or CausalSearch
        self._phase: Phase = Check(
            self.found,
            label,
            multi_label=multi_label,
            threshold=threshold,
            make_search=make,
            subject=subject,
            names=names,
        )
        self._done: list[Phase] = []
        self._calls: dict[PhaseName, int] = dict.fromkeys(PHASES, 0)
        self._seconds: dict[PhaseName, float] = dict.fromkeys(PHASES, 0.0)
        self._marks = (0, self._started)
        self.model_seconds = 0.0
        self.name: PhaseName = "check"
        self.is_done = self._is_cut_short = False

    @property
    def target(self) -> Target:
        """The label that is explained."""
        return self.found.target

    @property
    def asked_target(self) -> Target:
        """The label that the present phase asks about."""
        return self._phase.target if isinstance(self._phase, SeekSet) else self.found.target

    @property
    def targets(self) -> tuple[Target, ...]:
        """All labels that its phases ask about."""
        other = self.found.other
        return (self.found.target,) if other is None else (self.found.target, other)

    def ask_for(self, other: int | None) -> None:
        """Take the label that "why-not" asks for."""
        if isinstance(self._phase, Check):
            self._phase.other = other

    @property
    def n_calls(self) -> int:
        """Model calls up to now."""
        return self.found.n_calls

    def propose(self, capacity: int) -> Asked | None:
        """Return the next questions, at most ``capacity``; None while it waits for answers, or at the end."""
        return None if self.is_done else self._phase.propose(capacity)

    def take(self, asked: Asked, answer: Answer) -> None:
        """
        Take the classifier's checked answer, and go on to the next phase where this one has all it needs.

        Raises
        ------
        OptionError, ClassifierError
            If the first answers do not go with the label to explain.

        """
        phase = self._phase
        phase.take(asked, answer)
        if phase.name != self.name:
            self._enter(phase.name)
        if not isinstance(phase, Check | Verify):
            self._report(phase.progress)
        while self._phase.is_done and not self.is_done:
            self._go_on()

    def account(self, n_calls: int, seconds: float) -> None:
        """Take note of what a run of the model cost."""
        self.found.n_calls += n_calls
        self.model_seconds += seconds

    def cut_short(self) -> bool:
        """
        Leave off where it stands and verify what is known; False if that is nothing.

        Questions in flight must have ended, and are forgotten.
        """
        if self.is_done:
            return True
        if isinstance(self._phase, Check):
            return False
        self._is_cut_short = True
        if not isinstance(self._phase, Verify):
            note = f"Interrupted during {self.name}: this is the best that was known by then."
            self.found.notes.append(note)
            self._phase.settle()
        self._done.append(self._phase)
        self._begin(Verify(self.found))
        return True

    def statistics(self) -> dict[str, Any]:
        """Return the counts and times of all phases, as plain values."""
        known: dict[str, Any] = {}
        for phase in (*self._done, self._phase):
            known |= phase.statistics()
        # Questions, not calls: beside several baselines one question may take several. A superpixel whose questions the
        # budget cut off is not among those that an exhaustive search is reckoned from.
        n_search, n_all = known.get("asked", 0), known.get("exhaustive", 0)
        n_verdicts = known.get("verdicts", n_all)
        counts = {name: known.get(name, 0) for name in _COUNTS}
        return {
            "model_calls": sum(self._calls.values()),
            "model_calls_by_phase": dict(self._calls),
            "questions": n_all,
            "questions_saved": max(0, n_all - n_search),
            "questions_not_needed": max(0, n_all - n_verdicts),
            "questions_repeated": max(0, n_verdicts - n_search) if n_all else 0,
            "partitions": counts["partitions"],
            "refinements": counts["refinements"],
            "questions_inferred": counts["inferred"],
            "audited": counts["audited"],
            "audited_wrong": counts["audited_wrong"],
            "reach": known.get("reach", 0.0),
            "rounds": counts["rounds"],
            "heatmap_peak": self.found.heatmap_peak,
            "grid": known.get("grid"),
            "grid_lines": known.get("grid_lines"),
            "grown_size": known.get("grown_size"),
            "seconds": time.perf_counter() - self._started,
            "seconds_by_phase": dict(self._seconds),
            "model_seconds": self.model_seconds,
        }

    def trees(self) -> tuple[dict[str, Any], ...]:
        """Return the causal trees that were recorded, as plain values."""
        searches = [phase.search for phase in (*self._done, self._phase) if isinstance(phase, Find)]
        return next((search.trees() for search in searches if isinstance(search, CausalSearch)), ())

    def _go_on(self) -> None:
        """Settle the present phase and begin the next."""
        phase = self._phase
        phase.settle()
        following = phase.following()
        if following is None:
            self.is_done = True  # before it is told, which may interrupt
            self._enter(self.name)
        else:
            self._done.append(phase)
            self._begin(following)

    def _begin(self, phase: Phase) -> None:
        self._phase = phase
        self._enter(phase.name)
        if isinstance(phase, Find):
            self.account(phase.search.n_own_calls, phase.search.own_seconds)

    def _enter(self, name: PhaseName) -> None:
        """Close the account of the present phase and open the next."""
        now = time.perf_counter()
        self._calls[self.name] += self.n_calls - self._marks[0]
        self._seconds[self.name] += now - self._marks[1]
        self._marks = (self.n_calls, now)
        self.name = name
        self._report(None)

    def _report(self, done: float | None) -> None:
        if self._options.progress is None:
            return
        n_calls = self.n_calls
        expected = (
            None if done is None or done < _ENOUGH_TO_EXTRAPOLATE else max(n_calls, int(n_calls / done))
        )
        seconds = time.perf_counter() - self._started
        told = Progress(self.name, n_calls, expected, seconds, self.view.index, self._sketch)
        try:
            self._options.progress(told)
        except StopEarly:
            if not self._is_cut_short:  # whoever asks again while the best is verified has it already
                raise

    def _sketch(self) -> NDArray[np.float32]:
        return sketch(self._phase, self.found)
