"""
Masked images made on the device that classifies them.

An image and its baseline are copied to the device once. A question goes there as bits, one a pixel, and a small
graph of our own makes a masked image of them in the buffer that the model reads; another reads the scores, so
that twelve bytes a question come back. The sessions are chained by memory that stays on the device.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import check_answer
from dccausal.onnx.failures import brief
from dccausal.onnx.graph.compose import compose_graph, head_graph
from dccausal.onnx.reading.trial import sample_images
from dccausal.onnx.running.device import open_session
from dccausal.onnx.running.forks import watch
from dccausal.onnx.running.runner import BoundEngine, Runner

_log = logging.getLogger("dccausal")

_N_TRIED = 4
# Scores of two ways to compute a softmax differ by rounding.
_TOLERANCE = 1e-5
_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


class Composer:
    """
    The sessions of the small graphs, for one classifier.

    Parameters
    ----------
    runner
        The classifier's, with a ``bound_device``.

    Attributes
    ----------
    n_mask_bytes
        Bytes of a question.

    """

    def __init__(self, runner: Runner) -> None:
        """Open the session that masks."""
        opened, reading = runner.opened, runner.reading
        self.runner, self.reading = runner, reading
        self.device: tuple[str, int] = runner.bound_device or ("cpu", 0)
        self.n_mask_bytes = math.ceil(math.prod(reading.size) / 8)
        self._heads: dict[tuple[str, int], Any] = {}
        shape = reading.image.shape(1, reading.size, reading.channels)[1:]
        self.masking = self._open(compose_graph(shape, reading.image.layout, reading.image.dtype.name))
        self._ort_value = opened.ort.OrtValue
        watch(self)

    def left_behind(self) -> list[Any]:
        """Return the sessions, none of which may be closed in a forked child."""
        return [self.masking, *self._heads.values()]

    def head(self, kind: str, rank: int) -> Any:
        """Return the session that reads scores from an output of a type, "tensor(float)" for one, and a rank."""
        if (kind, rank) not in self._heads:
            scores, n_columns = self.reading.kind, self.reading.n_columns
            is_binary = scores.name == "binary"
            graph = head_graph(_TYPES[kind], rank, n_columns, scores.activation, is_binary=is_binary)
            self._heads[kind, rank] = self._open(graph)
        return self._heads[kind, rank]

    def on_device(self, tensor: NDArray[Any]) -> Any:
        """Return a copy of an array in the device's memory, as an OrtValue."""
        return self._ort_value.ortvalue_from_numpy(np.ascontiguousarray(tensor), *self.device)

    def agrees(self) -> bool:
        """
        Return whether masked images and scores are those that the host makes, for a few random ones.

        A device, a driver or a version of ONNX Runtime that does not do what is expected of it is found out
        here.
        """
        reading, n = self.reading, _N_TRIED
        images = sample_images(n, reading.size)
        shares = np.linspace(0, 1, n)[:, None, None]
        masked = np.random.default_rng(0).random((n, *reading.size)) < shares
        image, baseline = self.pair(images[0], images[1])
        batch = ComposedBatch(self)
        engine = batch.open(n)
        batch.compose(np.packbits(masked.reshape(n, -1), axis=1), image, baseline, 0)
        expected = reading.encode(np.where(masked[..., None], images[1], images[0]))
        if engine.buffer.numpy()[:n].tobytes() != expected.tobytes():
            return False
        rows, found = batch.classify(0, n, np.zeros(n, dtype=np.int64), is_whole=True)
        return np.allclose(found[:, 0], rows[:, 0], atol=_TOLERANCE) and not found[:, 2].any()

    def pair(self, image: NDArray[np.uint8], *baselines: NDArray[np.uint8]) -> list[Any]:
        """Return an image and its baselines, uint8 (H, W, 3) each, encoded and in the device's memory."""
        encoded = self.reading.encode(np.stack([image, *baselines]))
        return [self.on_device(one[None]) for one in encoded]

    def _open(self, graph: bytes) -> Any:
        opened = self.runner.opened
        # One thread: on the CPU a second pool would take the cores from the model's.
        return open_session(opened.ort, graph, opened.device, 1)


