"""Requests to a server of the Open Inference Protocol v2: by HTTP or gRPC, with a limit on time and on trying again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.text import shortened
from dccausal.errors import ClassifierError, DeviceError, RuntimeMissingError
from dccausal.remote.address import Address

Answer = TypeVar("Answer")

_PACKAGES = {"http": "tritonclient.http", "grpc": "tritonclient.grpc"}
# What a later request may find otherwise: too busy, starting, a gateway without the server behind it.
_AGAIN = {
    *("408", "429", "502", "503", "504"),
    *(f"StatusCode.{name}" for name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED")),
}
# What a server says that cannot read tensors in binary form.
_UNREAD = {"400", "415", "422", "500"}
_BINARY = "binary_tensor_data"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_MOST_SAID = 300
# What the library says of answers that are no JSON.
_UNREADABLE_SIGN, _UNREADABLE = "while decoding the response", "something that is not of the protocol"


class Refused(Exception):  # noqa: N818  said by a server, and made into one of our errors by who asked
    """
    What a server answered in place of a result.

    Attributes
    ----------
    status
        "404" or "StatusCode.NOT_FOUND", for example; empty where the answer cannot be read.
    said
        The server's words, on one line.

    """

    def __init__(self, status: str, said: str) -> None:
        """Take status and words."""
        super().__init__(f"{status}: {said}" if status else said)
        self.status, self.said = status, said


class Client:
    """
    Asks a server about a model; any number of threads may do so, each by a connection of its own.

    Parameters
    ----------
    address
        Of the model.
    timeout
        Seconds that a request may take.
    retries
        How often a request is sent again that found no server, or a busy one. Between two there is a pause that
        doubles, from 0.1 s to 5 s.
    headers
        Headers of every request, by name: an API key, for one.

    Raises
    ------
    RuntimeMissingError
        If the client library is not installed.

    """

    def __init__(
        self, address: Address, *, timeout: float, retries: int, headers: Mapping[str, str] | None = None
    ) -> None:
        """Load the library; nothing is asked yet."""
        self.address, self._timeout, self._retries = address, timeout, retries
        self._headers = dict(headers or {}) or None
        self._is_grpc = address.scheme.startswith("grpc")
        self._library = _library("grpc" if self._is_grpc else "http")
        self._own = threading.local()
        self._binary: bool | None = True if self._is_grpc else None

    def metadata(self) -> dict[str, Any]:
        """
        Return what the server says of the model: "inputs", "outputs", "versions", "platform".

        Raises
        ------
        DeviceError
            If nothing answers.
        Refused
            If the server has no such model, or answers something else.

        """
        address = self.address
        more = {"as_json": True} if self._is_grpc else {}
        found = self._ask(
            lambda c: c.get_model_metadata(address.model, address.version, **more, **self._limits)
        )
        if not isinstance(found, dict) or "inputs" not in found:
            raise Refused("", "it answered without the model's inputs")
        return found

    def most_rows(self) -> int | None:
        """Return how many images the server takes a request, where it says so (Triton does)."""
        more = {"as_json": True} if self._is_grpc else {}
        try:
            found = self._ask(
                lambda c: c.get_model_config(self.address.model, self.address.version, **more, **self._limits)
            )
        except (Refused, DeviceError):
            return None
        config = found.get("config", found) if isinstance(found, dict) else {}
        most = config.get("max_batch_size")
        return int(most) if most and int(most) > 0 else None

    def infer(self, feeds: Mapping[str, NDArray[Any]], outputs: list[str]) -> list[NDArray[Any]]:
        """
        Return the outputs of these names for inputs by name.

        Raises
        ------
        DeviceError
            If nothing answers, or the server stays too busy.
        ClassifierError
            If the server refuses, or does not give an output.

        """
        if self._binary is None:
            self._binary = self._reads_binary()
        try:
            try:
                return self._infer(feeds, outputs, is_binary=self._binary)
            except Refused as error:
                if not self._binary or self._is_grpc or error.status not in _UNREAD:
                    raise
                answer = self._infer(feeds, outputs, is_binary=False)
                self._binary = False
                return answer
        except Refused as error:
            raise ClassifierError(
                f"{self.address.url} refused {_shapes(feeds)}: {error}; a model that takes it is needed"
            ) from error

    @property
    def _limits(self) -> dict[str, Any]:
        """What every request has."""
        found: dict[str, Any] = {"headers": self._headers} if self._headers else {}
        return found | ({"client_timeout": self._timeout} if self._is_grpc else {})

    def _reads_binary(self) -> bool:
        """Return whether the server may read tensors in binary form: it says so, or does not say what it can."""
        try:
            told = self._ask(lambda client: client.get_server_metadata(**self._limits)).get("extensions")
        except (Refused, AttributeError):
            return True
        return not told or _BINARY in told

    def _infer(
        self, feeds: Mapping[str, NDArray[Any]], outputs: list[str], *, is_binary: bool
    ) -> list[NDArray[Any]]:
        library = self._library
        from tritonclient.utils import np_to_triton_dtype

        inputs: list[Any] = []
        form: dict[str, Any] = {} if self._is_grpc else {"binary_data": is_binary}
        for name, value in feeds.items():
            inputs.append(library.InferInput(name, value.shape, np_to_triton_dtype(value.dtype)))
            inputs[-1].set_data_from_numpy(np.ascontiguousarray(value), **form)
        wanted = [library.InferRequestedOutput(name, **form) for name in outputs]
        address = self.address

        def ask(client: Any) -> list[NDArray[Any]]:
            answer = client.infer(
                address.model, inputs, address.version, outputs=wanted or None, **self._limits
            )
            values = [answer.as_numpy(name) for name in outputs]
            missing = [name for name, value in zip(outputs, values, strict=True) if value is None]
            if missing:
                raise Refused("", f"the answer has no output {missing[0]!r}")
            return values

        return self._ask(ask)

    def _ask(self, ask: Callable[[Any], Answer]) -> Answer:
        """Ask by this thread's connection, again where that may help."""
        from tritonclient.utils import InferenceServerException

        pause = _FIRST_PAUSE_S
        for left in range(self._retries, -1, -1):
            try:
                return ask(self._connection())
            except InferenceServerException as error:
                status, said = str(error.status() or ""), _line(error.message())
                if status not in _AGAIN:
                    raise Refused(status, _UNREADABLE if _UNREADABLE_SIGN in said else said) from error
                failure: Exception = error
            except OSError as error:  # refused, unknown, reset, or silent for too long
                said, failure = _line(f"{type(error).__name__}: {error}"), error
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
            ) as error:  # what is no answer of the protocol
                raise Refused("", f"its answer cannot be read ({_line(error)})") from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] not in ("geventhttpclient", "gevent", "grpc"):
                    raise
                said, failure = _line(f"{type(error).__name__}: {error}"), error
            self._own.__dict__.pop("client", None)
            if left:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        raise DeviceError(
            f"{self.address.server} does not answer ({said}; tried {self._retries + 1} times); a running server of "
            "the Open Inference Protocol v2 is needed"
        ) from failure

    def _connection(self) -> Any:
        client = getattr(self._own, "client", None)
        if client is None:
            is_safe = self.address.scheme in ("https", "grpcs")
            more: dict[str, Any] = {"ssl": is_safe}
            if not self._is_grpc:
                more |= {"connection_timeout": self._timeout, "network_timeout": self._timeout}
            if is_safe and not self._is_grpc:
                from gevent.ssl import create_default_context

                more["ssl_context_factory"] = create_default_context
            client = self._own.client = self._library.InferenceServerClient(self.address.host, **more)
        return client


def _library(kind: str) -> Any:
    from importlib import import_module

    try:
        return import_module(_PACKAGES[kind])
    except ImportError as error:
        raise RuntimeMissingError(
            f"a model on a server is asked by the package tritonclient, which cannot be loaded ({_line(error)}): "
            'pip install "dccausal[remote]"'
        ) from error


def _line(error: object) -> str:
    return shortened(" ".join(str(error).split()), _MOST_SAID)


def _shapes(feeds: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in feeds.items())
