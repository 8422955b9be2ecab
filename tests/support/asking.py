"""Driving the core without an image: a classifier is a function of the masked pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core

Verdict = Callable[[NDArray[np.bool_]], tuple[bool, float]]


def answer(
    inquiry: Any, verdict: Verdict, *, capacity: int = 16, in_flight: int = 1, newest_first: bool = False
) -> int:
    """Answer all questions, with several batches in flight if asked, and return how many there were."""
    pending: deque[Any] = deque()
    n = 0
    while True:
        while len(pending) < in_flight and (batch := inquiry.propose(capacity)) is not None:
            pending.append(batch)
        if not pending:
            return n
        batch = pending.pop() if newest_first else pending.popleft()
        verdicts = [verdict(masked) for masked in batch.masked()]
        n += len(verdicts)
        is_passing = np.array([passing for passing, _ in verdicts])
        scores = np.array([score for _, score in verdicts], dtype=np.float32)
        inquiry.submit(batch.id, is_passing, scores)


def in_rounds(inquiry: Any, verdict: Verdict) -> list[list[bytes]]:
    """Answer all, and return the questions of each round."""
    rounds = []
    while (batch := inquiry.propose(10**6)) is not None:
        masks = list(batch.masked())
        verdicts = [verdict(masked) for masked in masks]
        scores = np.array([score for _, score in verdicts], dtype=np.float32)
        inquiry.submit(batch.id, np.array([passing for passing, _ in verdicts]), scores)
        rounds.append([masked.tobytes() for masked in masks])
    return rounds


def evidence(options: Any, **changes: Any) -> _core.Evidence:
    """Begin with the intact image, which passes with a score of 1."""
    return _core.Evidence(options.height, options.width, **{"intact": (True, 1.0), **changes})


def search(options: Any, on: _core.Evidence | None = None, **changes: Any) -> _core.Search:
    """Start a search with the options of the reference, on evidence of its own if none is given."""
    return _core.Search(
        evidence(options) if on is None else on,
        **{
            "partitions": options.partitions,
            "seed": options.seed,
            "world": options.world,
            "weighting": options.weighting,
            "min_side": options.min_side,
            "refine_equal": options.refine_equal,
            "concentration": options.concentration,
            "wave": options.partitions,
            **changes,
        },
    )
