"""An explanation made by hand, with every field, and nested sets for it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dccausal import Explanation, Placement
from dccausal.explanation.record import Level


def make_explanation(**fields):
    """Return one of 24 x 32 pixels, with other fields where some are given."""
    rng = np.random.default_rng(7)
    kept = np.zeros((24, 32), dtype=bool)
    kept[8:16, 8:24] = True
    heatmap = rng.random((24, 32), dtype=np.float32)
    heatmap /= heatmap.max()
    defaults = {
        "heatmap": heatmap,
        "kept": kept,
        "label": 3,
        "name": "red panda",
        "score": 0.75,
        "explanation_score": 0.5,
        "outcome": "minimal",
        "notes": ("A note.",),
        "image": rng.integers(0, 256, (24, 32, 3), dtype=np.uint8),
        "baseline": np.full((24, 32, 3), 128, dtype=np.uint8),
        "photo": Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)),
        "placement": Placement(photo_size=(120, 90), box=(0.0, 0.0, 120.0, 90.0)),
        "source": "photos/panda.jpg",
        "provenance": {"seed": 0, "classifier": {"preprocess": {"mean": [0.5, 0.5, 0.5]}}},
        "statistics": {
            "model_calls": 1234,
            "model_calls_by_phase": {
                "check": 2,
                "search": 1200,
                "growth": 12,
                "shrinking": 19,
                "verification": 1,
            },
            "grid": [28, 28],
            "seconds": 2.5,
            "model_seconds": 2.25,
        },
    }
    return Explanation(**{**defaults, **fields})


def nested_levels(confidences=(0.9, 0.5, 0.0), scores=(0.7, 0.5, 0.25)):
    """Three sets inside each other, the second one that of ``make_explanation``."""
    kept = [np.zeros((24, 32), dtype=bool) for _ in range(3)]
    kept[0][8:16, 8:28] = kept[1][8:16, 8:24] = kept[2][8:16, 8:16] = True
    return tuple(
        Level(confidence=confidence, kept=mask, score=score, outcome="minimal")
        for confidence, mask, score in zip(confidences, kept, scores, strict=True)
    )
