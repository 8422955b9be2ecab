"""
Draw the pictures of the documentation: the idea step by step, and baselines side by side.

``python docs/pictures/make.py [--out FOLDER]`` asks the default model about the photograph that the package carries,
some 15,000 images in all. Cuts and contingencies are those of the readable specification, ``tests/spec/reference.py``.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dccausal import Explanation, OnnxClassifier, explain
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo
from dccausal.explanation.sheet import contact_sheet

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "spec"))

import reference  # noqa: E402  it is made importable above

GREY, SIDE, CONCENTRATION = 128, 224, 4
GREEN, RED = (46, 160, 67), (218, 54, 51)
PLACES = ("top left", "top right", "bottom left", "bottom right")
CORNERS = range(4)
# The paper's search and one explanation for the label alone, with central cuts that stay beside their contingency.
SEARCH = {
    "profile": "paper",
    "concentration": CONCENTRATION,
    "world": "contingency",
    "weighting": "leaf",
    "refine_equal": True,
}


class Model:
    """The default model and what it says of the photograph."""

    def __init__(self) -> None:
        """Load it, and classify the photograph."""
        self.classifier = OnnxClassifier(default_model(), device="cpu")
        self.photo = demo_photo()
        self.image = np.asarray(self.classifier.prepare(self.photo)[0])
        self.label = int(self.classifier(self.image[None])[0].argmax())

    def says(self, masked: np.ndarray) -> tuple[str, float, bool]:
        """Return the top label of a masked image, its score, and whether it is the photograph's."""
        shown = np.where(masked[..., None], np.uint8(GREY), self.image)
        scores = self.classifier(shown[None])[0]
        best = int(scores.argmax())
        names = self.classifier.names or ()
        return names[best].split(",")[0], float(scores[best]), best == self.label

    def picture(self, masked: np.ndarray) -> Image.Image:
        """Return what the model is shown."""
        return Image.fromarray(np.where(masked[..., None], np.uint8(GREY), self.image))

    def explain(self, **options: object) -> Explanation:
        """Explain the photograph."""
        return explain(self.photo, self.classifier, **options)  # type: ignore[arg-type]


def masked_of(regions: list[reference.Region], chosen: frozenset[int]) -> np.ndarray:
    """Return which pixels are masked where these superpixels are."""
    masked = np.zeros((SIDE, SIDE), bool)
    for i in chosen:
        top, left, bottom, right = regions[i]
        masked[top:bottom, left:right] = True
    return masked


def framed(picture: Image.Image, *, is_passing: bool) -> Image.Image:
    """Return a picture, enlarged, with a green frame where the label stays and a red one where it is lost."""
    result = picture.resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    ImageDraw.Draw(result).rectangle(
        (0, 0, 2 * SIDE - 1, 2 * SIDE - 1), outline=GREEN if is_passing else RED, width=8
    )
    return result


def lined(picture: Image.Image, regions: list[reference.Region], texts: list[str]) -> Image.Image:
    """Return a picture, enlarged, with the outlines of regions and a text in each."""
    result = picture.resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(30)
    for (top, left, bottom, right), text in zip(regions, texts, strict=True):
        draw.rectangle((2 * left, 2 * top, 2 * right - 1, 2 * bottom - 1), outline=(255, 255, 255), width=3)
        middle = (left + right, top + bottom)
        draw.text(
            middle, text, fill=(255, 255, 255), font=font, anchor="mm", stroke_width=3, stroke_fill=(0, 0, 0)
        )
    return result


def responsibilities(
    model: Model, regions: list[reference.Region]
) -> tuple[list[frozenset[int] | None], dict]:
    """Return the contingency of each superpixel, and what the model says of every subset."""
    sets = [frozenset(chosen) for n in range(5) for chosen in combinations(CORNERS, n)]
    verdicts = {chosen: model.says(masked_of(regions, chosen)) for chosen in sets}
    holds = {chosen: is_passing for chosen, (_, _, is_passing) in verdicts.items()}
    return [reference.contingency(holds, s) for s in CORNERS], verdicts


def telling_cut(model: Model) -> tuple[int, list[reference.Region], list[frozenset[int] | None], dict]:
    """Return the path of the cut whose superpixels differ most in responsibility, and are largest; and its parts."""
    tried = []
    for partition in range(12):
        path = reference.root_path(0, partition)
        regions = reference.cut((0, 0, SIDE, SIDE), path, CONCENTRATION)
        found, verdicts = responsibilities(model, regions)
        variety = len({None if w is None else len(w) for w in found})
        smallest = min((bottom - top) * (right - left) for top, left, bottom, right in regions)
        tried.append((variety, smallest, path, regions, found, verdicts))
    return max(tried, key=lambda trial: trial[:2])[2:]


