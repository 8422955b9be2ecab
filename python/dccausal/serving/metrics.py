"""What is counted, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation
    from dccausal.serving.queue import Queue

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counts of one service, in a registry of its own."""

    def __init__(self) -> None:
        """Count nothing yet."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        to: Any = {"registry": self.registry, "namespace": "dccausal"}
        self._requests = Counter("requests", "Answers, by path and status.", ("path", "status"), **to)
        self._explained = Counter("explanations", "Explanations, by their outcome.", ("outcome",), **to)
        self._calls = Counter("model_calls", "Images that the model was asked about.", **to)
        self._stopped = Counter(
            "stopped", "Explanations that were cut short: by client or time.", ("by",), **to
        )
        self._waited = Histogram("wait_seconds", "Time in the queue.", buckets=_SECONDS, **to)
        self._worked = Histogram("explanation_seconds", "Time of a worker.", buckets=_SECONDS, **to)
        self._queue_length = Gauge("queue_length", "Photographs that wait.", **to)
        self._running = Gauge("running", "Photographs that are being explained.", **to)
        self._ready = Gauge("ready", "Whether requests are taken.", **to)

    def watch(self, queue: Queue, is_ready: Any) -> None:
        """Tell how long a queue is, whenever that is asked."""
        self._queue_length.set_function(lambda: queue.n_waiting)
        self._running.set_function(lambda: queue.n_running)
        self._ready.set_function(lambda: float(is_ready()))

    def answered(self, path: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(path, str(status)).inc()

    def waited(self, seconds: float) -> None:
        """Count a time in the queue."""
        self._waited.observe(seconds)

    def worked(self, seconds: float) -> None:
        """Count a time of a worker."""
        self._worked.observe(seconds)

    def stopped(self, by: str) -> None:
        """Count an explanation that was cut short."""
        self._stopped.labels(by).inc()

    def explained(self, explanation: Explanation) -> None:
        """Count an explanation and what it cost."""
        self._explained.labels(explanation.outcome).inc()
        self._calls.inc(explanation.statistics.get("model_calls", 0))

    def text(self) -> tuple[bytes, str]:
        """Return all counts as Prometheus reads them, and the type of that."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
