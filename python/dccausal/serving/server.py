"""The service with a server of its own, uvicorn: bound, run, and stopped without losing what is under way."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dccausal._shared.text import said
from dccausal.errors import OptionError, RuntimeMissingError
from dccausal.serving.app import INSTALL

# Connections at once; more are answered 503 by the server itself.
_MOST_CONNECTIONS = 1000
_MORE_S = 10
_MOST_PORT = 65535


def bind(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens, before any model is loaded.

    Parameters
    ----------
    host
        A name or an address.
    port
        0 for any that is free.

    Raises
    ------
    OptionError
        If it cannot be bound.

    """
    if not 0 <= port <= _MOST_PORT:
        raise OptionError(f"port is {port}; a number from 0 to {_MOST_PORT} is needed")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OptionError(
            f"host is {host} ({said(error)}); a name or an address of this machine is needed"
        ) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()  # who comes before the model is loaded waits
    except OSError as error:
        bound.close()
        raise OptionError(
            f"{'port' if error.errno != 99 else 'host'} is {port if error.errno != 99 else host} "  # noqa: PLR2004
            f"and cannot be bound ({error.strerror}); another one is needed"
        ) from error
    return bound


def serve(app: Any, bound: socket.socket, *, log_level: str = "warning") -> None:
    """
    Serve until the process is told to stop (SIGINT, SIGTERM); then answer what is under way.

    Parameters
    ----------
    app
        What ``create_app`` returned.
    bound
        What ``bind`` returned.
    log_level
        Of uvicorn's log.

    Raises
    ------
    RuntimeMissingError
        If uvicorn is missing.

    """
    try:
        import uvicorn
    except ImportError as error:
        raise RuntimeMissingError(INSTALL) from error

    service = app.state.service

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            service.stop()  # before connections are waited for, so that they end in time
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_level=log_level,
        access_log=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=int(service.limits.grace) + _MORE_S,
        server_header=False,
        lifespan="on",
    )
    with _signals_end_quietly():
        Server(config).run(sockets=[bound])


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let signals that uvicorn has obeyed do no more, which it raises again at its end."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
