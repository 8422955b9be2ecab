"""One request for an explanation: it waits for a worker, hears what that tells, and answers in the form asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dccausal._shared.json import json_text
from dccausal._shared.text import said
from dccausal.errors import InputError
from dccausal.serving.queue import BusyError, StoppingError, Ticket
from dccausal.serving.upload import EVENTS, JSON, PNG, RefusedError, Upload
from dccausal.serving.worker import HangingError, TimeLimitError, Worker

if TYPE_CHECKING:
    from starlette.requests import Request

# Seconds between two looks at the place in the queue.
_LOOK_S = 1.0
_RETRY_S = 5
_ENDS = ("end", "error")


class Asking:
    """
    One request.

    Parameters
    ----------
    worker
        Who explains.
    request
        Where it came from.
    upload
        What it brought.
    wants
        "json", "events" or "picture".

    """

    def __init__(self, worker: Worker, request: Request, upload: Upload, wants: str) -> None:
        """Put nothing into the queue yet."""
        self._worker, self._request, self._wants = worker, request, wants
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._is_over = False
        loop = asyncio.get_running_loop()

        def tell(name: str, data: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(self._events.put_nowait, (name, data))

        self._ticket = Ticket(
            upload.photo, upload.baseline, upload.options, wants, upload.picture, upload.is_drawn, tell
        )

    @staticmethod
    def busy() -> RefusedError:
        """Return what is answered where the queue is full."""
        return RefusedError(429, "the queue is full; try again later", retry_after=_RETRY_S)

    async def answer(self) -> Any:
        """
        Wait for the explanation and return the response.

        Raises
        ------
        RefusedError
            If there is no room, or no time.
        InputError
            If the options or the photograph cannot be used.

        """
        from starlette.responses import Response, StreamingResponse

        try:
            self._worker.check(self._ticket.options)
            self._worker.queue.put(self._ticket)
        except BusyError:
            self._ticket.close()
            raise self.busy() from None
        except StoppingError as error:
            self._ticket.close()
            raise _told(error) from None
        except BaseException:
            self._ticket.close()
            raise
        self._gone = asyncio.ensure_future(self._until_gone())
        if self._wants == "events":
            return StreamingResponse(self._stream(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
        content, kind = b"", JSON if self._wants == "json" else PNG
        async for name, data in self._heard():
            if name == "error":
                raise _told(data)
            if name in ("result", "picture"):
                content = data
        return Response(content, media_type=kind)

    async def _stream(self) -> AsyncIterator[bytes]:
        async for name, data in self._heard():
            if name == "error":
                status, document, _ = _described(_told(data))
                yield _event("error", json_text({**document, "status": status}).encode("ascii"))
            elif name != "end":
                yield _event(name, data if isinstance(data, bytes) else json.dumps(data).encode("ascii"))

    async def _heard(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield what the worker tells, to its last event; on the way out the work is stopped that is not done."""
        gone = self._gone
        loop = asyncio.get_running_loop()
        waited_since: float | None = None
        told_place: int | None = None
        try:
            while True:
                next_event = asyncio.ensure_future(self._events.get())
                done, _ = await asyncio.wait(
                    {next_event, gone}, timeout=_LOOK_S, return_when="FIRST_COMPLETED"
                )
                if next_event in done:
                    event = next_event.result()
                    self._is_over = event[0] in _ENDS
                    yield event
                    if self._is_over:
                        return
                    continue
                next_event.cancel()
                if gone in done:
                    return
                place = self._worker.queue.place_of(self._ticket)
                if place is not None:
                    if place != told_place:
                        told_place = place
                        yield "queued", {"before": place}
                    continue
                waited_since = waited_since or loop.time()
                limits = self._worker.limits
                if loop.time() - waited_since > limits.timeout + limits.patience:
                    yield "error", HangingError()
                    return
        finally:
            gone.cancel()
            self._leave()

    async def _until_gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._worker.leave(self._ticket)

    @staticmethod
    def refusal(error: Exception) -> Any:
        """Return an error as a response."""
        from starlette.responses import Response

        status, document, headers = _described(error)
        return Response(json_text(document), status, headers, media_type=JSON)


def _told(error: Exception) -> Exception:
    """Return what a worker's error is to the one who asked."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, StoppingError):
        return RefusedError(503, "the service is being stopped; try again", retry_after=_RETRY_S)
    if isinstance(error, TimeLimitError):
        return RefusedError(503, "the time limit came before anything was known", retry_after=_RETRY_S)
    if isinstance(error, HangingError):
        return RefusedError(503, "a run of the model does not end", retry_after=_RETRY_S)
    if isinstance(error, MemoryError):
        return RefusedError(503, "there is too little memory for this; try again", retry_after=_RETRY_S)
    return RefusedError(500, said(error))


def _described(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, document and headers."""
    if not isinstance(error, RefusedError):
        return 422, {"detail": said(error), "error": type(error).__name__}, {}
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    if error.status in (408, 413):  # what is left of the upload is not read
        headers["Connection"] = "close"
    return error.status, {"detail": str(error), "error": "Refused"}, headers


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode("ascii") + b"\ndata: " + data + b"\n\n"
