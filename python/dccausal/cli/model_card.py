"""What ``inspect`` says of a detector, a segmenter or an embedding model, and of a photograph that it sees."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.json import json_text
from dccausal._shared.text import counted, printable
from dccausal.cli.loading import open_model
from dccausal.errors import ModelError, OptionError
from dccausal.onnx.model import OnnxModel
from dccausal.onnx.reading.task import UnreadError
from dccausal.targets.frame import Frame
from dccausal.targets.maps import LabelMaps

if TYPE_CHECKING:
    from PIL import Image

SCHEMA = "dccausal.model"
SCHEMA_VERSION = 1

_WIDTH, _HEADING = 100, 15
_N_NAMES = 3


def recognised(options: Mapping[str, Any]) -> OnnxModel | None:
    """
    Return the model, where its outputs are known to be no scores; None for what may be a classifier.

    Raises
    ------
    UnreadError
        If they are known, and not explained.

    """
    if options["scores"] != "auto" or options["output"] is not None:
        return None
    try:
        return open_model(options)
    except UnreadError:
        raise
    except (ModelError, OptionError):  # the classifier's own error says more
        return None


def show_model(model: OnnxModel, photo: Image.Image | None, image: str | None, *, is_json: bool) -> str:
    """Return what is understood of a model, and what it sees in a photograph; as JSON or as text."""
    seen = None if photo is None else look(model, photo)
    if is_json:
        document = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "model": None if model.path is None else str(model.path),
            "inputs": list(model.inputs),
            "outputs": list(model.outputs),
            "names": None if model.names is None else list(model.names),
            "names_reason": model.names_reason,
            **{key: value for key, value in model.provenance().items() if key not in ("model", "outputs")},
            "read_outputs": model.provenance()["outputs"],
            "photo": image,
            "seen": seen,
        }
        return json_text(document)
    text = _text(model)
    return text if seen is None else f"{text}\n\n{_table(model, seen, str(image))}"


def look(model: OnnxModel, photo: Image.Image) -> list[dict[str, Any]]:
    """Return what a model sees in a photograph, best first, as plain values."""
    if model.gives == "boxes":
        found = model.detect(photo)
        return [
            {
                "number": i,
                "label": int(row[5]),
                "name": _name(model, int(row[5])),
                "score": float(row[4]),
                "box": {
                    side: float(value)
                    for side, value in zip(("left", "top", "right", "bottom"), row, strict=False)
                },
            }
            for i, row in enumerate(found)
        ]
    answer, frame = model.look(photo)
    return _regions(model, answer, frame) if model.gives == "maps" else []


def _regions(model: OnnxModel, maps: LabelMaps, frame: Frame) -> list[dict[str, Any]]:
    """Return the labels of a map, the largest first, with a point in each."""
    labels, found = maps.labels(), []
    inside = frame.shows((labels.shape[0], labels.shape[1]))
    for label in np.argsort(-np.bincount(labels[inside], minlength=maps.n_labels), kind="stable"):
        region = (labels == label) & inside
        if not region.any():
            break
        row, column = _inner(region)
        at = np.array([column + 0.5, row + 0.5]) * np.array(frame.size[::-1]) / np.array(labels.shape[::-1])
        x, y = frame.to_photo(at)
        found.append(
            {
                "label": int(label),
                "name": _name(model, int(label)),
                "score": float(maps.at(region, int(label))[1].mean()),
                "share": float(region.sum() / inside.sum()),
                "point": [float(x), float(y)],
            }
        )
    return found


def _inner(region: NDArray[np.bool_]) -> tuple[int, int]:
    """Return a place of a region that lies well inside of it: one of the last that wearing off its border leaves."""
    left = region
    while True:
        padded = np.pad(left, 1)
        worn = left & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if not worn.any():
            row, column = np.argwhere(left)[0]
            return int(row), int(column)
        left = worn


def _text(model: OnnxModel) -> str:
    batch = (
        "any number of images a run" if model.fixed_batch is None else f"exactly {model.fixed_batch} a run"
    )
    names = "none; --labels FILE gives them"
    if model.names is not None:
        some = ", ".join(name.split(",")[0] for name in model.names[:_N_NAMES])
        names = f"{some}{', ...' if len(model.names) > _N_NAMES else ''} ({model.names_reason})"
    rows = [
        ("input", "; ".join(model.inputs)),
        ("", f"{model.layout}, {model.sizing.words()}, {model.channels} channels, {batch}"),
        ("output", "; ".join(model.outputs)),
        ("decoder", f"{model.gives}: {model.family}"),
        ("names", names),
        ("preprocessing", model.preprocess.words()),
        ("", f"because: {model.preprocess_reason}"),
        ("device", f"{model.device} ({model.provider})"),
        *(("note", note) for note in model.notes),
    ]
    lines = [printable(str(model.path))]
    for heading, sentence in rows:
        wrapped = textwrap.wrap(printable(sentence), _WIDTH - _HEADING - 4) or [""]
        lines += [f"  {heading if i == 0 else '':<{_HEADING}}  {part}" for i, part in enumerate(wrapped)]
    return "\n".join(lines)


def _table(model: OnnxModel, seen: list[dict[str, Any]], image: str) -> str:
    if model.gives == "embeddings":
        return f"{printable(image)}: --like IMAGE or --prompts FILE says what it is compared with"
    if not seen:
        return f"{printable(image)}: the model sees nothing"
    if model.gives == "maps":
        width = max(len(_title(one)) for one in seen)
        lines = [
            f"{printable(image)}: {counted(len(seen), 'label')}; --region NAME or --region X,Y explains one"
        ]
        for one in seen:
            x, y = one["point"]
            lines.append(
                f"  {_title(one):<{width}}  {one['share']:6.1%}  {one['score']:.3f}  at {x:.0f},{y:.0f}"
            )
        return "\n".join(lines)
    n_boxes = "1 box" if len(seen) == 1 else f"{len(seen)} boxes"
    lines = [f"{printable(image)}: {n_boxes}, in the photograph's pixels; --box N explains one"]
    width = max(len(_title(one)) for one in seen)
    for one in seen:
        corners = ", ".join(f"{one['box'][side]:.1f}" for side in ("left", "top", "right", "bottom"))
        lines.append(f"  {one['number']:>4}  {_title(one):<{width}}  {one['score']:.3f}  {corners}")
    return "\n".join(lines)


def _title(one: Mapping[str, Any]) -> str:
    name = one["name"]
    return f"label {one['label']}" if name is None else printable(f"{name.split(',')[0]} ({one['label']})")


def _name(model: OnnxModel, label: int) -> str | None:
    return model.names[label] if model.names is not None and 0 <= label < len(model.names) else None
