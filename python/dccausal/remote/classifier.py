"""A model on a server as a classifier: Triton, KServe, MLServer, OpenVINO Model Server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal

from dccausal._shared.checks import finite_number, whole_number
from dccausal._shared.text import shown
from dccausal.errors import ClassifierError, ModelError, OptionError
from dccausal.inputs.framing import Geometry
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.onnx.opening import Given
from dccausal.onnx.reading.feed import Feed
from dccausal.onnx.reading.image_input import metadata_of
from dccausal.onnx.reading.names import Known, Labels, names_in_metadata
from dccausal.onnx.reading.scores import SCORES, Scores
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.trial import Reading, Request, read_model, sample_images
from dccausal.remote.address import Address
from dccausal.remote.client import Client, Refused
from dccausal.remote.runner import RemoteRunner
from dccausal.remote.session import RemoteSession

_ROWS = 16
_MAX_REQUESTS, _MAX_RETRIES = 64, 100


class RemoteClassifier(ModelClassifier):
    """
    An image classifier on a server of the Open Inference Protocol v2.

    What it takes and gives is read from the server's metadata, and found out by a few requests of random images, as
    for an ONNX file. Masked images are made here and sent as tensors.

    Parameters
    ----------
    url
        "http://host:8000", or with the model: "http://host:8000/v2/models/resnet50". https, grpc and grpcs too.
    model, version
        The model's name where the URL does not have it, and its version; by default the server's choice.
    batch_size
        Images a request; "auto" is what the server says, and 16 where it does not.
    requests
        Requests at once, 1 to 64.
    timeout
        Seconds that a request may take.
    retries
        How often a request is sent again that found no server or a busy one, 0 to 100. The pause between two doubles,
        from 0.1 s to 5 s.
    headers
        Headers of every request, for example an API key.
    preprocess, geometry, size, crop_ratio, stretch, labels, input, output, feed, scores, threshold
        As for ``OnnxClassifier``. The server does not have the model's graph and the files beside it, so what they
        would have told is a guess unless it is given.

    Attributes
    ----------
    url : str
        Of the model.
    model : str
        Its name.
    device : str
        The server's URL.
    size, layout, dtype, channels, n_classes, names, scores, preprocess and others
        As of ``OnnxClassifier``. ``path`` and ``sha256`` are None: the server does not tell.

    Raises
    ------
    OptionError
        If the address is none, or an option is out of its range.
    DeviceError
        If nothing answers there.
    ModelError
        If the server has no such model or does not speak the protocol, or the model is no image classifier.
    RuntimeMissingError
        If the package tritonclient is not installed.

    References
    ----------
    Open Inference Protocol, version 2 (KServe).

    Examples
    --------
    >>> from dccausal.remote import RemoteClassifier
    >>> classifier = RemoteClassifier("http://localhost:8000", "resnet50")  # doctest: +SKIP

    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        version: str | None = None,
        batch_size: int | Literal["auto"] = "auto",
        requests: int = 2,
        timeout: float = 60.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        preprocess: Preprocess | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        geometry: Geometry | None = None,
        size: tuple[int, int] | None = None,
        crop_ratio: float | None = None,
        stretch: bool | None = None,
        labels: Labels | None = None,
        input: str | None = None,  # noqa: A002
        output: str | None = None,
        feed: Feed | None = None,
        scores: Scores = "auto",
        threshold: float | None = None,
    ) -> None:
        """Ask the server; see the class."""
        self._arguments = {
            name: value for name, value in locals().items() if name not in ("self", "__class__")
        }
        if scores not in SCORES:
            raise OptionError(f"scores is {shown(scores)}; one of {', '.join(SCORES)} is needed")
        if not finite_number("timeout", timeout) > 0:
            raise OptionError(f"timeout is {timeout}; more than 0 seconds are needed")
        given = Given.of(self._arguments)
        self._arguments |= {"preprocess": given.preprocess, "labels": given.names, "feed": given.feed}
        self._address = Address.of(url, model, version)
        client = Client(
            self._address,
            timeout=float(timeout),
            retries=whole_number("retries", retries, 0, _MAX_RETRIES),
            headers=headers,
        )
        self._told = _metadata(client)
        session = RemoteSession(client, self._told)
        known = Known(given.names, names_in_metadata(metadata_of(session)), None)
        request = Request(
            input, output, scores, given.preprocess, known.n, Sidecar({}), given.changes, given.feed
        )
        # What reads models asks for no more of a file than how it is called, and for a graph.
        file: Any = SimpleNamespace(what=self._address.url, graph=None)
        reading = read_model(session, file, request)
        runs = whole_number("requests", requests, 1, _MAX_REQUESTS)
        self.batch_size, self.batch_size_reason = _settle(client, session, reading, given.rows)
        self.runner = RemoteRunner(
            session, reading, rows=self.batch_size, is_fixed=reading.fixed_batch is not None, requests=runs
        )
        self.runs_at_once, self.fixed_batch, self.reproducible = runs, reading.fixed_batch, False
        self.url, self.model, self.device = self._address.url, self._address.model, self._address.server
        self.path, self.sha256, self.provider, self.device_note = None, None, self._address.scheme, None
        names_note = self.take_over(reading, known, threshold, session)
        self.cautions = reading.notes
        self.notes = tuple(note for note in (*reading.notes, names_note) if note)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the address and the options: the server is asked again where it is unpickled."""
        return _asked_again, (type(self), self._arguments)

    @property
    def identity(self) -> dict[str, Any]:
        """What is known of which model it is: "url", "platform" and the "versions" that the server has."""
        told = self._told
        return {"url": self.url, "platform": told.get("platform"), "versions": told.get("versions")}

    def provenance(self) -> dict[str, Any]:
        """Return all that is known to have decided the scores, as plain values ready for JSON."""
        return {
            "runtime": "open inference protocol",
            "model": self.model,
            **self.identity,
            "device": self.device,
            "model_sha256": None,
            "model_external_sha256": None,
            **super().provenance(),
        }

    def __repr__(self) -> str:
        """Return the model's address and its input."""
        height, width = self.size
        return (
            f"<RemoteClassifier {self.url}: {self.layout} {self.dtype} {height} x {width}, "
            f"{self.n_classes or 'unknown'} classes ({self.scores}), batch {self.batch_size}>"
        )


def _metadata(client: Client) -> dict[str, Any]:
    try:
        return client.metadata()
    except Refused as error:
        address = client.address
        raise ModelError(
            f"{address.server} answered {error} when it was asked for the model {address.model!r}; a server of the "
            "Open Inference Protocol v2 that has the model is needed"
        ) from error


def _settle(client: Client, session: RemoteSession, reading: Reading, rows: int | None) -> tuple[int, str]:
    """Return how many images a request has, and why; what the server does not take is halved until it does."""
    if reading.fixed_batch is not None:
        return reading.fixed_batch, "fixed by the model"
    most = client.most_rows()
    if rows is not None:
        if most is not None and rows > most:
            raise OptionError(f"batch_size is {rows}; at most {most} is needed, as the server says")
        return rows, "given"
    if most is not None:
        return min(most, 4 * _ROWS), "the server's"
    n = _ROWS
    while n > 1:
        tensor = reading.encode(sample_images(n, reading.size))
        try:
            session.run([reading.output_name], reading.inputs.of(tensor))
        except ClassifierError:
            n //= 2
        else:
            break
    return n, "default" if n == _ROWS else "as many as the server takes"


def _asked_again(kind: Any, arguments: Mapping[str, Any]) -> Any:
    """Return a classifier that was pickled."""
    return kind(**arguments)
