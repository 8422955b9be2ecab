"""A photograph of a report: what the list says of it, and what is unpacked only when it is looked at."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.files import read_bytes
from dccausal.errors import ImageError, InputError
from dccausal.inputs.photo import load_photo
from dccausal.inputs.placement import Placement
from dccausal.report.pixels import kept_text, levels_of, photo_text
from dccausal.report.read import Entry, read_result
from dccausal.report.trees import trees_of

if TYPE_CHECKING:
    from PIL import Image

_SAME = 8.0  # mean difference of a channel up to which two decodings count as of one photograph
_MASKED_LIGHT = 0.30  # of what explanation.png shows grey and dark, see pictures.py


@dataclass(frozen=True)
class Result:
    """
    The files of a result, read and checked.

    Attributes
    ----------
    document
        result.json.
    heatmap, kept
        float32 and bool (H, W).
    placement
        Where in the photograph these lie.
    shown
        explanation.png.
    baseline
        baseline.png, where there is one.
    trees
        The causal trees, see ``_report_trees``.

    """

    document: dict[str, Any]
    heatmap: NDArray[np.float32]
    kept: NDArray[np.bool_]
    placement: Placement
    shown: Image.Image
    baseline: Image.Image | None
    trees: list[dict[str, Any]]


def load_result(folder: Path) -> Result:
    """
    Read the files of a result.

    Raises
    ------
    InputError
        If one is missing, damaged, or not the one that result.json is about.

    """
    document = read_result(folder)
    try:
        image, hashes = document["image"], document["files"]
        shape = (int(image["height"]), int(image["width"]))
        size = (int(image["photo_width"]), int(image["photo_height"]))
        left, top, right, bottom = (float(image["box"][side]) for side in ("left", "top", "right", "bottom"))
        for name in ("label", "name", "score", "explanation_score", "size", "outcome", "notes", "statistics"):
            document[name]
        has_colour = document["baseline"]["colour"] is not None
        heatmap = _array(folder / "heatmap.npy", hashes)
        kept = np.asarray(_picture(folder / "kept.png", hashes, "L")) == 255  # noqa: PLR2004  as the schema says
        shown = _picture(folder / "explanation.png", hashes, "RGB")
        baseline = None if has_colour else _picture(folder / "baseline.png", hashes, "RGB")
        trees = trees_of(document)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'result.json'} lacks {error}; a whole result is needed") from error
    if heatmap.shape != shape or kept.shape != shape or shown.size != size or min(*shape, *size) < 1:
        raise InputError(
            f"{folder}: the heatmap is {heatmap.shape}, kept.png {kept.shape}, explanation.png {shown.size}; "
            f"{shape} and {size}, as result.json says, are needed"
        )
    placement = Placement(size, (left, top, right, bottom))
    return Result(document, heatmap, kept, placement, shown, baseline, trees)


def find_photo(path: str, photos: Path | None, result: Result) -> tuple[Image.Image, bool]:
    """
    Return the photograph of a result, and whether it is the one that was explained.

    Where it is not there any more, or another one is, it comes from explanation.png, grey outside the explanation.

    Parameters
    ----------
    path
        As it was named.
    photos
        Folder to look in instead of where it was.
    result
        Its result.

    """
    stretch: Any = result.document
    for key in ("provenance", "classifier", "preprocess", "stretch"):
        stretch = stretch.get(key) if isinstance(stretch, Mapping) else None
    for place in _places(path, photos):
        try:
            photo = load_photo(place, stretch=stretch is True)
        except (ImageError, OSError, ValueError):
            continue
        if photo.size == result.placement.photo_size and _is_shown(photo, result):
            return photo, True
    return _from_shown(result), False


def make_item(
    entry: Entry, result: Result, photo: Image.Image, *, is_photo: bool, longest: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the list says of a result, and what is unpacked when it is looked at."""
    document = result.document
    text, size = photo_text(photo, longest)
    scale = size[0] / photo.width, size[1] / photo.height
    box = [side * scale[i % 2] for i, side in enumerate(result.placement.box)]
    named = ("label", "name", "score", "explanation_score", "size", "outcome", "notes")
    about = {
        **heading(entry, document),
        **{name: document[name] for name in named},
        "photo": list(size),
        "is_photo": is_photo,
        "box": [round(side, 3) for side in box],
        "shape": list(result.kept.shape),
        "colour": document["baseline"]["colour"],
        "n_trees": len(result.trees),
        "calls": document["statistics"].get("model_calls"),
    }
    packed = {
        "photo": text,
        **levels_of(result.heatmap),
        "kept": kept_text(result.kept),
        "baseline": None if result.baseline is None else photo_text(result.baseline, 1024)[0],
        "trees": result.trees,
        "curve": document["statistics"].get("insertion_curve"),
        "image": document["image"],
        "statistics": document["statistics"],
        "provenance": document.get("provenance", {}),
        "files": document["files"],
    }
    return about, packed


def heading(entry: Entry, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the list says of every photograph, failed ones too."""
    path = entry.path or str((document or {}).get("image", {}).get("path") or "")
    place = "" if entry.folder is None else entry.folder.name
    return {
        "path": path,
        "file": PurePath(path).name or place,
        "error": entry.error,
        "message": entry.message,
    }


def _places(path: str, photos: Path | None) -> list[str]:
    if not path:
        return []
    if photos is None:
        return [path]
    return [os.fspath(photos / path), os.fspath(photos / PurePath(path).name)]


def _is_shown(photo: Image.Image, result: Result) -> bool:
    """Return whether the explanation as it was drawn is of this photograph."""
    inside = result.placement.to_photo(result.kept, smooth=False, fill=False)
    if not inside.any():
        return True
    difference = np.asarray(photo)[inside].astype(np.int16) - np.asarray(result.shown)[inside]
    return bool(np.abs(difference).mean() <= _SAME)


def _from_shown(result: Result) -> Image.Image:
    from PIL import Image

    inside = Image.fromarray(result.placement.to_photo(result.kept, smooth=False, fill=False))
    lit = result.shown.convert("L").point([min(255, round(level / _MASKED_LIGHT)) for level in range(256)])
    return Image.composite(result.shown, lit.convert("RGB"), inside)


def _content(path: Path, hashes: Mapping[str, Any]) -> bytes:
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); all files of a result are needed"
        ) from error
    if hashlib.sha256(content).hexdigest() != hashes[path.name]:
        raise InputError(
            f"{path} is not what result.json is about; the file that was written with it is needed"
        )
    return content


def _array(path: Path, hashes: Mapping[str, Any]) -> NDArray[np.float32]:
    content = _content(path, hashes)
    try:
        array: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error}); NumPy's format is needed") from error
    return array


def _picture(path: Path, hashes: Mapping[str, Any], mode: str) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_content(path, hashes))) as image:
            return image.convert(mode)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read ({error}); a PNG is needed") from error