def fraction(contingency: frozenset[int] | None) -> str:
    """Return a responsibility in words."""
    if contingency is None:
        return "0"
    return "1" if not contingency else f"1/{1 + len(contingency)}"


def draw_masks(model: Model, regions: list[reference.Region], verdicts: dict) -> Image.Image:
    """Show the cut, each superpixel masked, and the smallest sets that take the label away."""
    nothing = frozenset[int]()
    rows = [[(lined(model.picture(masked_of(regions, nothing)), regions, list("1234")), "four superpixels")]]
    asked = [frozenset({s}) for s in CORNERS]
    asked += [chosen for chosen in verdicts if len(chosen) > 1 and not verdicts[chosen][2]][:3]
    for chosen in asked:
        name, score, is_passing = verdicts[chosen]
        picture = framed(model.picture(masked_of(regions, chosen)), is_passing=is_passing)
        who = ", ".join(str(1 + s) for s in sorted(chosen))
        rows[0].append((picture, f"{who} masked: {name} {score:.2f}"))
    return contact_sheet([rows[0][:4], rows[0][4:]], width=300)


def draw_refinement(model: Model, path: int, regions: list[reference.Region], found: list) -> Image.Image:
    """Show responsibilities of the cut and of the cut of its most responsible superpixel."""
    photo = model.picture(np.zeros((SIDE, SIDE), bool))
    first = lined(photo, regions, [fraction(w) for w in found])
    causes = [s for s in CORNERS if found[s] is not None]
    best = min(causes, key=lambda s: (len(found[s]), -np.prod(np.subtract(regions[s][2:], regions[s][:2]))))
    world = masked_of(regions, found[best])
    parts = reference.cut(regions[best], reference.child_path(path, best), CONCENTRATION)
    sets = [frozenset(chosen) for n in range(5) for chosen in combinations(CORNERS, n)]
    holds = {chosen: model.says(masked_of(parts, chosen) | world)[2] for chosen in sets}
    inner = [reference.contingency(holds, s) for s in CORNERS]
    second = lined(model.picture(world), parts, [fraction(w) for w in inner])
    return contact_sheet(
        [
            [
                (first, "responsibilities 1 / (1 + k)"),
                (second, f"superpixel {1 + best} cut again, its contingency masked"),
            ]
        ],
        width=400,
    )


def draw_partitions(model: Model) -> Image.Image:
    """Show the heatmap of more and more partitions."""
    row = [
        (
            model.explain(partitions=n, **SEARCH).overlay(contour="none", caption=False),
            f"mean of {n} partition{'s' * (n > 1)}",
        )
        for n in (1, 5, 20, 50)
    ]
    return contact_sheet([row[:2], row[2:]], width=440)


def draw_extraction(model: Model) -> Image.Image:
    """Show the shortest sufficient prefix of the ranking, and what is left of it."""
    order = model.explain(partitions=20, **SEARCH).ranking()
    found = model.explain(partitions=20, **SEARCH | {"levels": (0.0,), "grid": 14})

    def prefix(n: int) -> np.ndarray:
        kept = np.zeros(SIDE * SIDE, bool)
        kept[order[:n]] = True
        return kept.reshape(SIDE, SIDE)

    step = SIDE * SIDE // 100
    n = next(n for n in range(1, 101) if model.says(~prefix(n * step))[2])
    row = []
    for title, kept in (
        ("best half as many", prefix(n // 2 * step)),
        ("best ranked", prefix(n * step)),
        ("the explanation", found.kept),
    ):
        name, score, is_passing = model.says(~kept)
        shown = framed(model.picture(~kept), is_passing=is_passing)
        row.append((shown, f"{title}, {kept.mean():.1%}: {name} {score:.2f}"))
    return contact_sheet([row], width=400)


def draw_baselines(model: Model) -> Image.Image:
    """Show the explanation under several baselines, as the model sees it."""
    row = []
    for baseline in ("grey", "black", "white", "blur"):
        found = model.explain(baseline=baseline)
        picture = found.masked_picture().resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
        row.append((picture, f"{baseline}: {found.size:.1%} kept, score {found.explanation_score:.2f}"))
    return contact_sheet([row], width=300)


def main() -> None:
    """Draw every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("names", nargs="*", help="of the pictures; by default all")
    given = parser.parse_args()
    model = Model()
    path, regions, found, verdicts = telling_cut(model)
    pictures = {
        "masks": lambda: draw_masks(model, regions, verdicts),
        "refinement": lambda: draw_refinement(model, path, regions, found),
        "partitions": lambda: draw_partitions(model),
        "extraction": lambda: draw_extraction(model),
        "baselines": lambda: draw_baselines(model),
    }
    for name in given.names or pictures:
        pictures[name]().save(given.out / f"{name}.jpg", quality=86)


if __name__ == "__main__":
    main()
