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

from dccausal._shared.files import array_of, read_bytes
from dccausal.errors import ImageError, InputError
from dccausal.explanation.kind_words import kind_rows
from dccausal.explanation.pictures import MASKED_LIGHT, enlarged, picture_size
from dccausal.explanation.result import kind_of
from dccausal.explanation.rle import rle_pixels
from dccausal.inputs.photo import load_photo
from dccausal.inputs.placement import Placement
from dccausal.report.check import check_document
from dccausal.report.pixels import kept_text, levels_of, photo_text
from dccausal.report.read import Entry, read_result
from dccausal.report.target import target_of
from dccausal.report.trees import trees_of

if TYPE_CHECKING:
    from PIL import Image

_LEVEL = ("confidence", "score", "size", "outcome")
_SAME = 8.0  # median difference of a channel up to which two decodings count as of one photograph
_THINNEST = 16  # pixels: on a picture that is thinner, lines cover all that could be compared
_OLD_LIGHT, _FIRST_MINOR = 0.30, 3  # of what explanation.png showed grey and dark before this minor version


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
    levels
        The nested sets, bool (H, W) each; none in results of before minor version 3.
    shown
        explanation.png without its caption: of the photograph's size, or enlarged.
    baseline
        baseline.png, where there is one.
    trees
        The causal trees, see ``_report_trees``.

    """

    document: dict[str, Any]
    heatmap: NDArray[np.float32]
    kept: NDArray[np.bool_]
    placement: Placement
    levels: list[NDArray[np.bool_]]
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
        check_document(document)
        image, hashes = document["image"], document["files"]
        shape = (int(image["height"]), int(image["width"]))
        size = (int(image["photo_width"]), int(image["photo_height"]))
        left, top, right, bottom = (float(image["box"][side]) for side in ("left", "top", "right", "bottom"))
        has_colour = document["baseline"]["colour"] is not None
        heatmap = _array(folder / "heatmap.npy", hashes)
        kept = np.asarray(_picture(folder / "kept.png", hashes, "L")) == 255  # noqa: PLR2004  as the schema says
        shown = _uncaptioned(_picture(folder / "explanation.png", hashes, "RGB"), size)
        baseline = None if has_colour else _picture(folder / "baseline.png", hashes, "RGB")
        trees = trees_of(document)
        levels = [_level(level, shape) for level in document.get("levels", [])]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{folder / 'result.json'} lacks {error}; a whole result is needed") from error
    is_drawn = shown.size in (size, picture_size(size))
    if heatmap.shape != shape or kept.shape != shape or min(*shape, *size) < 1 or not is_drawn:
        raise InputError(
            f"{folder}: the heatmap is {heatmap.shape}, kept.png {kept.shape}, explanation.png {shown.size}; "
            f"{shape} and {size}, as result.json says, are needed"
        )
    placement = Placement(size, (left, top, right, bottom))
    return Result(document, heatmap, kept, placement, levels, shown, baseline, trees)


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
    try:
        target, region = target_of(document, scale)
    except ValueError as error:
        raise InputError(f"a result lacks {error}; a whole result is needed") from error
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
        "levels": [{name: level[name] for name in _LEVEL} for level in document.get("levels", [])],
        "beside": [[one["name"], one["explanation_score"]] for one in document.get("baselines", [])],
        "kind": _kind(document, result.kept.shape),
        "target": target,
        "calls": document["statistics"].get("model_calls"),
    }
    packed = {
        "photo": text,
        **levels_of(result.heatmap),
        "kept": kept_text(result.kept),
        "nested": [kept_text(level) for level in result.levels],
        "region": region,
        "baseline": None if result.baseline is None else photo_text(result.baseline, 1024)[0],
        "trees": result.trees,
        "curve": document["statistics"].get("insertion_curve"),
        "image": document["image"],
        "statistics": document["statistics"],
        "provenance": document.get("provenance", {}),
        "files": document["files"],
    }
    return about, packed


def _kind(document: Mapping[str, Any], shape: tuple[int, ...]) -> list[tuple[str, str]]:
    """Return what there is to say of a kind, as (heading, sentence)."""
    try:
        return kind_rows(kind_of(document.get("kind"), (shape[0], shape[1])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the kind of a result lacks {error}; a whole result is needed") from error


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
    placement = result.placement
    if photo.size != result.shown.size:
        photo, placement = enlarged(photo, placement)
    inside = placement.to_photo(result.kept, smooth=False, fill=False)
    if not inside.any() or min(photo.size) < _THINNEST:
        return True
    difference = np.asarray(photo)[inside].astype(np.int16) - np.asarray(result.shown)[inside]
    return bool(np.median(np.abs(difference)) <= _SAME)  # rounded corners and lines are not the photograph's


def _from_shown(result: Result) -> Image.Image:
    from PIL import Image

    shown, size = result.shown, result.placement.photo_size
    inside = Image.fromarray(result.placement.to_photo(result.kept, smooth=False, fill=False))
    light = MASKED_LIGHT if result.document.get("schema_minor", 0) >= _FIRST_MINOR else _OLD_LIGHT
    lit = shown.convert("L").point([min(255, round(level / light)) for level in range(256)])
    found = Image.composite(shown, lit.convert("RGB"), inside.resize(shown.size))
    return found if found.size == size else found.resize(size, Image.Resampling.LANCZOS)


def _uncaptioned(shown: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return explanation.png without its caption; what can be no picture of such a photograph stays as it is."""
    width, height = picture_size(size)
    if shown.size == size or shown.width < width or shown.height < height:
        return shown
    return shown.crop((0, 0, width, height))


def _level(level: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    for name in _LEVEL:
        level[name]
    return rle_pixels(level["kept_rle"], shape)


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
        return array_of(content)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); NumPy's format is needed") from error


def _picture(path: Path, hashes: Mapping[str, Any], mode: str) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_content(path, hashes))) as image:
            return image.convert(mode)
    except InputError:
        raise
    except Exception as error:  # a reader that is fed damaged bytes may raise anything
        raise InputError(f"{path} cannot be read ({error}); a PNG is needed") from error
