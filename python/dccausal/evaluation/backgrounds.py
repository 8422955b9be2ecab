"""Other photographs to lay explanations on: those that the classifier does not give the label anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import classify
from dccausal.errors import ImageError
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from dccausal.onnx.model_classifier import ModelClassifier

_TRIES = 5  # for each background that is wanted


class Backgrounds:
    """
    Photographs as the model sees them, drawn by seed and place.

    Parameters
    ----------
    paths
        To draw from.
    classifier
        The model.
    n
        How many an explanation is laid on.
    seed
        Of the draws.

    """

    def __init__(self, paths: Sequence[str], classifier: ModelClassifier, n: int, seed: int) -> None:
        """Nothing is read yet."""
        self._paths, self._classifier, self._n, self._seed = paths, classifier, n, seed
        self._seen: dict[str, tuple[NDArray[np.uint8], int] | None] = {}

    def of(self, index: int, path: str, label: int) -> NDArray[np.uint8] | None:
        """
        Return up to n other photographs, uint8 (k, H, W, 3), whose top label is another; None if there is none.

        Parameters
        ----------
        index, path
            Of the photograph that is explained.
        label
            What is explained.

        """
        chosen: list[NDArray[np.uint8]] = []
        order = np.random.default_rng((self._seed, index)).permutation(len(self._paths))
        for place in order[: _TRIES * self._n]:
            seen = None if self._paths[place] == path else self._see(self._paths[place])
            if seen is not None and seen[1] != label:
                chosen.append(seen[0])
            if len(chosen) == self._n:
                break
        return np.stack(chosen) if chosen else None

    def _see(self, path: str) -> tuple[NDArray[np.uint8], int] | None:
        """Return what the model sees of a photograph and its top label; None if it cannot be read."""
        if path not in self._seen:
            try:
                image, _ = self._classifier.prepare(
                    load_photo(path, stretch=self._classifier.preprocess.stretch)
                )
            except ImageError:
                self._seen[path] = None
            else:
                self._seen[path] = (image, int(classify(self._classifier, image[None])[0].argmax()))
        return self._seen[path]
