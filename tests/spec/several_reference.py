"""
Asking beside several baselines, written to be read.

A question passes if the label stays beside each baseline, and its score is the least of those asked. A round goes in
passes, a baseline each, the strictest of earlier rounds first; only what no baseline has refused goes on to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction

Verdict = tuple[bool, float]


class OutOfBudgetError(Exception):
    """Raised where not all of a round can be asked."""


class Several:
    """``answer`` says of a question and a baseline, counted from 0, whether the label stays, and its score."""

    def __init__(
        self, answer: Callable[[Hashable, int], Verdict], n_baselines: int, max_calls: int = 10**9
    ) -> None:
        self.answer, self.n_baselines, self.left = answer, n_baselines, max_calls
        self.known: dict[Hashable, dict[int, Verdict]] = {}
        self.n_asked, self.n_refused = [0] * n_baselines, [0] * n_baselines
        self.passes: list[
            tuple[int, list[Hashable]]
        ] = []  # what was asked together: a baseline, and questions

    def learn(self, question: Hashable, verdict: Verdict) -> None:
        """Take what is known beside each baseline, as of the intact image."""
        self.known[question] = dict.fromkeys(range(self.n_baselines), verdict)

    def verdict(self, question: Hashable) -> Verdict:
        """What is known so far."""
        answers = self.known.get(question, {}).values()
        scores = [score for _, score in answers]
        return all(is_passing for is_passing, _ in answers), min(scores, default=float("nan"))

    def is_settled(self, question: Hashable, floor: float) -> bool:
        answers = self.known.get(question, {})
        return len(answers) == self.n_baselines or any(refuses(one, floor) for one in answers.values())

    def order(self) -> list[int]:
        """First those that refused the largest share of what they were asked, counted as if one of two more."""
        shares = [
            Fraction(refused + 1, asked + 2)
            for refused, asked in zip(self.n_refused, self.n_asked, strict=True)
        ]
        return sorted(range(self.n_baselines), key=lambda baseline: -shares[baseline])

    def ask(self, questions: Sequence[Hashable], floor: float) -> list[Verdict]:
        """One round."""
        open_ = [question for question in dict.fromkeys(questions) if not self.is_settled(question, floor)]
        for baseline in self.order():
            asked = [question for question in open_ if baseline not in self.known.get(question, {})]
            for question in asked[: self.left]:
                verdict = self.answer(question, baseline)
                self.known.setdefault(question, {})[baseline] = verdict
                self.n_asked[baseline] += 1
                self.n_refused[baseline] += refuses(verdict, floor)
            if asked[: self.left]:
                self.passes.append((baseline, asked[: self.left]))
            if len(asked) > self.left:
                raise OutOfBudgetError
            self.left -= len(asked)
            open_ = [question for question in open_ if not self.is_settled(question, floor)]
        return [self.verdict(question) for question in questions]


def refuses(verdict: Verdict, floor: float) -> bool:
    """Whether nothing more has to be asked: the label is lost, or the score is below the floor."""
    is_passing, score = verdict
    return not is_passing or (floor > 0 and score < floor)
