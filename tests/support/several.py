"""Several images of one classifier, and what of their explanations has to be the same."""

import numpy as np

OPTIONS = {"profile": "paper", "partitions": 8, "grid": 8, "world": "contingency"}


def variations(planted, n=6):
    """Images that the same classifier explains differently: all boxes, or the first alone, before noise."""
    images = []
    for i in range(n):
        noise = np.random.default_rng(i).integers(80, 120, planted.image.shape, dtype=np.uint8)
        boxes = planted.pixels("A" if i % 3 == 1 else "".join(planted.boxes))
        images.append(np.where(boxes[..., None], planted.image, noise))
    return images


def content(explanation):
    stats = explanation.statistics
    return (
        explanation.heatmap.tobytes(),
        explanation.kept.tobytes(),
        explanation.outcome,
        explanation.label,
        explanation.notes,
        tuple(stats["model_calls_by_phase"].items()),
        stats["rounds"],
    )
