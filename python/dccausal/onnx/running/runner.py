"""How a batch gets into a session and its scores out: in the host's memory, or bound to the device's."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError, DeviceError
from dccausal.onnx.failures import brief, is_out_of_memory
from dccausal.onnx.reading.outputs import as_rows
from dccausal.onnx.reading.trial import Reading, pad
from dccausal.onnx.running.device import open_session
from dccausal.onnx.running.forks import watch
from dccausal.onnx.running.session import Opened, RunSize
from dccausal.onnx.running.source import Source

_log = logging.getLogger("dccausal")

# The shortest run on the device is this part of a batch.
_SHORTEST = 1 / 8


class HostEngine:
    """
    Plain runs on the host's memory: ONNX Runtime reads the caller's array where it lies.

    Holds no state of its own, so that any number of threads may run it at once.
    """

    def __init__(self, opened: Opened, reading: Reading) -> None:
        """Take the session, and what its input and output mean."""
        self._session = opened.session
        self._inputs = reading.inputs
        self._output_names = [reading.output_name]

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return the output for a C-contiguous tensor of the input's shape and dtype."""
        answer: NDArray[Any] = self._session.run(self._output_names, self._inputs.of(tensor))[0]
        return answer


class BoundEngine:
    """
    Runs on an input buffer that stays on the device, with a batch of always the same size.

    A batch reaches the buffer by ``fill`` (a copy from the host) or by whatever else writes to ``buffer``;
    ``compute`` runs the model on what is there. One thread at a time.
    """

    def __init__(self, opened: Opened, reading: Reading, rows: int, device: tuple[str, int]) -> None:
        """
        Allocate the buffer.

        Parameters
        ----------
        opened, reading
            The session, and what its input and output mean.
        rows
            The number of images that the buffer takes.
        device
            ONNX Runtime's name and number of the device: ("cuda", 0), or ("cpu", 0).

        """
        image = reading.image
        self.shape = image.shape(rows, reading.size, reading.channels)
        self.buffer = opened.ort.OrtValue.ortvalue_from_shape_and_type(self.shape, image.dtype, *device)
        self._session, self._device = opened.session, device
        self._image, self._output_name = image, reading.output_name
        self._row_bytes = image.dtype.itemsize * math.prod(self.shape[1:])
        self._lock = threading.Lock()
        self._binding = self._session.io_binding()

    def address(self, row: int) -> int:
        """Return where in the device's memory a row begins."""
        return int(self.buffer.data_ptr()) + row * self._row_bytes

    def fill(self, tensor: NDArray[Any]) -> None:
        """Copy a whole buffer from the host."""
        self.buffer.update_inplace(tensor)

    def compute(self, start: int, n: int, where: str = "cpu") -> Any:
        """
        Run the model on ``n`` rows of the buffer.

        Returns
        -------
        OrtValue
            The output, valid until the next run; ``where`` is the kind of memory that it lies in.

        Raises
        ------
        ValueError
            If the buffer does not have these rows.

        """
        if start < 0 or start + n > self.shape[0]:
            raise ValueError(f"rows {start} to {start + n} were asked for; the buffer has {self.shape[0]}")
        shape = [n, *self.shape[1:]]
        self._binding.bind_input(
            self._image.name, *self._device, self._image.dtype.type, shape, self.address(start)
        )
        self._binding.bind_output(self._output_name, where, self._device[1] if where != "cpu" else 0)
        self._session.run_with_iobinding(self._binding)
        return self._binding.get_outputs()[0]

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return the output for a C-contiguous tensor of exactly the buffer's shape and dtype."""
        with self._lock:
            self.fill(tensor)
            answer: NDArray[Any] = self.compute(0, self.shape[0]).numpy()
            return answer.copy()  # the next run writes to the same memory


