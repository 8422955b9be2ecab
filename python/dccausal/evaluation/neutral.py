"""Plain backgrounds that explanations were not asked beside: colours, blurred photographs, smooth noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import classify
from dccausal.errors import ImageError
from dccausal.evaluation.extract import Scene
from dccausal.inputs.baseline import make_baseline
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from dccausal.onnx.model_classifier import ModelClassifier

_COLOURS, _BLURRED, _NOISE = 4, 2, 2
# Smooth noise has so many random colours a side, drawn out to the image's size.
_CELLS = 6
# Two backgrounds are the same where no more levels of brightness lie between them, in the mean over all pixels.
_SAME = 8.0


class NeutralBackgrounds:
    """
    Plain backgrounds, twelve for each photograph.

    They are grey, black, white, four random colours, the photograph blurred, two others blurred, and two of smooth
    noise. Those that the explanation was asked beside are left out, and those that give the label by themselves.

    Parameters
    ----------
    paths
        The photographs that others are drawn from.
    classifier
        The model.
    seed
        Of the draws; with the photograph's place it decides them.

    """

    def __init__(self, paths: Sequence[str], classifier: ModelClassifier, seed: int) -> None:
        """Nothing is read yet."""
        self._paths, self._classifier, self._seed = paths, classifier, seed

    def of(self, index: int, path: str, scene: Scene, label: int) -> NDArray[np.uint8] | None:
        """
        Return those for a photograph, uint8 (k, H, W, 3); None if there is none.

        Parameters
        ----------
        index, path
            Of the photograph.
        scene
            What the model sees of it, and what was asked.
        label
            What is explained.

        """
        rng = np.random.default_rng((self._seed, index))
        every = np.stack([*self._drawn(rng, scene.image), *self._blurred(rng, path, scene.image)])
        unseen = [one for one in every if not any(_is_same(one, asked) for asked in scene.baselines)]
        if not unseen:
            return None
        plain = np.stack(unseen)
        is_other = classify(self._classifier, plain).argmax(axis=1) != label
        return plain[is_other] if is_other.any() else None

    def _drawn(self, rng: np.random.Generator, image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        from PIL import Image

        height, width = image.shape[:2]
        for name in ("grey", "black", "white"):
            yield make_baseline(name, image)
        for colour in rng.integers(0, 256, (_COLOURS, 3)):
            yield np.broadcast_to(colour.astype(np.uint8), image.shape)
        for few in rng.integers(0, 256, (_NOISE, _CELLS, _CELLS, 3), dtype=np.uint8):
            drawn_out = Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)
            yield np.array(drawn_out, dtype=np.uint8)

    def _blurred(
        self, rng: np.random.Generator, path: str, image: NDArray[np.uint8]
    ) -> Iterator[NDArray[np.uint8]]:
        yield make_baseline("blur", image)
        n_left = _BLURRED
        for place in rng.permutation(len(self._paths)):
            if n_left == 0:
                return
            if self._paths[place] == path:
                continue
            try:
                photo = load_photo(self._paths[place], stretch=self._classifier.preprocess.stretch)
            except ImageError:
                continue
            n_left -= 1
            yield make_baseline("blur", self._classifier.prepare(photo)[0])


def _is_same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return float(np.abs(one.astype(np.int16) - other).mean()) <= _SAME
