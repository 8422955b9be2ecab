"""
Draw the pictures of the page on occluded digits, by the two networks of ``models/make_compositional.py``.

``python docs/pictures/occluded.py DIGITS [--out FOLDER]``, where DIGITS is the folder that the script wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from PIL import Image, ImageDraw, ImageFont

from dccausal import OnnxClassifier, explain

HERE = Path(__file__).parent
NAMES = ("ordinary", "compositional")
SHOWN, SIDE, GAP, HEAD = 4, 288, 12, 56
HEADINGS = (
    "the picture",
    "ordinary: where the label\ncomes from",
    "ordinary: what suffices",
    "compositional: where the label\ncomes from",
    "compositional: what suffices",
    "where the compositional network\nsees an occluder",
)


class Inside:
    """The compositional network, with what it makes of each place."""

    def __init__(self, path: Path) -> None:
        """Open it with three more outputs."""
        model = onnx.load(path)
        for name in ("object_score", "occluder_score", "mixture_score"):
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        self.session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def occluder(self, picture: np.ndarray) -> np.ndarray:
        """Return the share of the windows over each pixel that see an occluder, 0 to 1 (H, W)."""
        tensor = picture.astype(np.float32).transpose(2, 0, 1)[None] / 255
        wanted = ["object_score", "occluder_score", "mixture_score"]
        object_score, occluder_score, mixtures = self.session.run(wanted, {"image": tensor})
        best = int(mixtures.reshape(-1).argmax())
        is_occluder = (occluder_score[..., 0] > object_score[..., best]).reshape(-1)
        side = int(np.sqrt(len(is_occluder)))
        votes, windows = np.zeros(picture.shape[:2]), np.zeros(picture.shape[:2])
        size, step = 24, 6  # of a window of the first convolution, in pixels
        for place, says in enumerate(is_occluder):
            top, left = (step * n for n in divmod(place, side))
            windows[top : top + size, left : left + size] += 1
            votes[top : top + size, left : left + size] += says
        return votes / np.maximum(windows, 1)


def tinted(picture: np.ndarray, share: np.ndarray) -> Image.Image:
    """Return a picture in which an occluder is blue."""
    amount = 0.75 * share[..., None]
    return Image.fromarray((picture * (1 - amount) + np.array([60, 120, 255]) * amount).astype(np.uint8))


def sheet(folder: Path) -> Image.Image:
    """Return a row a digit: the picture, what each network goes by, and where the one sees an occluder."""
    classifiers = {name: OnnxClassifier(folder / f"{name}.onnx", device="cpu", threads=1) for name in NAMES}
    inside, rows = Inside(folder / "compositional.onnx"), []
    for line in (folder / "occlusions.csv").read_text().splitlines()[1:]:
        file, label = line.split(",")[:2]
        path = folder / "digits" / file
        found = {name: explain(path, one, baseline="black") for name, one in classifiers.items()}
        if any(one.label != int(label) or one.outcome != "minimal" for one in found.values()):
            continue
        picture = np.asarray(Image.open(path).convert("RGB"))
        row = [Image.fromarray(picture)]
        for one in found.values():
            row += [one.overlay(caption=False), one.picture(caption=False)]
        rows.append((label, [*row, tinted(picture, inside.occluder(picture))]))
        if len(rows) == SHOWN:
            break
    width, height = len(HEADINGS) * (SIDE + GAP) + GAP, HEAD + SHOWN * (SIDE + GAP)
    result = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(18)
    for column, text in enumerate(HEADINGS):
        draw.multiline_text((GAP + column * (SIDE + GAP), 6), text, fill=(20, 20, 20), font=font, spacing=4)
    for number, (_, row) in enumerate(rows):
        for column, picture in enumerate(row):
            place = (GAP + column * (SIDE + GAP), HEAD + number * (SIDE + GAP))
            kind = Image.Resampling.NEAREST if min(picture.size) < SIDE else Image.Resampling.LANCZOS
            result.paste(picture.convert("RGB").resize((SIDE, SIDE), kind), place)
    return result


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("digits", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    sheet(options.digits).save(options.out / "occluded-digits.png", optimize=True)


if __name__ == "__main__":
    main()
