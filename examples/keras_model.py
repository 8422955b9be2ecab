"""
Explain a Keras model: a callable around any framework is a classifier.

``python examples/keras_model.py photo.jpg model.keras [--scale 255] [--out FOLDER]``

The same wrapper does for PyTorch, scikit-learn or a pipeline of your own: turn uint8 images into what the model
takes, call it, and return scores (N, classes).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import Explanation, explain, load_photo

MISSING = (
    "this example needs Keras with a backend, for instance: pip install keras jax; export KERAS_BACKEND=jax"
)


class KerasClassifier:
    """
    A Keras model as a classifier.

    Parameters
    ----------
    model
        A Keras model of images (N, H, W, 3) with ``predict`` and ``input_shape``.
    scale, offset
        The model is given ``pixel / scale + offset``: 255 and 0 for 0 to 1, 127.5 and -1 for -1 to 1, 1 and 0 for a
        model that normalises pixels itself.
    names
        Class names, so that labels can be given and shown by name.

    """

    def __init__(
        self, model: Any, *, scale: float = 255.0, offset: float = 0.0, names: Sequence[str] | None = None
    ) -> None:
        """Keep the model."""
        self.names = names
        self.height, self.width = model.input_shape[1:3]
        self._model, self._scale, self._offset = model, np.float32(scale), np.float32(offset)

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Classify uint8 (N, H, W, 3) RGB; scores (N, classes)."""
        return np.asarray(self._model.predict(images / self._scale + self._offset, verbose=0))


def explain_photo(photo: Path, classifier: KerasClassifier, **options: Any) -> Explanation:
    """Explain a photograph, brought to the model's size first."""
    size = classifier.width, classifier.height
    return explain(np.asarray(load_photo(photo).resize(size)), classifier, **options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("model", type=Path, help="a file that Keras loads")
    parser.add_argument("--scale", type=float, default=255.0)
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--max-calls", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("explanations/keras"))
    given = parser.parse_args(arguments)
    try:
        import keras
    except ImportError:  # Keras itself, or the backend that it is set to
        sys.stderr.write(f"error: {MISSING}\n")
        return 2
    classifier = KerasClassifier(keras.models.load_model(given.model), scale=given.scale, offset=given.offset)
    explanation = explain_photo(given.photo, classifier, max_calls=given.max_calls)
    explanation.save(given.out)
    sys.stdout.write(f"{explanation.summary()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
