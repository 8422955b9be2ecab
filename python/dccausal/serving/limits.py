"""What a service allows: how much at once, how large, how long."""

from __future__ import annotations

from dataclasses import dataclass

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError

_MOST = (1 << 62) - 1
_MOST_S = 86_400.0
_FEWEST_CALLS = 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """
    What a service allows.

    Attributes
    ----------
    workers
        Photographs that are explained at once, 1 to 64; each has a thread, and the model is loaded once.
    queue
        Photographs that wait for a worker, 0 to 4096; more are turned away (429).
    max_bytes
        Bytes of an upload.
    max_pixels
        Pixels of a photograph, told by its head before it is decoded.
    max_calls
        Model calls of an explanation, at least 20; None for as many as it needs.
    timeout
        Seconds an explanation may take, above 0. Then it ends with the best so far.
    patience
        Seconds that a run of the model may take beyond the time limit, as it cannot be interrupted. A request is then
        answered (503), and where every worker waits for such a run, the service is not healthy.
    upload_timeout
        Seconds in which an upload has to be there.
    grace
        Seconds that explanations have to end in when the service is stopped; then the best so far is answered.
    picture_side
        Pixels of the longer side of a picture that is answered.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """

    workers: int = 1
    queue: int = 16
    max_bytes: int = 25_000_000
    max_pixels: int = 25_000_000
    max_calls: int | None = None
    timeout: float = 60.0
    patience: float = 30.0
    upload_timeout: float = 30.0
    grace: float = 20.0
    picture_side: int = 2048

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("workers", self.workers, 1, 64)
        whole_number("queue", self.queue, 0, 4096)
        whole_number("max_bytes", self.max_bytes, 1, _MOST)
        whole_number("max_pixels", self.max_pixels, 4, _MOST)
        whole_number("picture_side", self.picture_side, 64, 16_384)
        if self.max_calls is not None:
            whole_number("max_calls", self.max_calls, _FEWEST_CALLS, _MOST)
        for name in ("timeout", "patience", "upload_timeout", "grace"):
            seconds = finite_number(name, getattr(self, name))
            if not 0 < seconds <= _MOST_S:
                raise OptionError(f"{name} is {seconds}; seconds above 0, at most {_MOST_S:g}, are needed")
