"""Requests on their way: a queue of bounded length, and threads that take from it, oldest first."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_log = logging.getLogger("dccausal")


class BusyError(Exception):
    """There is no room for another request."""


class StoppingError(Exception):
    """The service is being stopped."""


@dataclass(eq=False)
class Ticket:
    """
    A request on its way.

    Attributes
    ----------
    photo
        The upload, open for reading; closed when the ticket is done with.
    baseline
        An upload that masked pixels are replaced by, or none.
    options
        The options of ``explain`` that it gives.
    wants
        What is answered: "json", "picture" or "events".
    picture
        Which picture.
    is_drawn
        Whether the events have what a page draws from.
    tell
        Takes an event, its name and its data, from any thread.
    is_gone
        Set when nobody waits for the answer any more.
    came
        When it came, by ``time.monotonic``.

    """

    photo: BinaryIO
    baseline: BinaryIO | None
    options: dict[str, Any]
    wants: str
    picture: str
    is_drawn: bool
    tell: Callable[[str, Any], None]
    is_gone: threading.Event = field(default_factory=threading.Event)
    came: float = field(default_factory=time.monotonic)

    def close(self) -> None:
        """Close the uploads."""
        for upload in (self.photo, self.baseline):
            if upload is not None:
                upload.close()


class Queue:
    """
    Takes tickets, at most so many, and has threads work on them in the order in which they came.

    Parameters
    ----------
    work
        Does what a ticket asks. What it raises is logged, and the thread lives on.
    n_workers
        Threads.
    most
        Tickets that wait, beside those that are worked on.

    """

    def __init__(self, work: Callable[[Ticket], None], n_workers: int, most: int) -> None:
        """Start no thread yet."""
        self._work, self._n_workers, self._most = work, n_workers, most
        self._waiting: deque[Ticket] = deque()
        self._running: dict[Ticket, float] = {}  # since when
        self._changed = threading.Condition()
        self._is_over = False
        self._threads: list[threading.Thread] = []
        self.stop_at = float("inf")

    def start(self) -> None:
        """Start the threads."""
        for i in range(self._n_workers):
            thread = threading.Thread(target=self._run, name=f"dccausal-worker-{i}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def is_alive(self) -> bool:
        """Whether every thread is there."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    @property
    def is_full(self) -> bool:
        """Whether another ticket would be turned away."""
        with self._changed:
            return self._is_crowded()

    @property
    def is_stopping(self) -> bool:
        """Whether no more tickets are taken."""
        return self.stop_at != float("inf")

    @property
    def n_waiting(self) -> int:
        """Tickets that wait."""
        return len(self._waiting)

    @property
    def n_running(self) -> int:
        """Tickets that are worked on."""
        return len(self._running)

    def n_longer_than(self, seconds: float) -> int:
        """Return how many tickets have been worked on for longer."""
        with self._changed:
            now = time.monotonic()
            return sum(now - begun > seconds for begun in self._running.values())

    def put(self, ticket: Ticket) -> None:
        """
        Take a ticket.

        Raises
        ------
        BusyError, StoppingError
            If there is no room, or no more are taken.

        """
        with self._changed:
            if self.is_stopping:
                raise StoppingError
            if self._is_crowded():
                raise BusyError
            self._waiting.append(ticket)
            self._changed.notify()

    def place_of(self, ticket: Ticket) -> int | None:
        """Return how many are before a ticket that waits; None once it is worked on."""
        with self._changed:
            return self._waiting.index(ticket) if ticket in self._waiting else None

    def leave(self, ticket: Ticket) -> bool:
        """Forget a ticket that nobody waits for; return whether it was not done by then."""
        ticket.is_gone.set()
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                ticket.close()
                return True
            return ticket in self._running

    def stop(self, grace: float) -> None:
        """Take no more tickets; those that are here have so many seconds. Returns at once."""
        with self._changed:
            self.stop_at = min(self.stop_at, time.monotonic() + grace)
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until all is done, after ``stop``."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=max(0.0, self.stop_at - time.monotonic()) + 5.0)

    def _is_crowded(self) -> bool:
        # Free threads take what waits, so a queue of no length still serves as many as there are threads.
        return len(self._waiting) + len(self._running) >= self._most + self._n_workers

    def _run(self) -> None:
        while (ticket := self._next()) is not None:
            try:
                self._work(ticket)
            except Exception:  # noqa: BLE001  whatever it is, it is this request's alone
                _log.exception("a request failed")
                ticket.tell("error", RuntimeError("internal error"))
            finally:
                with self._changed:
                    self._running.pop(ticket, None)
                ticket.close()

    def _next(self) -> Ticket | None:
        with self._changed:
            while not self._waiting:
                if self._is_over:
                    return None
                self._changed.wait()
            ticket = self._waiting.popleft()
            self._running[ticket] = time.monotonic()
            return ticket
