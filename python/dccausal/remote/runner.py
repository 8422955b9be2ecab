"""How a batch reaches a server and its scores come back: in requests of the right size, several at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError
from dccausal.onnx.reading.outputs import as_rows
from dccausal.onnx.reading.trial import Reading, pad
from dccausal.remote.session import RemoteSession


class RemoteRunner:
    """
    A model's answers for tensors of any length.

    Parameters
    ----------
    session, reading
        The model, and what its input and output mean.
    rows
        Images a request.
    is_fixed
        Whether every request has to have so many.
    requests
        Requests at once.

    """

    def __init__(
        self, session: RemoteSession, reading: Reading, *, rows: int, is_fixed: bool, requests: int
    ) -> None:
        """Nothing is asked yet."""
        self.reading, self.rows, self.requests = reading, rows, requests
        self._session, self._is_fixed = session, is_fixed
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return scores (n, classes), not yet checked for NaN; or labels (n,). Raises what ``outputs`` raises."""
        return self.reading.kind.apply(self.outputs(tensor))

    def outputs(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """
        Return what the model says (n, columns), of its own type.

        Raises
        ------
        ClassifierError
            If the server refuses, or answers with another shape than at first.
        DeviceError
            If it does not answer any more.

        """
        if len(tensor) == 0:
            return np.empty((0, self.reading.n_columns), dtype=np.float32)
        asked = [
            self._threads().submit(self._classify, tensor[i : i + self.rows])
            for i in range(0, len(tensor), self.rows)
        ]
        wait(asked)  # for all: the caller may write to the tensor again afterwards
        return np.concatenate([one.result() for one in asked])

    def _threads(self) -> ThreadPoolExecutor:
        """Return the threads that wait for answers; of a forked process, its own."""
        with self._lock:
            if self._pool is None or self._process != os.getpid():
                self._pool = ThreadPoolExecutor(self.requests, "dccausal-request")
                self._process = os.getpid()
            return self._pool

    def _classify(self, part: NDArray[Any]) -> NDArray[Any]:
        n = self.rows if self._is_fixed else len(part)
        reading = self.reading
        answer = self._session.run([reading.output_name], reading.inputs.of(pad(part, n)))[0]
        rows = as_rows(answer, n)
        if rows is None or rows.shape[1] != reading.n_columns:
            raise ClassifierError(
                f"the server answered {answer.shape} for {n} images; ({n}, {reading.n_columns}) is needed, as at first"
            )
        return rows[: len(part)]
