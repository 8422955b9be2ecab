"""Classifiers that misbehave during a search: each fault at several calls, with one and two batches in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dccausal import explain
from faults.trial import Outcome, Wrong, tried

N = 0  # all of them, whatever is asked for less
AT = (1, 2, 3, 7, 15)  # the explanation takes 17
SIDE = 64


def photo() -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[40:48, 8:16] = pixels[8:16, 40:48] = (255, 0, 0)
    return pixels


def score(images: np.ndarray) -> np.ndarray:
    """Yes, as far as both red spots are there."""
    first = (images[:, 40:48, 8:16, 0].astype(float) > 200).mean((1, 2))
    second = (images[:, 8:16, 40:48, 0].astype(float) > 200).mean((1, 2))
    found = np.minimum(first, second)
    return np.stack([1 - found, found], 1).astype(np.float32)


class At:
    """Right answers, and from the ``first``-th call on faulty ones."""

    def __init__(self, first: int, faulty: Callable[[Any], Any]) -> None:
        self.n, self.first, self.faulty = 0, first, faulty

    def __call__(self, images: Any) -> Any:
        self.n += 1
        return self.faulty(images) if self.n >= self.first else score(images)


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("cannot be said")


class NoArray:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")


class Endless:
    def __len__(self) -> int:
        return 10**18

    def __getitem__(self, _: int) -> list[float]:
        return [0.0, 1.0]


def raising(error: BaseException) -> Callable[[Any], Any]:
    def call(_: Any) -> Any:
        raise error

    return call


def holding(value: float) -> Callable[[Any], Any]:
    def call(images: Any) -> Any:
        scores = score(images)
        scores[0, 0] = value
        return scores

    return call


def read_only(images: Any) -> Any:
    scores = score(images)
    scores.setflags(write=False)
    return scores


# Answers that are right though odd; the result must be that of the plain classifier.
RIGHT: dict[str, Callable[[Any], Any]] = {
    "float16": lambda x: score(x).astype(np.float16),
    "list": lambda x: score(x).tolist(),
    "big-endian": lambda x: score(x).astype(">f4"),
    "fortran": lambda x: np.asfortranarray(score(x)),
    "negative stride": lambda x: score(x)[::-1][::-1],
    "read-only": read_only,
    "long double": lambda x: score(x).astype(np.longdouble),
}
FAULTY: dict[str, Callable[[Any], Any]] = {
    "NaN": holding(np.nan),
    "infinite": holding(np.inf),
    "minus infinite": holding(-np.inf),
    "a row too few": lambda x: score(x)[:-1],
    "twice the rows": lambda x: np.concatenate([score(x)] * 2),
    "more columns": lambda x: np.pad(score(x), ((0, 0), (0, 3))),
    "one column": lambda x: score(x)[:, :1],
    "labels instead": lambda x: score(x).argmax(1),
    "None": lambda _: None,
    "text": lambda x: np.array([["a", "b"]] * len(x)),
    "objects": lambda x: score(x).astype(object),
    "complex": lambda x: score(x).astype(complex),
    "bools": lambda x: score(x) > 0.5,
    "whole numbers": lambda x: (score(x) * 1000).astype(np.int64),
    "beyond float32": lambda x: score(x).astype(np.float64) * 1e300,
    "ragged": lambda x: [[0.0, 1.0]] * (len(x) - 1) + [[1.0]],
    "no columns": lambda x: np.zeros((len(x), 0), np.float32),
    "a number": lambda _: np.float32(1),
    "four dimensions": lambda x: score(x)[:, :, None, None],
    "generator": lambda x: (row for row in score(x)),
    "no array": lambda _: NoArray(),
    "endless": lambda _: Endless(),
    "masked": lambda x: np.ma.masked_array(score(x), mask=True),
    "negative labels": lambda x: -score(x).argmax(1) - 1,
    "labels beyond int64": lambda x: np.full(len(x), 2**63, np.uint64),
    "dates": lambda x: score(x).astype("M8[s]"),
    "dict": lambda x: {"logits": score(x)},
}
RAISED: dict[str, BaseException] = {
    "ValueError": ValueError("boom\nline\x1b[31m"),
    "StopIteration": StopIteration(),
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError(),
    "a warning": UserWarning("w"),
    "mute": Mute(),
    "long": ValueError("x" * 1_000_000),
}
# What is meant to end the program passes through.
PASSING: dict[str, BaseException] = {
    "GeneratorExit": GeneratorExit(),
    "SystemExit": SystemExit(3),
    "BaseException": BaseException("base"),
}


def run(_n: int, _seed: int) -> Iterator[Outcome]:
    plain = explain(photo(), score, grid=8)
    for name, make, expected in cases():
        for in_flight in (None, 2):
            full = f"{name}, in flight {in_flight}"
            yield tried(full, lambda make=make, how=in_flight, want=expected: check(make(), how, want, plain))


def check(classifier: Any, in_flight: int | None, expected: Any, plain: Any) -> str:
    """Explain; ``expected`` is "same", "any" (a result or an error of the tree), or what is raised."""
    try:
        found = explain(photo(), classifier, grid=8, in_flight=in_flight, max_calls=2000)
    except BaseException as error:
        if isinstance(expected, type) and isinstance(error, expected):
            return f"{type(error).__name__} passed"
        raise
    if isinstance(expected, type):
        raise Wrong(f"{expected.__name__} was swallowed")
    is_same = found.heatmap.tobytes() == plain.heatmap.tobytes() and (found.kept == plain.kept).all()
    if expected == "same" and not is_same:
        raise Wrong(f"another result: {found!r}")
    if not np.isfinite(found.heatmap).all():
        raise Wrong("a heatmap that is not finite")
    return found.outcome


def cases() -> Iterator[tuple[str, Callable[[], Any], Any]]:
    for first in AT:
        for name, answer in RIGHT.items():
            yield (
                f"{name} at {first}",
                lambda f=first, a=answer: At(f, a),
                "any" if name == "float16" else "same",
            )
        for name, answer in FAULTY.items():
            yield f"{name} at {first}", lambda f=first, a=answer: At(f, a), "any"
        for name, error in RAISED.items():
            yield f"{name} at {first}", lambda f=first, e=error: At(f, raising(e)), "any"
        for name, error in PASSING.items():
            yield f"{name} at {first}", lambda f=first, e=error: At(f, raising(e)), type(error)
    yield from _habits()


def _habits() -> Iterator[tuple[str, Callable[[], Any], Any]]:
    """Classifiers with habits of their own."""
    caller = threading.get_ident()
    reused = np.zeros((4096, 2), np.float32)
    running = threading.Lock()

    def changing(images: Any) -> Any:
        scores = score(images)
        images[...] = 7
        return scores

    def own_buffer(images: Any) -> Any:
        reused[: len(images)] = score(images)
        return reused[: len(images)]

    def alone(images: Any) -> Any:
        if not running.acquire(blocking=False):
            raise RuntimeError("two calls at once")
        try:
            time.sleep(0.001)
            return score(images)
        finally:
            running.release()

    def own_thread(images: Any) -> Any:
        if threading.get_ident() != caller:
            raise RuntimeError("called by another thread")
        return score(images)

    def nested(images: Any) -> Any:
        explain(photo(), score, max_calls=25)
        return score(images)

    def fickle(images: Any) -> Any:
        scores = score(images)
        turned = np.random.default_rng(time.perf_counter_ns()).random(len(scores)) < 0.3
        scores[turned] = scores[turned][:, ::-1]
        return scores

    def slow(images: Any) -> Any:
        time.sleep(0.02)
        return score(images)

    yield "changes what it is given", lambda: changing, "any"
    yield "answers in one buffer", lambda: own_buffer, "same"
    yield "one call at a time", lambda: alone, "same"
    yield "the caller's thread", lambda: own_thread, "any"
    yield "explains itself", lambda: nested, "same"
    yield "says something else each time", lambda: fickle, "any"
    yield "sleeps", lambda: slow, "same"
    yield "shows part of its input", lambda: lambda images: images[:, 0, :2, 0], "any"