class Runner:
    """
    A model's scores for tensors of any length, made of runs of the right one, several at once on the CPU.

    Any number of threads may call it; what they ask is run in the order in which it was asked. In a forked child the
    model is opened anew.

    Attributes
    ----------
    opened, reading
        The session, and what its input and output mean.
    rows
        Images a run; less than at first where the device's memory was too small.
    runs
        Runs at once.
    bound_device
        ONNX Runtime's name and number of the device where masked images are best made; None where that is the
        host's memory.

    """

    def __init__(self, batch: RunSize, reading: Reading, source: Source) -> None:
        """Take the session with its batch size, what its input and output mean, and where the model came from."""
        self.opened, self.reading, self.rows = batch.opened, reading, batch.rows
        self.runs = batch.opened.runs
        index = batch.opened.device.cuda_index
        # Labels, and inputs that are more than a tensor of images, go by the host's memory.
        is_bound = index is not None and reading.inputs.is_plain and reading.kind.is_plain
        self.bound_device: tuple[str, int] | None = (
            ("cuda", index) if is_bound and index is not None else None
        )
        self._is_fixed = batch.fixed is not None or batch.opened.device.reproducible
        self._pool = ThreadPoolExecutor(self.runs, "dccausal-run") if self.runs > 1 else None
        self._lock = threading.Lock()
        self._device = batch.opened.device.name
        self._engine: Callable[[NDArray[Any]], NDArray[Any]] | None = self._open_engine()
        self.source, self._is_left_behind = source, False
        watch(self)

    def __call__(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """
        Return scores (n, classes), not yet checked for NaN; or labels (n,).

        Raises
        ------
        ClassifierError
            If ONNX Runtime fails or returns another shape than at load.

        """
        return self.reading.kind.apply(self.outputs(tensor))

    def outputs(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return what the model says (n, columns), of its own type; raises what a call raises."""
        self.renew()
        if len(tensor) == 0:
            return np.empty((0, self.reading.n_columns), dtype=np.float32)
        parts = [tensor[start:stop] for start, stop in self._cut(len(tensor))]
        if self._pool is None or len(parts) == 1:
            rows = [self._classify(part) for part in parts]
        else:
            asked = [self._pool.submit(self._classify, part) for part in parts]
            wait(asked)  # for all: the caller may write to the tensor again afterwards
            rows = [one.result() for one in asked]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def left_behind(self) -> list[Any]:
        """Note that this is a forked child, where neither threads nor locks of the parent are of use."""
        self._is_left_behind, self._lock, self._pool = True, threading.Lock(), None
        return [self.opened.session, self._engine]

    def renew(self) -> None:
        """
        Open the model anew where this process was forked from the one that opened it.

        Raises
        ------
        DeviceError
            If it ran on a device, whose state cannot be shared with a forked process.
        ClassifierError
            If it cannot be opened any more.

        """
        if self._is_left_behind:
            with self._lock:
                self._open_anew()

    def _open_anew(self) -> None:
        if not self._is_left_behind:  # another thread was quicker
            return
        if self._device != "cpu":
            raise DeviceError(
                f"the model was loaded on {self._device} before this process was forked, where it cannot be used; "
                "processes started by spawn or forkserver are needed, or a model loaded in each"
            )
        opened = self.opened
        try:
            model, folder = self.source.read()
            session = open_session(opened.ort, model, opened.device, opened.threads, folder)
        except Exception as error:
            raise ClassifierError(
                f"the model cannot be opened in this forked process: {brief(error)}; the same model is needed"
            ) from error
        self.opened, self._engine = replace(opened, session=session), None
        self._pool = ThreadPoolExecutor(self.runs, "dccausal-run") if self.runs > 1 else None
        self._is_left_behind = False

    def checked(self, output: Any, n_run: int, n: int) -> NDArray[Any]:
        """
        Return the rows (n, columns) of the first ``n`` of ``n_run`` images in the model's output.

        Raises
        ------
        ClassifierError
            If it has another shape than at load.

        """
        n_columns = self.reading.n_columns
        rows = as_rows(output, n_run)
        if rows is None or rows.shape[1] != n_columns:
            raise ClassifierError(
                f"the model returned {output.shape} {output.dtype} for {n_run} images; "
                f"({n_run}, {n_columns}) is needed"
            )
        return rows if n == n_run else rows[:n]

    def halve(self, error: Exception, n_run: int | None = None) -> bool:
        """
        Run half as many images from now on if ``error`` says that memory ran out; False if it does not.

        ``n_run`` is the number of images that were run, if not ``rows``.
        """
        with self._lock:
            before = self.rows
            if self._is_fixed or before == 1 or not is_out_of_memory(error):
                return False
            if n_run is not None and n_run > before:  # another run has halved it meanwhile
                return True
            self.rows = before // 2
            self._engine = None
        _log.warning(
            "%s has not enough memory for %d images a run; going on with %d",
            self._device,
            before,
            before // 2,
        )
        return True

    def run_length(self, n: int) -> int:
        """
        Return the number of images of a run on the device for ``n`` images, or the first of them.

        It is ``rows``, or its half, quarter or eighth if that is enough: a round of three questions need not cost as
        much as a full batch, and each further length costs the device a plan of its own.
        """
        length = self.rows
        while not self._is_fixed and length % 2 == 0 and length // 2 >= max(n, self.rows * _SHORTEST):
            length //= 2
        return length

    def failure(self, error: Exception, n: int) -> ClassifierError:
        """Return ONNX Runtime's error on ``n`` images as one of dccausal's."""
        if isinstance(error, ClassifierError):
            return error
        return ClassifierError(
            f"the model failed on {n} images on {self._device}: {brief(error)}; scores are needed"
        )

    def _open_engine(self) -> HostEngine | BoundEngine:
        index = self.opened.device.cuda_index
        if index is None or not self.reading.inputs.is_plain:
            return HostEngine(self.opened, self.reading)
        return BoundEngine(self.opened, self.reading, self.rows, ("cuda", index))

    def _cut(self, n: int) -> list[tuple[int, int]]:
        """Return the first and the last row, that one excluded, of each run of ``n`` images."""
        if self._is_fixed:
            return [(start, min(start + self.rows, n)) for start in range(0, n, self.rows)]
        # As many for each of the runs at once, so that none is left to wait for.
        n_parts = min(n, math.ceil(math.ceil(n / self.rows) / self.runs) * self.runs)
        return [(n * i // n_parts, n * (i + 1) // n_parts) for i in range(n_parts)]

    def _classify(self, tensor: NDArray[Any]) -> NDArray[Any]:
        parts, start = [], 0
        while start < len(tensor):
            rows = self.rows
            part = tensor[start : start + rows]
            try:
                parts.append(self._run(part, rows))
            except Exception as error:
                if not self.halve(error, rows):
                    raise self.failure(error, len(part)) from error
            else:
                start += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, part: NDArray[Any], rows: int) -> NDArray[Any]:
        engine = self._engine = self._engine or self._open_engine()
        # A bound buffer has one length; so has a model with a fixed batch, and whatever is to be reproducible.
        is_padded = self._is_fixed or isinstance(engine, BoundEngine)
        n_run = rows if is_padded else len(part)
        return self.checked(engine(np.ascontiguousarray(pad(part, n_run))), n_run, len(part))
