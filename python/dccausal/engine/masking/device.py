"""Masked images on the device that classifies them: bits go there, verdicts come back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dccausal.engine.masking.batch import Answer, Rows, wants_scores
from dccausal.engine.whole_images import WholeImages
from dccausal.errors import DeviceError
from dccausal.onnx.failures import brief
from dccausal.onnx.running.composing import ComposedBatch, Composer


class DevicePair:
    """
    An image and its baselines in the device's memory.

    Parameters
    ----------
    composer
        Makes masked images there.
    image
        uint8 (H, W, 3).
    baselines
        uint8 (n, H, W, 3).

    """

    def __init__(self, composer: Composer, image: NDArray[np.uint8], baselines: NDArray[np.uint8]) -> None:
        """Encode the images and copy them there."""
        reading = composer.reading
        self.shape = reading.image.shape(1, reading.size, reading.channels)[1:]
        self.n_bytes = int(np.prod(self.shape)) * reading.image.dtype.itemsize
        self.image, *self.baselines = composer.pair(image, *baselines)


class DeviceBatch:
    """
    A buffer in the device's memory, and the model that reads it there.

    Parameters
    ----------
    composer
        Makes masked images there.

    """

    def __init__(self, composer: Composer) -> None:
        """Begin without a buffer."""
        self._composer, self._composed = composer, ComposedBatch(composer)

    def mask(self, parts: Sequence[Rows], capacity: int) -> None:
        """
        Make a batch: bits go to the device, and whole images.

        Raises
        ------
        DeviceError
            If there is no memory left for it.

        """
        composer, composed = self._composer, self._composed
        try:
            composed.open(capacity)
            for rows in parts:
                asked = rows.asked
                if isinstance(asked, WholeImages):
                    images = composer.on_device(composer.reading.encode(asked.images))
                    nothing = np.zeros((len(asked), composer.n_mask_bytes), dtype=np.uint8)
                    composed.compose(nothing, images, images, rows.start)
                else:
                    baseline = rows.pair.baselines[asked.baseline]
                    composed.compose(asked.bits(), rows.pair.image, baseline, rows.start)
        except Exception as error:
            raise DeviceError(
                f"a batch of {capacity} images cannot be made on {composer.device[0]}: {brief(error)}; "
                "a smaller batch_size is needed"
            ) from error

    def answer(self, parts: Sequence[Rows]) -> list[Answer]:
        """
        Classify some neighbouring parts of what was made.

        Raises
        ------
        ClassifierError
            If the model fails, or its scores are not finite.

        """
        start, stop = parts[0].start, parts[-1].stop
        labels = np.concatenate([np.full(len(rows.asked), rows.target.label) for rows in parts])
        is_whole = any(wants_scores(rows.asked) for rows in parts)
        scores, found = self._composed.classify(start, stop, labels, is_whole=is_whole)
        answers: list[Answer] = []
        for rows in parts:
            own = slice(rows.start - start, rows.stop - start)
            if wants_scores(rows.asked):
                answers.append(scores[own])
            else:
                answers.append(rows.target.judge_ranks(found[own, 1], found[own, 0]))
        return answers
