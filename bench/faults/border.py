"""The core's border: classes and methods of ``dccausal._core`` with arguments that nobody gives on purpose."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dccausal import _core
from faults.trial import Outcome, tried

N = 1400
SIDE = 32
_NUMBERS = (
    0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, True, None, 1.5, "a",
    float("nan"), [], np.int64(5), np.float32(3),
)  # fmt: skip
_SHARES = (-0.0, 1e-308, 1e308, float("inf"), -float("inf"), -1.0, 2.0, 1e-9, float("nan"))
_OPTIONS = {
    "partitions": 3, "seed": 1, "world": "contingency", "weighting": "leaf", "min_side": 0.25, "refine_equal": True,
    "concentration": 4, "wave": 3,
}  # fmt: skip
# What a call may answer with, besides a result; a panic is another BaseException.
_FINE = (ValueError, TypeError, OverflowError, IndexError, AttributeError, BufferError, RuntimeError)
Call = Callable[[], object]


def run(n: int, seed: int) -> Iterator[Outcome]:
    found = list(cases())
    if n < len(found):
        found = random.Random(seed).sample(found, n)  # noqa: S311
    for name, call in found:
        yield tried(name, lambda call=call: _check(call))


def _check(call: Call) -> str:
    try:
        call()
    except _FINE as error:
        return f"{type(error).__name__}: {error}"[:100]
    return "returned"


def search(height: Any = SIDE, width: Any = SIDE, **options: Any) -> Any:
    return _core.Search(height, width, **{**_OPTIONS, **options})


def answered(inquiry: Any, n: int = 50) -> Any:
    for _ in range(n):
        batch = inquiry.propose(16)
        if batch is None:
            break
        inquiry.submit(batch.id, batch.masked().mean((1, 2)) < 0.5, np.full(len(batch), 0.5, np.float32))
    return inquiry


def extraction(**options: Any) -> Any:
    done = answered(search(), 10**6)
    return _core.Extraction(
        done, options.pop("heatmap", done.heatmap()), **{"cells": 8, "min_score": 0.0, **options}
    )


def pixels(n: int = SIDE * SIDE * 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, n, dtype=np.uint8)


def drawn(
    buffer: Any = None, image: Any = None, baseline: Any = None, batch: Any = None, **options: Any
) -> None:
    image = pixels() if image is None else image
    sizes = {"height": SIDE, "width": SIDE, "planes": 1, "pixel_bytes": 3, "threads": 1, **options}
    renderer = _core.Renderer(image, np.zeros_like(pixels()) if baseline is None else baseline, **sizes)
    slots = renderer.slots(np.zeros(8 * SIDE * SIDE * 3, np.uint8) if buffer is None else buffer)
    batch = search().propose(8) if batch is None else batch
    renderer.render(batch, slots)
    renderer.render(batch, slots)


def cases() -> Iterator[tuple[str, Call]]:
    yield from _numbers()
    yield from _submitted()
    yield from _drawings()
    yield from _scores()
    yield from _orders()


def _numbers() -> Iterator[tuple[str, Call]]:
    for value in (*_NUMBERS, *_SHARES):
        text = repr(value)
        yield f"height {text}", lambda v=value: answered(search(v, SIDE))
        yield f"width {text}", lambda v=value: answered(search(SIDE, v))
        yield f"both sides {text}", lambda v=value: answered(search(v, v), 20).heatmap()
        for name in (
            "partitions",
            "seed",
            "concentration",
            "wave",
            "max_calls",
            "trees",
            "min_side",
            "reach",
            "audit",
        ):
            yield f"{name} {text}", lambda v=value, k=name: answered(search(**{k: v})).heatmap()
        yield f"propose {text}", lambda v=value: search().propose(v)
        yield (
            f"submit to {text}",
            lambda v=value: search().submit(v, np.zeros(1, bool), np.zeros(1, np.float32)),
        )
        for name in ("cells", "min_score", "max_calls"):
            yield f"extraction, {name} {text}", lambda v=value, k=name: answered(extraction(**{k: v}))
        for name in ("height", "width", "planes", "pixel_bytes", "threads"):
            yield f"renderer, {name} {text}", lambda v=value, k=name: drawn(**{k: v})
        scored = np.zeros((4, 5), np.float32)
        yield f"rank of {text}", lambda v=value, s=scored: _scoring("softmax", False).score_and_rank(s, v)
    for name, value in itertools.product(
        ("world", "weighting"), ("", "\0", "x" * 10**6, None, 5, "score", "shares", "\ud800")
    ):
        yield f"{name} {str(value)[:9]!r}", lambda v=value, k=name: answered(search(**{k: v}))
    for value in ([0], [1], [-1], [2**32], [5] * 10_000, [3, 4, 5], [], None, "abc", [1.5], [2**63]):
        yield f"survey {str(value)[:20]}", lambda v=value: answered(search(survey=v)).heatmap()
    for name, value in itertools.product(
        ("intact", "blank"),
        ((True, float("nan")), (False, float("inf")), (1, 2), (True,), (True, 1e308), ("a", 1)),
    ):
        yield f"{name} {value}", lambda v=value, k=name: answered(search(**{k: v})).heatmap()


def _read_only(n: int) -> np.ndarray:
    array = np.zeros(n, bool)
    array.setflags(write=False)
    return array


_VERDICTS: dict[str, Callable[[int], Any]] = {
    "right": lambda n: np.zeros(n, bool), "short": lambda n: np.zeros(max(0, n - 1), bool), "none": lambda _: None,
    "long": lambda n: np.zeros(n + 1, bool), "uint8": lambda n: np.zeros(n, np.uint8), "list": lambda n: [False] * n,
    "2-d": lambda n: np.zeros((n, 1), bool), "strided": lambda n: np.zeros(2 * n, bool)[::2], "read-only": _read_only,
    "reversed": lambda n: np.zeros(n, bool)[::-1], "bad bytes": lambda n: np.full(n, 7, np.uint8).view(bool),
    "repeated": lambda n: np.broadcast_to(np.array([True]), (n,)), "empty": lambda _: np.zeros(0, bool),
}  # fmt: skip
_SCORES: dict[str, Callable[[int], Any]] = {
    "right": lambda n: np.zeros(n, np.float32), "NaN": lambda n: np.full(n, np.nan, np.float32),
    "infinite": lambda n: np.full(n, np.inf, np.float32), "lowest": lambda n: np.full(n, -3e38, np.float32),
    "highest": lambda n: np.full(n, 3e38, np.float32), "float64": np.zeros,
    "short": lambda n: np.zeros(max(0, n - 1), np.float32), "strided": lambda n: np.zeros(2 * n, np.float32)[::2],
    "big-endian": lambda n: np.zeros(n, ">f4"), "repeated": lambda n: np.broadcast_to(np.float32(1), (n,)),
    "unaligned": lambda n: np.frombuffer(bytes(4 * n + 1), np.uint8)[1:].view(np.float32),
}  # fmt: skip


def _submitted() -> Iterator[tuple[str, Call]]:
    def submit(inquiry: Any, verdicts: Any, scores: Any) -> None:
        for _ in range(30):
            batch = inquiry.propose(8)
            if batch is None:
                return
            inquiry.submit(batch.id, verdicts(len(batch)), scores(len(batch)))

    for (first, verdicts), (second, scores) in itertools.product(_VERDICTS.items(), _SCORES.items()):
        yield (
            f"search, {first}, {second}",
            lambda v=verdicts, s=scores: submit(search(weighting="score"), v, s),
        )
        yield f"extraction, {first}, {second}", lambda v=verdicts, s=scores: submit(extraction(), v, s)


def _drawings() -> Iterator[tuple[str, Call]]:
    n = SIDE * SIDE * 3
    buffers = {
        "one row": np.zeros(n, np.uint8), "4000": np.zeros(4000, np.uint8), "empty": np.zeros(0, np.uint8),
        "strided": np.zeros(2 * 8 * n, np.uint8)[::2], "reversed": np.zeros(8 * n, np.uint8)[::-1], "text": "x",
        "repeated": np.broadcast_to(np.uint8(1), (8 * n,)), "short rows": np.zeros((8, 100), np.uint8),
        "long rows": np.zeros((8, 4000), np.uint8), "float": np.zeros((8, n), np.float32),
        "4-d": np.zeros((8, SIDE, SIDE, 3), np.uint8),
    }  # fmt: skip
    for name, buffer in buffers.items():
        yield f"slots {name}", lambda b=buffer: drawn(b)
    some = pixels()
    images = {
        "short": some[:-1], "long": np.append(some, some[:1]), "empty": some[:0], "float": some.astype(np.float32),
        "3-d": some.reshape(SIDE, SIDE, 3), "strided": np.repeat(some, 2)[::2], "reversed": some[::-1], "text": "x",
    }  # fmt: skip
    for name, image in images.items():
        yield f"image {name}", lambda i=image: drawn(image=i)
        yield f"baseline {name}", lambda i=image: drawn(baseline=i)
    for sizes in (
        (2**32, 2**32, 1, 3), (2**31, 2, 1, 1), (0, 0, 0, 0), (0, SIDE, 1, 3), (SIDE, SIDE, 0, 3), (2**63, 1, 1, 1),
        (2**16, 2**16, 2**16, 2**16), (1, n, 1, 1), (n, 1, 1, 1), (SIDE, SIDE, 3, 1), (SIDE, 96, 1, 1),
    ):  # fmt: skip
        names = dict(zip(("height", "width", "planes", "pixel_bytes"), sizes, strict=True))
        yield f"renderer {sizes}", lambda k=names: drawn(**k)
        empty = np.zeros(0, np.uint8)
        yield f"renderer of nothing {sizes}", lambda k=names, e=empty: drawn(e, e, e, **k)
    for side in (16, 31, 33, 64):
        yield f"a batch of {side} x {side}", lambda s=side: drawn(batch=search(s, s).propose(8))


def _scoring(activation: Any, is_binary: Any) -> Any:
    return _core.Scoring(activation, is_binary=is_binary)


def _scores() -> Iterator[tuple[str, Call]]:
    outputs = {
        "empty": np.zeros((0, 5), np.float32), "no columns": np.zeros((4, 0), np.float32),
        "1-d": np.zeros(5, np.float32),
        "3-d": np.zeros((1, 2, 3), np.float32), "float64": np.zeros((4, 5)), "NaN": np.full((4, 5), np.nan, np.float32),
        "infinite": np.full((4, 5), np.inf, np.float32), "highest": np.full((4, 5), 3.4e38, np.float32),
        "strided": np.zeros((8, 10), np.float32)[::2, ::2], "reversed": np.zeros((4, 5), np.float32)[::-1],
        "repeated": np.broadcast_to(np.float32(1), (1000, 1000)), "none": None,
    }  # fmt: skip
    for activation, is_binary in itertools.product(
        ("softmax", "sigmoid", "none", "", None, 5, "\0"), (True, False, None)
    ):
        for name, output in outputs.items():
            what = f"scores {activation!r} {is_binary} {name}"
            yield what, lambda a=activation, b=is_binary, o=output: _scoring(a, b).apply(o)
            yield (
                f"{what}, rank",
                lambda a=activation, b=is_binary, o=output: _scoring(a, b).score_and_rank(o, 99),
            )


def _orders() -> Iterator[tuple[str, Call]]:
    """Calls in another order than any search makes them."""
    heatmaps = {
        "NaN": np.full((SIDE, SIDE), np.nan, np.float32), "infinite": np.full((SIDE, SIDE), np.inf, np.float32),
        "negative": np.full((SIDE, SIDE), -1, np.float32), "float64": np.zeros((SIDE, SIDE)), "none": None,
        "small": np.zeros((3, 3), np.float32), "1-d": np.zeros(1024, np.float32), "empty": np.zeros((0, 0), np.float32),
        "strided": np.zeros((64, 64), np.float32)[::2, ::2], "repeated": np.broadcast_to(np.float32(1), (SIDE, SIDE)),
    }  # fmt: skip
    for name, heatmap in heatmaps.items():
        yield f"extraction of {name}", lambda h=heatmap: answered(extraction(heatmap=h), 80).kept()
    none = np.zeros(1, bool), np.zeros(1, np.float32)

    def twice() -> None:
        one = search()
        batch = one.propose(1)
        one.submit(batch.id, *none)
        one.submit(batch.id, *none)

    def unanswered() -> None:
        one = search()
        for _ in range(10_000):
            one.propose(1)

    def early() -> None:
        one = search()
        one.propose(4)
        answered(_core.Extraction(one, np.ones((SIDE, SIDE), np.float32), cells=8, min_score=0.0))
        answered(one)

    def by_threads() -> None:
        one = search(64, 64, partitions=20)

        def work() -> None:
            for _ in range(300):
                batch = one.propose(4)
                if batch is None:
                    return
                one.submit(batch.id, batch.masked().mean((1, 2)) < 0.5, np.zeros(len(batch), np.float32))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    yield "submitted before it was proposed", lambda: search().submit(0, *none)
    yield "submitted twice", twice
    yield "another search's batch", lambda: search().submit(search(seed=9).propose(1).id, *none)
    yield "proposed and never answered", unanswered
    yield "extracted too early", early
    yield "by eight threads", by_threads
    yield "a heatmap before any answer", lambda: search().heatmap()
    for name in ("Batch", "Slots"):
        yield f"constructed {name}", lambda n=name: getattr(_core, n)()
    yield "never initialised", lambda: _core.Search.__new__(_core.Search)
