"""The service: an application that any ASGI server runs, with its endpoints and their OpenAPI."""
# Annotations are not postponed: FastAPI reads those of functions that are made here.

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from dccausal._shared.cores import count_cores
from dccausal._shared.json import json_text
from dccausal.classifier import Classifier
from dccausal.engine.backend import open_classifier
from dccausal.errors import InputError, RuntimeMissingError
from dccausal.serving.about import about_model
from dccausal.serving.asking import Asking
from dccausal.serving.described import REQUEST, RESPONSES
from dccausal.serving.limits import Limits
from dccausal.serving.metrics import Metrics
from dccausal.serving.page import HEADERS, page_and_policy
from dccausal.serving.upload import RefusedError, check_key, check_length, drain, read_upload, wanted
from dccausal.serving.worker import Worker

INSTALL = 'the service needs fastapi, uvicorn, python-multipart and prometheus-client: pip install "dccausal[serve]"'
KEY_VARIABLE = "DCCAUSAL_API_KEY"


def create_app(
    classifier: str | os.PathLike[str] | Classifier,
    *,
    limits: Limits | None = None,
    api_key: str | None = None,
    title: str = "dccausal",
) -> Any:
    """
    Return the service as an ASGI application (FastAPI).

    Parameters
    ----------
    classifier
        The path of an ONNX file, which is loaded when the application starts, in the process that serves; or any
        classifier.
    limits
        What is allowed; by default a photograph at a time and a queue of 16.
    api_key
        What requests for explanations have to bring; by default the value of ``DCCAUSAL_API_KEY`` in the environment,
        and nothing where that is not set.
    title
        What stands above the page.

    Returns
    -------
    FastAPI
        With ``GET /`` (the page), ``POST /v1/explanations``, ``GET /v1/model``, ``/healthz``, ``/readyz``,
        ``/metrics`` and ``/openapi.json``. ``app.state.service`` is the ``Service``.

    Raises
    ------
    RuntimeMissingError
        If a package is missing that the service needs.

    Examples
    --------
    >>> from dccausal.serving import Limits, create_app
    >>> app = create_app("model.onnx", limits=Limits(queue=4, timeout=30))  # uvicorn module:app

    """
    try:
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401  which forms need
        from fastapi import FastAPI
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, Response
    except ImportError as error:
        raise RuntimeMissingError(INSTALL) from error

    service = Service(classifier, limits or Limits(), api_key, title)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()
            await asyncio.to_thread(service.join)

    app = FastAPI(
        title=title,
        description="Minimal causal explanations of what an image classifier says.",
        version=service.version,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(service.middleware)

    def plain(text: str, status: int = 200) -> Response:
        return Response(json_text({"status": text}), status, media_type="application/json")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        content, policy = service.page()
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})

    @app.get("/healthz", summary="Whether the process works", tags=["probes"])
    async def healthz() -> Response:
        reason = service.why_not_healthy()
        return plain("ok") if reason is None else plain(reason, 503)

    @app.get("/readyz", summary="Whether requests are taken", tags=["probes"])
    async def readyz() -> Response:
        reason = service.why_not_ready()
        return plain("ready") if reason is None else plain(reason, 503)

    @app.get("/metrics", summary="Counts for Prometheus", tags=["probes"])
    async def metrics() -> Response:
        content, kind = service.metrics.text()
        return Response(content, headers={"Content-Type": kind})

    @app.get(
        "/v1/model",
        summary="The model, its labels, and the options of an explanation",
        response_class=Response,
        responses={200: {"content": {"application/json": {}}}},
    )
    async def model(request: Request) -> Any:
        try:
            check_key(request, service.api_key)
        except RefusedError as error:
            return service.refusal(error)
        return Response(json_text(service.about()), media_type="application/json")

    @app.post(
        "/v1/explanations",
        summary="Explain a photograph",
        description="The answer is JSON, a picture, or a stream of events, as Accept asks.",
        openapi_extra={"requestBody": REQUEST},
        responses=RESPONSES,
        response_class=Response,
    )
    async def explanations(request: Request) -> Any:
        return await service.explain(request)

    return app


