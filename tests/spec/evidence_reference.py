"""Evidence that partitions share, written to be read: what follows from earlier verdicts, and what is audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference import Masked, Options, Search, Verdict, mix, random_words, root_path

PRIME = (1 << 61) - 1


def fingerprint(masked: Masked) -> tuple[int, int]:
    """The sum of a(y) b(x) over the masked pixels, twice; it orders sets of one area and draws audits."""

    def numbers(side: int, stream: int) -> list[int]:
        words = random_words(root_path(0x5EEDF1A6, stream))
        return [next(words) % PRIME for _ in range(side)]

    def one(i: int) -> int:
        rows, columns = numbers(masked.shape[0], i), numbers(masked.shape[1], 2 + i)
        return sum(rows[y] * columns[x] for y, x in np.argwhere(masked).tolist()) % PRIME

    return one(0), one(1)


class SharedEvidence:
    """Verdicts that follow from those of earlier rounds, since masking more is taken never to restore the label."""

    def __init__(self, n_pixels: int, *, reach: float, audit: float, seed: int) -> None:
        self.n_pixels, self.reach, self.audit, self.seed = n_pixels, reach, audit, seed
        self.known: list[tuple[Masked, Verdict]] = []
        self.n_inferred = self.n_audited = self.n_wrong = 0
        self.recent = (0, 0)

    def begin_round(self, learnt: list[tuple[Masked, Verdict]]) -> None:
        self.known += learnt
        audited, wrong = self.recent
        if audited >= 12 and wrong > 0.15 * audited:
            self.reach = 0.0 if self.reach / 2 < 1 / 64 else self.reach / 2
            self.recent = (0, 0)

    def infer(self, masked: Masked) -> Verdict | None:
        """The verdict of the nearest known set within reach; None if there is none, or two disagree."""
        if self.reach <= 0:
            return None
        nearest: dict[bool, tuple[int, Any, float]] = {}
        for known, (passing, score) in self.known:
            inner, outer = (masked, known) if passing else (known, masked)
            gap = int(outer.sum()) - int(inner.sum())
            if (inner & ~outer).any() or gap > int(self.reach * self.n_pixels):
                continue
            key = fingerprint(known)
            order = (gap, key if passing else (-key[0], -key[1]), score)
            nearest[passing] = min(nearest.get(passing, order), order)
        gaps = [found[0] for found in nearest.values()]
        if not gaps or (len(gaps) == 2 and gaps[0] == gaps[1]):
            return None
        passing, found = min(nearest.items(), key=lambda item: item[1][0])
        return passing, found[2]

    def is_audited(self, masked: Masked) -> bool:
        return (mix(fingerprint(masked)[0] ^ mix(self.seed)) >> 11) * 2.0**-53 < self.audit

    def refutes(self, inner: Masked, outer: Masked) -> bool:
        """Whether a set between the two is known to fail: then the outer one is no contingency (SC2)."""
        return any(
            not passing and not (inner & ~known).any() and not (known & ~outer).any()
            for known, (passing, _) in self.known
        )


def shared_heatmap(
    verdict: Callable[[Masked], Verdict], options: Options, *, reach: float, audit: float, wave: int
) -> tuple[NDArray[np.float32], SharedEvidence, int]:
    """The heatmap in rounds, what was inferred, and the number of questions asked."""
    shared = SharedEvidence(options.height * options.width, reach=reach, audit=audit, seed=options.seed)
    search = Search(options, shared=shared)
    answers: dict[bytes, Verdict] = {
        np.zeros((options.height, options.width), dtype=bool).tobytes(): (True, 1.0)
    }
    n_asked = 0
    for first in range(0, options.partitions, wave):
        last = min(first + wave, options.partitions)
        waiting = [(node, next(node)) for node in search.roots(range(first, last))]
        learnt: list[tuple[Masked, Verdict]] = []
        while waiting:
            shared.begin_round(learnt)
            asked: dict[bytes, Masked] = {}
            audits: dict[bytes, bool] = {}
            still: list[Any] = []
            while waiting:
                node, questions = waiting.pop(0)
                for masked in questions:
                    key = masked.tobytes()
                    if key in answers or key in asked:
                        continue
                    found = shared.infer(masked)
                    if found is not None and shared.is_audited(masked):
                        audits[key] = found[0]
                    if found is None or key in audits:
                        asked[key] = masked
                    else:
                        answers[key] = found
                        shared.n_inferred += 1
                if any(masked.tobytes() not in answers for masked in questions):
                    still.append((node, questions))
                    continue
                try:
                    waiting.append((node, node.send([answers[masked.tobytes()] for masked in questions])))
                except StopIteration as ended:
                    waiting += [(child, next(child)) for child in ended.value]
            learnt = [(masked, verdict(masked)) for masked in asked.values()]
            answers |= {masked.tobytes(): found for masked, found in learnt}
            n_asked += len(learnt)
            wrong = [answers[key][0] != expected for key, expected in audits.items()]
            shared.n_audited += len(wrong)
            shared.n_wrong += sum(wrong)
            shared.recent = (shared.recent[0] + len(wrong), shared.recent[1] + sum(wrong))
            waiting = still
        shared.begin_round(learnt)
    return search.heatmap(), shared, n_asked
