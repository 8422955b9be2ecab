"""The workers of a run as actors of Ray's: who has what to do, and what is done again when one dies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dccausal._shared.text import said
from dccausal.errors import DccausalError, DeviceError, InputError, ModelError
from dccausal.runs.worker import Chunk, Part, Settings, Worker

# Chunks that a worker has at once: it works at one, and the next is there.
_CHUNKS = 2
# Of a chunk of several, after so many deaths each photograph is tried alone; and alone it is given up after so many.
_DEATHS_TOGETHER, _DEATHS_ALONE = 3, 6
_START_S = 300.0  # until the first worker is there
_MORE_S = 60.0  # and the others


@dataclass(eq=False)
class _Actor:
    handle: Any
    pending: set[Any] = field(default_factory=set)
    about: dict[str, Any] | None = None


@dataclass(eq=False)
class Pool:
    """
    Workers, each an actor.

    Attributes
    ----------
    settings
        What they have in common.
    n
        How many there are.
    resources
        What each takes: "num_cpus", "num_gpus".
    give_up
        Makes the part of a chunk over which workers died again and again.
    n_deaths
        Workers that have died.

    """

    settings: Settings
    n: int
    resources: dict[str, Any]
    give_up: Callable[[Chunk, Any], Part]
    n_deaths: int = 0
    _actors: list[_Actor] = field(default_factory=list)
    _pending: dict[Any, tuple[_Actor, Chunk, Any]] = field(default_factory=dict)
    _starting: dict[Any, _Actor] = field(default_factory=dict)
    _again: deque[tuple[Chunk, Any]] = field(default_factory=deque)
    _deaths_in_a_row: int = 0

    @property
    def workers(self) -> list[dict[str, Any]]:
        """The workers that are there: "pid" and "host"."""
        return [actor.about for actor in self._actors if actor.about is not None]

    def start(self) -> None:
        """
        Start the workers, and wait until they have the model; of those for which there is no room yet, only the first.

        Raises
        ------
        DccausalError
            What a worker says that cannot begin.
        DeviceError
            If no worker starts.

        """
        for _ in range(self.n):
            self._start_one()
        end = time.monotonic() + _START_S
        while self._starting and time.monotonic() < end:
            self._wait(list(self._starting), 1.0)
            if self.workers:
                end = min(end, time.monotonic() + _MORE_S)
        if not self.workers:
            raise DeviceError(
                f"no worker started within {_START_S:.0f} s; {self.resources} is needed for each, free on one machine"
            )

    def run(self, chunks: Iterator[tuple[Chunk, Any]]) -> Iterator[Part]:
        """
        Have chunks explained, and yield what became of each as it is done.

        Raises
        ------
        DccausalError
            What a worker says that is no photograph's fault.
        DeviceError
            If workers die as soon as they begin.

        """
        while True:
            self._fill(chunks)
            if not self._pending and not self._starting:
                return
            if not self._pending and not self._again and self.workers:
                return
            yield from self._wait([*self._pending, *self._starting], 1.0)

    def stop(self) -> None:
        """End the workers at once."""
        import ray

        for actor in [*self._actors, *self._starting.values()]:
            ray.kill(actor.handle)
        self._actors, self._starting, self._pending = [], {}, {}

    def _start_one(self) -> None:
        import ray

        made = ray.remote(Worker).options(max_concurrency=_CHUNKS + 1, max_restarts=0, **self.resources)
        actor = _Actor(made.remote())
        self._starting[actor.handle.open.remote(self._settings_ref())] = actor

    def _settings_ref(self) -> Any:
        import ray

        if not hasattr(self, "_shared"):
            self._shared = ray.put(self.settings)
        return self._shared

    def _fill(self, chunks: Iterator[tuple[Chunk, Any]]) -> None:
        for room in range(_CHUNKS):
            for actor in self._actors:
                if len(actor.pending) > room:
                    continue
                chunk, block = self._next_for(actor, chunks)
                if chunk is None:
                    continue
                asked = actor.handle.explain.remote(chunk, block)
                actor.pending.add(asked)
                self._pending[asked] = (actor, chunk, block)

    def _next_for(self, actor: _Actor, chunks: Iterator[tuple[Chunk, Any]]) -> tuple[Chunk | None, Any]:
        """
        Return what a worker that has room is to do; None where there is nothing for it.

        That over which workers die is done by one that does nothing else, so that no other is taken for it.
        """
        if any(_is_suspect(self._pending[ref][1]) for ref in actor.pending):
            return None, None
        for i, (chunk, block) in enumerate(self._again):
            if not (actor.pending and _is_suspect(chunk)):
                del self._again[i]
                return chunk, block
        return next(chunks, (None, None))

    def _wait(self, asked: list[Any], seconds: float) -> Iterator[Part]:
        """Return the parts that have come; a worker that has started, or died, is taken note of."""
        import ray

        ready, _ = ray.wait(asked, num_returns=1, timeout=seconds)
        if ready and len(asked) > 1:
            ready, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        return iter([part for ref in ready if (part := self._take(ref)) is not None])

    def _take(self, ref: Any) -> Part | None:
        import ray
        from ray.exceptions import RayError, RayTaskError

        if ref not in self._pending and ref not in self._starting:
            return None  # of a worker that died meanwhile
        try:
            answer = ray.get(ref)
        except RayTaskError as error:
            cause = getattr(error, "cause", None)
            if ref in self._starting and isinstance(cause, ModelError):
                raise ModelError(
                    f"a worker cannot open the model: {said(cause)}; a path that all machines see is needed"
                ) from None
            if isinstance(cause, DccausalError):
                raise cause from None
            if ref in self._starting:  # what cannot be unpickled there, say
                *_, line = str(error).strip().splitlines() or [""]
                raise InputError(
                    f"a worker cannot make the classifier: {line}; one of a module that workers can import, with what "
                    "it needs, is needed"
                ) from error
            raise
        except RayError as error:
            return self._bury(self._starting.get(ref) or self._pending[ref][0], error)
        if ref in self._starting:
            actor = self._starting.pop(ref)
            actor.about = answer
            self._actors.append(actor)
            return None
        actor, _, _ = self._pending.pop(ref)
        actor.pending.discard(ref)
        self._deaths_in_a_row = 0
        part: Part = answer
        return part

    def _bury(self, actor: _Actor, error: Exception) -> Part | None:
        """Start another worker, and have done again what this one had to do."""
        import ray

        self.n_deaths += 1
        self._deaths_in_a_row += 1
        ray.kill(actor.handle)
        if actor in self._actors:
            self._actors.remove(actor)
        self._starting = {ref: one for ref, one in self._starting.items() if one is not actor}
        if self._deaths_in_a_row > 3 * self.n + 3 * _DEATHS_ALONE:
            raise DeviceError(
                f"workers die as soon as they begin ({' '.join(str(error).split())[:200]}); memory for the model and "
                "the photographs in flight is needed"
            ) from error
        given_up: Part | None = None
        for ref in list(actor.pending):
            _, chunk, block = self._pending.pop(ref)
            chunk = chunk._replace(attempts=chunk.attempts + 1)
            if len(chunk.indices) > 1 and chunk.attempts >= _DEATHS_TOGETHER:
                self._again.extend((one, block) for one in _singles(chunk))
            elif chunk.attempts >= _DEATHS_ALONE:
                part = self.give_up(chunk, None if block is None else ray.get(block))
                given_up = part if given_up is None else _both(given_up, part)
            else:
                self._again.append((chunk, block))
        self._start_one()
        return given_up


def _is_suspect(chunk: Chunk) -> bool:
    return chunk.attempts >= _DEATHS_TOGETHER - 1


def _singles(chunk: Chunk) -> list[Chunk]:
    def one(values: Any, i: int) -> Any:
        return None if values is None else [values[i]]

    return [
        Chunk([index], one(chunk.paths, i), one(chunk.folders, i), one(chunk.rows, i), chunk.attempts - 1)
        for i, index in enumerate(chunk.indices)
    ]


def _both(one: Part, other: Part) -> Part:
    return one._replace(
        n=one.n + other.n, n_failed=one.n_failed + other.n_failed, failed=[*one.failed, *other.failed]
    )
