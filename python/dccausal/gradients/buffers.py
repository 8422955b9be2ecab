"""Buffers in a device's memory from which gradients are computed: they stay while images come and go."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Device = tuple[str, int]


class Buffers:
    """
    The inputs of one gradient session, in buffers of a fixed size; one thread at a time.

    Parameters
    ----------
    session
        Takes images and the index of a logit for each, in this order.
    row
        Shape of one image.
    rows
        Images that the buffers hold.
    device
        ONNX Runtime's name and number of the device: ("cuda", 0), or ("cpu", 0).

    """

    def __init__(self, session: Any, row: Sequence[int], rows: int, device: Device) -> None:
        """Allocate the buffers, and arrays of the host's that are copied there whole."""
        from onnxruntime import OrtValue

        self.rows, self.row = rows, tuple(row)
        names = [value.name for value in session.get_inputs()]
        self._staged: list[NDArray[Any]] = [
            np.zeros((rows, *self.row), np.float32),
            np.zeros(rows, np.int64),
        ]
        self._buffers = [
            OrtValue.ortvalue_from_shape_and_type(staged.shape, staged.dtype, *device)
            for staged in self._staged
        ]
        self._session, self._device, self._names = session, device, names
        self._binding = session.io_binding()
        self._lock = threading.Lock()

    @property
    def addresses(self) -> list[int]:
        """Where in the device's memory the buffers begin."""
        return [int(buffer.data_ptr()) for buffer in self._buffers]

    def run(
        self, images: NDArray[np.float32], targets: NDArray[np.int64], wanted: Sequence[str]
    ) -> list[NDArray[Any]]:
        """Return outputs by name, of at most as many images as the buffers hold; arrays of their own."""
        n = len(images)
        with self._lock:
            for given, staged, buffer, name in zip(
                (images, targets), self._staged, self._buffers, self._names, strict=True
            ):
                staged[:n] = given
                buffer.update_inplace(staged)
                shape = [n, *staged.shape[1:]]
                self._binding.bind_input(
                    name, *self._device, staged.dtype.type, shape, int(buffer.data_ptr())
                )
            for name in wanted:
                self._binding.bind_output(name, "cpu", 0)
            self._session.run_with_iobinding(self._binding)
            found = [value.numpy().copy() for value in self._binding.get_outputs()]
            self._binding.clear_binding_outputs()
        return found

    def holds(self, n: int, row: Sequence[int]) -> bool:
        """Whether so many images of such a shape fit."""
        return n <= self.rows and tuple(row) == self.row

    @property
    def n_bytes(self) -> int:
        """Bytes of the buffers on the device."""
        return sum(math.prod(staged.shape) * staged.itemsize for staged in self._staged)
