"""
Boxes of planted detectors, explained: calls, the hottest point, and insertion beside D-RISE.

``python bench/boxes.py [--first 0] [--n 20] [--rival 5]`` makes scenes of coloured squares at random
places, of which the planted detector of ``tests/support/planted_detector.py`` finds every one. The
first ``--rival`` boxes are explained by D-RISE with 5,000 masks too, and all boxes of each scene together.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from dccausal import Explanation, OnnxModel, explain  # noqa: E402  made importable above
from dccausal.engine import explain_together  # noqa: E402
from dccausal.methods import explain_with  # noqa: E402
from dccausal.metrics import energy_pointing_game, insertion_curve, pointing_game  # noqa: E402
from dccausal.targets import Box, Request  # noqa: E402
from dccausal.targets.frame import Frame  # noqa: E402
from planted_detector import SIDE, detector, scene  # noqa: E402

GAP = 48
SHARES = np.linspace(0, 0.2, 41)  # of the pixels: a box is a few per cent of a scene


def squares(rng: np.random.Generator, side: int, n: int) -> list[tuple[int, int, int]]:
    """Return labels and places of squares that lie apart from each other."""
    cells = [(x, y) for x in range(12, side - SIDE, GAP) for y in range(12, side - SIDE, GAP)]
    return [(int(rng.integers(3)), *cells[i]) for i in rng.permutation(len(cells))[:n]]


def main() -> None:
    """Measure, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rival", type=int, default=5)
    parser.add_argument("--side", type=int, default=336)
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--out", default="-")
    asked = parser.parse_args()
    model = OnnxModel(detector(size=(asked.side, asked.side)), preprocess="unit", device="cpu", threads=1)
    stream = sys.stdout if asked.out == "-" else Path(asked.out).open("w", newline="")  # noqa: SIM115
    table = csv.writer(stream)
    table.writerow(
        ["scene", "method", "calls", "outcome", "size", "hottest_in_box", "energy", "insertion", "deletion"]
    )
    for number in range(asked.first, asked.first + asked.n):
        rng = np.random.default_rng(number)
        photo = scene(squares(rng, asked.side, asked.boxes), size=(asked.side, asked.side), seed=number)
        one = explain(photo, model, target=Box(0))
        table.writerow([number, "box", *measured(model, one)])
        many = explain_together(photo, model, "boxes")
        for found in many:
            table.writerow([number, "together", *measured(model, found, curves=False)])
        if number < asked.first + asked.rival:
            rival = explain_with("d-rise", photo, model, target=Box(0), seed=number)
            table.writerow([number, "d-rise", *measured(model, rival)])
        stream.flush()


def measured(model: OnnxModel, found: Explanation, *, curves: bool = True) -> list[object]:
    """Return the measures of one explanation."""
    box = found.target["box"]
    truth = np.zeros(found.heatmap.shape, bool)
    sides = [round(box[name]) for name in ("top", "bottom", "left", "right")]
    truth[max(0, sides[0]) : sides[1], max(0, sides[2]) : sides[3]] = True
    frame = Frame(found.placement.photo_size, found.placement.box, found.image.shape[:2])
    target = Box(found.target["number"]).choose(model(found.image[None]), Request(frame))
    found_curves = [
        float(insertion_curve(model, first, second, found.ranking(), target, shares=SHARES).scores.mean())
        / target.score
        for first, second in ((found.image, found.baseline), (found.baseline, found.image))
        if curves
    ]
    return [
        found.statistics["model_calls"],
        found.outcome,
        round(found.size, 5),
        pointing_game(found.heatmap, truth),
        round(energy_pointing_game(found.heatmap, truth), 4),
        *(round(curve, 4) for curve in found_curves),
    ]


if __name__ == "__main__":
    main()
