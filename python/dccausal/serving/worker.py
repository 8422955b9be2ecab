"""What becomes of a ticket: the photograph is read, explained and drawn, all by one thread, and told as events."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dccausal.engine.explain import complete
from dccausal.engine.options import Options
from dccausal.engine.plan import Plan
from dccausal.engine.progress import Progress, StopEarly
from dccausal.errors import DccausalError, DeviceError, InputError, OptionError
from dccausal.inputs.photo import load_photo, measure_photo
from dccausal.remote.classifier import RemoteClassifier
from dccausal.serving.answers import drawn, heat, json_answer, picture, pictures, seen
from dccausal.serving.limits import Limits
from dccausal.serving.metrics import Metrics
from dccausal.serving.queue import Queue, StoppingError, Ticket

if TYPE_CHECKING:
    from dccausal.classifier import Classifier

_log = logging.getLogger("dccausal")

# Seconds between two events of a kind.
_EVERY, _HEAT_EVERY = 0.1, 0.3


class TimeLimitError(Exception):
    """The time was over before anything was known."""


class HangingError(Exception):
    """A run of the model takes longer than anything may."""


class _Gone(Exception):  # noqa: N818  no error: nobody waits any more
    pass


class Worker:
    """
    Does what tickets ask.

    Parameters
    ----------
    classifier
        What is explained.
    limits
        What is allowed.
    threads
        Threads that mask, for each explanation; None for all cores.
    metrics
        Counts.

    Attributes
    ----------
    failure
        Why no more can be explained, once a device is lost; None while all is well.

    """

    def __init__(self, classifier: Classifier, limits: Limits, threads: int | None, metrics: Metrics) -> None:
        """Take the classifier, which is loaded."""
        self.limits = limits
        self._classifier, self._threads, self._metrics = classifier, threads, metrics
        self.queue = Queue(self.work, limits.workers, limits.queue)
        self.failure: str | None = None

    @property
    def is_hanging(self) -> bool:
        """Whether every thread waits for a run of the model that does not end."""
        return self.queue.n_longer_than(self.limits.timeout + self.limits.patience) >= self.limits.workers

    def check(self, options: Mapping[str, Any]) -> None:
        """
        Check options before a photograph waits.

        Raises
        ------
        OptionError
            If one is out of its range, or there is no such label.

        """
        self._plan(options, None)

    def leave(self, ticket: Ticket) -> None:
        """Forget a ticket; what was not done of it is counted as left by the client."""
        if self.queue.leave(ticket):
            self._metrics.stopped("client")

    def work(self, ticket: Ticket) -> None:
        """Explain, and tell how it goes; the last event is "end" or "error"."""
        if ticket.is_gone.is_set():
            return
        if time.monotonic() >= self.queue.stop_at:
            ticket.tell("error", StoppingError())
            return
        begun = time.monotonic()
        self._metrics.waited(begun - ticket.came)
        try:
            self._explain(ticket, begun)
        except _Gone:
            pass
        except StopEarly:
            self._metrics.stopped("time")
            is_ours = time.monotonic() >= self.queue.stop_at
            ticket.tell("error", StoppingError() if is_ours else TimeLimitError())
        except (DccausalError, MemoryError) as error:
            if not isinstance(error, InputError):
                _log.warning("a request failed: %s", error)
            # A server that does not answer may do so again; a device that is lost stays lost.
            if isinstance(error, DeviceError) and not isinstance(self._classifier, RemoteClassifier):
                self.failure = f"the device is lost: {error}"
            ticket.tell("error", error)
        finally:
            self._metrics.worked(time.monotonic() - begun)

    def _explain(self, ticket: Ticket, begun: float) -> None:
        data = ticket.photo.read()
        measure_photo(data, self.limits.max_pixels)
        options = dict(ticket.options)
        if ticket.baseline is not None:
            content = ticket.baseline.read()
            measure_photo(content, self.limits.max_pixels)
            options["baseline"] = load_photo(content)
        watch = _Watch(ticket, lambda: min(begun + self.limits.timeout, self.queue.stop_at))
        plan = self._plan(options, watch)
        job = plan.prepare(data)
        if ticket.is_drawn:
            ticket.tell("view", seen(job.view, self._classifier))
        explanation = complete(plan, job)
        self._metrics.explained(explanation)
        if watch.has_stopped:
            self._metrics.stopped("time")
        if ticket.is_gone.is_set():
            raise _Gone
        if ticket.is_drawn:
            ticket.tell("drawn", drawn(explanation))
        if ticket.wants == "picture":
            ticket.tell("picture", picture(explanation, ticket.picture, self.limits.picture_side))
        else:
            ticket.tell("result", json_answer(explanation))
        if ticket.is_drawn:
            ticket.tell("pictures", pictures(explanation, self.limits.picture_side))
        ticket.tell("end", None)

    def _plan(self, options: Mapping[str, Any], watch: _Watch | None) -> Plan:
        most, given = self.limits.max_calls, options.get("max_calls")
        if most is not None and given is not None and given > most:
            raise OptionError(f"max_calls is {given}; at most {most} model calls are needed here")
        allowed = {"max_calls": given or most, "threads": self._threads, "progress": watch}
        return Plan.of(self._classifier, Options.of({**options, **allowed}))


class _Watch:
    """What is called after each batch: tells how far it is, and ends what nobody waits for or takes too long."""

    def __init__(self, ticket: Ticket, until: Callable[[], float]) -> None:
        self._ticket, self._until = ticket, until
        self._told = self._drawn = float("-inf")
        self.has_stopped = False

    def __call__(self, progress: Progress) -> None:
        if self._ticket.is_gone.is_set():
            raise _Gone
        now = time.monotonic()
        if now >= self._until() and not self.has_stopped:
            self.has_stopped = True
            raise StopEarly
        if self._ticket.wants != "events":
            return
        if now - self._told >= _EVERY:
            self._told = now
            told = {
                "phase": progress.phase,
                "n_calls": progress.n_calls,
                "n_expected": progress.n_expected,
                "seconds": round(progress.seconds, 3),
            }
            self._ticket.tell("progress", told)
        if now - self._drawn >= _HEAT_EVERY and progress.sketch is not None and progress.phase != "check":
            heatmap = progress.sketch()
            if heatmap.any():
                self._drawn = now
                self._ticket.tell("heat", heat(heatmap))