class Service:
    """
    What the endpoints have in common.

    Parameters
    ----------
    classifier, limits, api_key, title
        As in ``create_app``.

    """

    def __init__(
        self, classifier: str | os.PathLike[str] | Classifier, limits: Limits, api_key: str | None, title: str
    ) -> None:
        """Load nothing yet."""
        from dccausal._core import __version__

        self.version, self.title, self.limits = __version__, title, limits
        self.api_key = os.environ.get(KEY_VARIABLE) or None if api_key is None else api_key
        self.metrics = Metrics()
        self._given = classifier
        self._worker: Worker | None = None
        self._about: dict[str, Any] = {}
        self._page: tuple[bytes, str] | None = None

    def start(self) -> None:
        """Load the model and start the workers."""
        classifier = open_classifier(self._given)
        threads = max(1, count_cores() // self.limits.workers)
        self._worker = Worker(classifier, self.limits, threads, self.metrics)
        self._about = about_model(classifier, self.limits, has_key=self.api_key is not None, title=self.title)
        self.metrics.watch(self._worker.queue, lambda: self.why_not_ready() is None)
        self._worker.queue.start()

    def stop(self) -> None:
        """Take no more requests; those that are here have as long as the limits say."""
        if self._worker is not None:
            self._worker.queue.stop(self.limits.grace)

    def join(self) -> None:
        """Wait until all is answered, after ``stop``."""
        if self._worker is not None:
            self._worker.queue.join()

    def why_not_healthy(self) -> str | None:
        """Return why a new process is needed; None where this one works, or has not loaded its model yet."""
        if self._worker is None:
            return None
        if self._worker.is_hanging:
            return "a run of the model does not end"
        return None if self._worker.queue.is_alive else "a worker has died"

    def why_not_ready(self) -> str | None:
        """Return why no requests are taken; None where they are."""
        if self._worker is None:
            return "the model is not loaded yet"
        if self._worker.queue.is_stopping:
            return "the service is being stopped"
        return self._worker.failure or self.why_not_healthy()

    def about(self) -> dict[str, Any]:
        """Return what is known of the model, the options and the limits."""
        return self._about

    def page(self) -> tuple[bytes, str]:
        """Return the page and its content security policy."""
        if self._page is None:
            self._page = page_and_policy(self._about)
        return self._page

    async def explain(self, request: Any) -> Any:
        """Answer a request for an explanation."""
        try:
            check_key(request, self.api_key)
            worker = self._ready_worker()
            wants = wanted(request)
            check_length(request, self.limits)
            if worker.queue.is_full:
                await drain(request)
                raise Asking.busy()
            upload = await read_upload(request, self.limits)
            return await Asking(worker, request, upload, wants).answer()
        except RefusedError as error:
            return self.refusal(error)
        except InputError as error:  # an option
            return self.refusal(error)

    def _ready_worker(self) -> Worker:
        reason = self.why_not_ready()
        if self._worker is None or reason is not None:
            raise RefusedError(503, reason or "not ready", retry_after=5)
        return self._worker

    def refusal(self, error: Exception) -> Any:
        """Return an error as an answer."""
        return Asking.refusal(error)

    def middleware(self, app: Any) -> Any:
        """Return an application around another one, which adds headers and counts answers."""
        known = ("/", "/healthz", "/readyz", "/metrics", "/v1/model", "/v1/explanations", "/openapi.json")

        async def call(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return

            async def counted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    path = scope["path"] if scope["path"] in known else "other"
                    self.metrics.answered(path, message["status"])
                    names = {name.lower() for name, _ in message["headers"]}
                    more = [(name, value) for name, value in HEADERS if name not in names]
                    message = {**message, "headers": [*message["headers"], *more]}
                await send(message)

            await app(scope, receive, counted)

        return call
