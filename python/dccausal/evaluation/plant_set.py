"""A set of photographs with an occlusion planted in each, and the files that it is kept in."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dccausal._shared.files import png_bytes, write_files
from dccausal._shared.json import json_text
from dccausal.classifier import classify
from dccausal.errors import InputError
from dccausal.evaluation.plant import Occlusion, occlude
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.inputs.baseline import Baseline
    from dccausal.onnx.model_classifier import ModelClassifier

TRUTH = "occlusions.csv"
RECORD = "plant.json"
IMAGES, MASKS = "images", "masks"
COLUMNS = ("file", "label", "name", "shape", "top", "left", "bottom", "right", "share", "mask")

# Shapes of which the columns say everything.
_PLAIN = {"rectangle": "rectangle", "box": "rectangle"}


@dataclass(frozen=True, eq=False)
class Recipe:
    """
    How occlusions are planted.

    Attributes
    ----------
    shapes
        To draw from.
    shares
        (low, high) of the share to cover.
    colour, picture
        As for ``occlude``.
    seed
        Of everything random.
    classifier
        Gives the labels; None for none.
    keep_label
        Whether the label has to survive.
    tries
        Places to try for that.

    """

    shapes: Sequence[str]
    shares: tuple[float, float]
    colour: Baseline
    picture: Image.Image | None
    seed: int
    classifier: ModelClassifier | None = None
    keep_label: bool = False
    tries: int = 10


def plant_set(
    out: Path, photos: Sequence[str], names: Sequence[str], recipe: Recipe
) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    """
    Plant an occlusion in each photograph and write it; yield its path and its line of the truth, or why not.

    Parameters
    ----------
    out
        Folder of the set.
    photos
        Paths.
    names
        What each is called in the set, without suffix. They also decide what is drawn, with the seed.
    recipe
        How.

    Raises
    ------
    OutputError
        If a file cannot be written.

    """
    for photo, name in zip(photos, names, strict=True):
        try:
            yield photo, _plant(out, photo, name, recipe)
        except InputError as error:
            yield photo, error


def write_truth(out: Path, lines: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
    """
    Write occlusions.csv, the last file of a set, and plant.json with how it was made.

    Raises
    ------
    OutputError
        If they cannot be written.

    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_files(
        out, {RECORD: (json_text(record, indent=1) + "\n").encode("ascii"), TRUTH: text.getvalue().encode()}
    )


def _plant(out: Path, path: str, name: str, recipe: Recipe) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng([recipe.seed, *np.frombuffer(digest[:16], dtype=np.uint32).tolist()])
    photo = load_photo(path)
    label = None if recipe.classifier is None else _label(recipe.classifier, photo)
    for _ in range(recipe.tries if recipe.keep_label else 1):
        covered, occlusion = _draw(photo, recipe, rng)
        if recipe.classifier is None or not recipe.keep_label or _label(recipe.classifier, covered) == label:
            return _write(out, name, covered, occlusion, label, recipe)
    raise InputError(
        f"{path}: the label survived none of {recipe.tries} occlusions; a smaller --share is needed"
    )


def _draw(photo: Image.Image, recipe: Recipe, rng: np.random.Generator) -> tuple[Image.Image, Occlusion]:
    shape = recipe.shapes[int(rng.integers(len(recipe.shapes)))]
    return occlude(
        photo,
        shape=shape,
        share=float(rng.uniform(*recipe.shares)),
        rng=rng,
        colour=recipe.colour,
        picture=recipe.picture if shape == "picture" else None,
    )


def _label(classifier: ModelClassifier, photo: Image.Image) -> int:
    image, _ = classifier.prepare(photo)
    return int(classify(classifier, image[None])[0].argmax())


def _write(
    out: Path, name: str, covered: Image.Image, occlusion: Occlusion, label: int | None, recipe: Recipe
) -> dict[str, Any]:
    from PIL import Image

    file = f"{name}.png"
    mask = "" if occlusion.shape in _PLAIN else f"{MASKS}/{file}"
    if mask:
        pixels = occlusion.pixels.astype(np.uint8) * np.uint8(255)
        write_files(out / MASKS, {file: png_bytes(Image.fromarray(pixels))})
    write_files(out / IMAGES, {file: png_bytes(covered)})
    top, left, bottom, right = occlusion.box
    names = None if recipe.classifier is None else recipe.classifier.names
    return {
        "file": file,
        "label": "" if label is None else label,
        "name": "" if names is None or label is None else names[label],
        "shape": _PLAIN.get(occlusion.shape, occlusion.shape),
        "top": top,
        "left": left,
        "bottom": bottom,
        "right": right,
        "share": f"{occlusion.share:.6f}",
        "mask": mask,
    }