def find_composer(runner: Runner) -> Composer | None:
    """Return what makes masked images on the device; None where the host does, or does better."""
    if runner.bound_device is None:
        return None
    try:
        composer = Composer(runner)
        reason = None if composer.agrees() else "what it made or read was wrong"
    except Exception as error:  # noqa: BLE001  ONNX Runtime raises its own
        reason = brief(error)
    if reason is None:
        return composer
    _log.warning("masked images are made on the host, not on %s: %s", runner.bound_device[0], reason)
    runner.bound_device = None
    return None


class ComposedBatch:
    """A buffer in the device's memory in which masked images are made, and the model that reads it there."""

    def __init__(self, composer: Composer) -> None:
        """Begin without a buffer."""
        self._composer, self.runner = composer, composer.runner
        self._masking = composer.masking.io_binding()
        self._engine: BoundEngine | None = None

    def open(self, capacity: int) -> BoundEngine:
        """Return the model with its buffer: at first one of ``capacity`` rows, or of those of a run."""
        if self._engine is None:
            opened, reading = self.runner.opened, self.runner.reading
            rows = max(capacity, self.runner.rows)
            self._engine = BoundEngine(opened, reading, rows, self._composer.device)
        return self._engine

    def compose(self, bits: NDArray[np.uint8], image: Any, baseline: Any, start: int) -> None:
        """Make masked images in the rows from ``start``: ``bits`` (n, bytes), the images on the device."""
        engine = self.open(1)
        binding, (device, number) = self._masking, self._composer.device
        binding.bind_cpu_input("bits", bits)
        binding.bind_ortvalue_input("image", image)
        binding.bind_ortvalue_input("baseline", baseline)
        shape = [len(bits), *engine.shape[1:]]
        dtype = self._composer.reading.image.dtype.type
        binding.bind_output("batch", device, number, dtype, shape, engine.address(start))
        self._composer.masking.run_with_iobinding(binding)

    def classify(
        self, start: int, stop: int, labels: NDArray[np.int64], *, is_whole: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Run the model on some rows, with a few lengths of a run only (see ``Runner.run_length``).

        Returns
        -------
        scores, found
            All scores (rows, classes) where ``is_whole``, else none of them; and what the head found for the
            labels (rows, 3).

        """
        runner, total = self.runner, self.open(1).shape[0]
        scores, found = [], []
        at = start
        while at < stop:
            n = runner.run_length(stop - at)
            first = min(at, total - n)
            end = min(first + n, stop)
            wanted = np.zeros(n, dtype=np.int64)
            wanted[at - first : end - first] = labels[at - start : end - start]
            try:
                whole, read = self._run(first, wanted, slice(at - first, end - first), is_whole=is_whole)
            except Exception as error:
                if not runner.halve(error, n):
                    raise runner.failure(error, end - at) from error
                continue
            scores.append(whole)
            found.append(read)
            at = end
        return np.concatenate(scores), np.concatenate(found)

    def _run(
        self, first: int, labels: NDArray[np.int64], used: slice, *, is_whole: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        runner, n, n_used = self.runner, len(labels), used.stop - used.start
        output = self.open(1).compute(first, n, self._composer.device[0])
        n_columns = runner.reading.n_columns
        found = np.empty((0, 3), dtype=np.float32)
        if math.prod(output.shape()) == n * n_columns:
            found = self._read(output, labels)[used]
        if is_whole or len(found) == 0 or found[:, 2].any():
            # What is wrong with the scores, if anything, is said as it is on the host.
            scores = runner.reading.kind.apply(runner.checked(output.numpy(), n, n))
            return check_answer(scores[used], n_used), found
        return np.empty((0, n_columns), dtype=np.float32), found

    def _read(self, output: Any, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        head = self._composer.head(output.data_type(), len(output.shape()))
        binding = head.io_binding()
        binding.bind_ortvalue_input("output", output)
        binding.bind_cpu_input("labels", labels)
        binding.bind_output("found", "cpu")
        head.run_with_iobinding(binding)
        found: NDArray[np.float32] = binding.get_outputs()[0].numpy()
        return found.copy()
