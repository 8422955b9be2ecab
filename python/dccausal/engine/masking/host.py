"""Masked images in the host's memory: an image's masked versions become rows of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.engine.masking.batch import Answer, Rows
from dccausal.engine.whole_images import WholeImages

# Answers the rows of a tensor; each part comes with its own rows in it.
AnswerRows = Callable[[NDArray[Any], list[tuple[Rows, slice]]], list[Answer]]


class HostPair:
    """
    An image and its baselines as renderers have them, a renderer each.

    Parameters
    ----------
    image
        uint8 (H, W, 3).
    baselines
        uint8 (n, H, W, 3).
    encode
        Makes of images uint8 (n, H, W, 3) what the classifier gets.
    is_planar
        Whether that is (n, channels, H, W); else it is (n, H, W, channels).
    threads
        Threads that mask.

    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        baselines: NDArray[np.uint8],
        encode: Callable[[NDArray[np.uint8]], NDArray[Any]],
        *,
        is_planar: bool,
        threads: int,
    ) -> None:
        """Encode the images."""
        self.encode = encode
        pair = encode(np.concatenate([image[None], baselines]))
        self.shape, self.dtype, self.n_bytes = pair.shape[1:], pair.dtype, pair[0].nbytes
        planes, height, width = self.shape if is_planar else (1, *self.shape[:2])
        self.renderers = [
            _core.Renderer(
                as_bytes(pair[0]),
                as_bytes(baseline),
                height=height,
                width=width,
                planes=planes,
                pixel_bytes=pair[0].nbytes // (planes * height * width),
                threads=threads,
            )
            for baseline in pair[1:]
        ]


class _Known(NamedTuple):
    """Rows of the tensor of which a renderer knows what they show."""

    renderer: _core.Renderer
    start: int
    stop: int
    slots: _core.Slots


class HostBatch:
    """
    A tensor in the host's memory, and a classifier that reads it there.

    Parameters
    ----------
    answer_rows
        Has the classifier answer.

    """

    def __init__(self, answer_rows: AnswerRows) -> None:
        """Begin without a tensor: the first pair decides its shape."""
        self._answer_rows = answer_rows
        self._tensor: NDArray[Any] = np.empty(0, dtype=np.uint8)
        self._known: list[_Known] = []

    def mask(self, parts: Sequence[Rows], capacity: int) -> None:
        """Make a batch; where an image has the same rows as in the last one, only what changed is written."""
        pair: HostPair = parts[0].pair
        if self._tensor.shape != (capacity, *pair.shape) or self._tensor.dtype != pair.dtype:
            self._known.clear()
            self._tensor = np.empty((capacity, *pair.shape), dtype=pair.dtype)
        for rows in parts:
            asked = rows.asked
            if isinstance(asked, WholeImages):
                self._forget(rows.start, rows.stop)
                self._tensor[rows.start : rows.stop] = rows.pair.encode(asked.images)
            else:
                # The last image of a batch has the rest of the rows too: alone, it finds them again.
                stop = capacity if rows is parts[-1] else rows.stop
                renderer = rows.pair.renderers[asked.baseline]
                renderer.render(asked, self._slots(renderer, rows, stop))

    def answer(self, parts: Sequence[Rows]) -> list[Answer]:
        """
        Classify some parts in one call.

        Raises
        ------
        ClassifierError
            If the classifier raises, or its answer cannot be read.

        """
        start = parts[0].start
        tensor = self._tensor[start : parts[-1].stop]
        return self._answer_rows(
            tensor, [(rows, slice(rows.start - start, rows.stop - start)) for rows in parts]
        )

    def _slots(self, renderer: _core.Renderer, rows: Rows, stop: int) -> _core.Slots:
        """Return what is known of some rows: of old ones that reach far enough, or of new ones up to ``stop``."""
        for old in self._known:
            if old.renderer is renderer and old.start == rows.start and rows.stop <= old.stop:
                return old.slots
        self._forget(rows.start, stop)
        slots = renderer.slots(as_bytes(self._tensor[rows.start : stop]))
        self._known.append(_Known(renderer, rows.start, stop, slots))
        return slots

    def _forget(self, start: int, stop: int) -> None:
        """Forget what rows show that are about to be written by others."""
        self._known = [old for old in self._known if old.stop <= start or stop <= old.start]


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the memory of a C-contiguous array as bytes, without a copy."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
