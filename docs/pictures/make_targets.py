"""
Draw the pictures of the pages on detectors, segmentation and embeddings.

``python docs/pictures/make_targets.py [--out FOLDER]`` explains planted models, of which the truth is known: the
detector of coloured squares of ``tests/support/planted_detector.py``, a segmenter that calls bright places bright, and
an embedding that is the mean colour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))

from dccausal import Explanation, OnnxModel, explain  # noqa: E402  made importable above
from dccausal.assets.photo import demo_photo  # noqa: E402
from dccausal.explanation.sheet import contact_sheet  # noqa: E402
from dccausal.targets import Box, Region, Similarity  # noqa: E402
from planted_detector import COLOURS, detector, scene  # noqa: E402

SQUARES = [(0, 24, 36), (2, 156, 24), (1, 96, 120), (0, 180, 168), (2, 24, 168)]
SIDE = 240


class Bright:
    """Says of each 8 x 8 pixels whether they are bright: a planted segmenter."""

    names = ("dark", "bright")
    n_classes = 2

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities (n, 2, h, w)."""
        n, height, width, _ = images.shape
        cells = images[:, : height // 8 * 8, : width // 8 * 8].reshape(n, height // 8, 8, width // 8, 8, 3)
        bright = 1 / (1 + np.exp(-(cells.mean(axis=(2, 4, 5)) - 185) / 12))
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)


def mean_colour(images: np.ndarray) -> np.ndarray:
    """Return how much of each colour there is beyond the others: a planted embedding (n, 3)."""
    means = images.reshape(len(images), -1, 3).mean(axis=1) / 255
    return (means - means.mean(axis=1, keepdims=True) + 1e-3).astype(np.float32)


def main() -> None:
    """Write the three pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    photo = scene(SQUARES, size=(SIDE, SIDE))
    model = OnnxModel(detector(size=(SIDE, SIDE)), preprocess="unit", labels=COLOURS, device="cpu")
    save(out / "detectors.jpg", [explain(photo, model, target=Box((156, 24, 192, 60))),
                                 explain(photo, model, target=Box((180, 168, 216, 204)))])  # fmt: skip
    panda = demo_photo().resize((320, 224))
    save(out / "segmentation.jpg", [explain(panda, Bright(), target=Region("bright"))])
    like = Similarity([scene([(2, 100, 100)], size=(SIDE, SIDE), seed=1)], names=["a blue square"])
    save(out / "similarity.jpg", [explain(photo, mean_colour, target=like)])


def save(path: Path, explanations: list[Explanation]) -> None:
    """Write overlay and explanation of each side by side."""
    rows = [
        [
            (one.overlay(caption=False), f"{one.title}: the heat"),
            (one.picture(caption=False), "what suffices for it"),
        ]
        for one in explanations
    ]
    contact_sheet(rows).convert("RGB").save(path, quality=88)


if __name__ == "__main__":
    main()
