"""How a batch gets into a session and its scores out: in the host's memory, or bound to the device's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._onnx_device import brief
from dccausal._onnx_load import Batch, Opened
from dccausal._onnx_scores import as_rows
from dccausal._onnx_trial import Reading, pad
from dccausal.errors import ClassifierError


class HostEngine:
    """
    Plain runs on the host's memory: ONNX Runtime reads the caller's array where it lies.

    Holds no state of its own, so that any number of threads may run it at once.
    """

    def __init__(self, opened: Opened, reading: Reading) -> None:
        """Take the session, and what its input and output mean."""
        self._session = opened.session
        self._input_name = reading.image.name
        self._output_names = [reading.output_name]

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return the output for a C-contiguous tensor of the input's shape and dtype."""
        answer: NDArray[Any] = self._session.run(self._output_names, {self._input_name: tensor})[0]
        return answer


class BoundEngine:
    """
    Runs on one input buffer that stays on the device and is bound once, with a batch of always the same size.

    A batch reaches the buffer by ``fill`` (a copy from the host) or by whatever else writes to ``buffer``;
    ``compute`` runs the model on what is there. One thread at a time.
    """

    def __init__(self, opened: Opened, reading: Reading, rows: int, device: tuple[str, int]) -> None:
        """
        Allocate the buffer and bind it.

        Parameters
        ----------
        opened, reading
            The session, and what its input and output mean.
        rows
            The number of images of a batch.
        device
            ONNX Runtime's name and number of the device: ("cuda", 0), or ("cpu", 0).

        """
        image = reading.image
        shape = image.shape(rows, reading.size, reading.channels)
        self._session = opened.session
        self._lock = threading.Lock()
        self.buffer = opened.ort.OrtValue.ortvalue_from_shape_and_type(shape, image.dtype, *device)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(image.name, self.buffer)
        self._binding.bind_output(reading.output_name, "cpu")

    def fill(self, tensor: NDArray[Any]) -> None:
        """Copy a whole batch from the host into the buffer."""
        self.buffer.update_inplace(tensor)

    def compute(self) -> NDArray[Any]:
        """Run the model on the buffer and return the output, copied to the host."""
        self._session.run_with_iobinding(self._binding)
        answer: NDArray[Any] = self._binding.get_outputs()[0].numpy()
        return answer.copy()  # the next run writes to the same memory

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return the output for a C-contiguous tensor of exactly the batch's shape and dtype."""
        with self._lock:
            self.fill(tensor)
            return self.compute()


class Runner:
    """A model's scores for tensors of any length, made of runs of the right one."""

    def __init__(self, batch: Batch, reading: Reading) -> None:
        """Take the session with its batch size, and what its input and output mean."""
        device = batch.opened.device
        is_bound = device.cuda_index is not None
        self._reading = reading
        self._rows = batch.rows
        # A bound buffer has one length; so has a model with a fixed batch.
        self._is_padded = is_bound or batch.fixed is not None
        self._device = device.name
        self._engine: Callable[[NDArray[Any]], NDArray[Any]] = (
            BoundEngine(batch.opened, reading, batch.rows, ("cuda", device.cuda_index or 0))
            if is_bound
            else HostEngine(batch.opened, reading)
        )

    def __call__(self, tensor: NDArray[Any]) -> NDArray[np.float32]:
        """
        Return scores (n, classes), not yet checked for NaN.

        Raises
        ------
        ClassifierError
            If ONNX Runtime fails or returns another shape than at load.

        """
        if len(tensor) == 0:
            n_columns = self._reading.n_columns
            return self._reading.kind.apply(np.empty((0, n_columns), dtype=np.float32))
        parts = [self._run(tensor[i : i + self._rows]) for i in range(0, len(tensor), self._rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, part: NDArray[Any]) -> NDArray[np.float32]:
        n_run = self._rows if self._is_padded else len(part)
        try:
            output = self._engine(np.ascontiguousarray(pad(part, n_run)))
        except Exception as error:
            raise ClassifierError(
                f"the model failed on {len(part)} images on {self._device}: {brief(error)}; scores are needed"
            ) from error
        rows = as_rows(output, n_run)
        n_columns = self._reading.n_columns
        if rows is None or rows.shape[1] != n_columns:
            raise ClassifierError(
                f"the model returned {output.shape} {output.dtype} for {n_run} images; "
                f"({n_run}, {n_columns}) is needed"
            )
        return self._reading.kind.apply(rows[: len(part)])
