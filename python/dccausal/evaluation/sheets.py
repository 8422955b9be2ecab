"""Contact sheets of an evaluation: photographs with what each method found, and the heatmaps of one photograph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dccausal.engine.explain import explain
from dccausal.evaluation.run import slug
from dccausal.explanation import pictures
from dccausal.explanation.sheet import contact_sheet
from dccausal.inputs.photo import load_photo

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.onnx.model_classifier import ModelClassifier

_WIDTH = 224
# The numbers of partitions in figure 3 of the paper.
PARTITIONS = (1, 10, 20, 30, 40, 50, 70, 100)
_A_ROW = 4
_PAPER = (255, 255, 255)


def methods_sheet(
    run: Path, rows: Sequence[Mapping[str, Any]], paths: Sequence[str], folders: Sequence[str]
) -> Image.Image | None:
    """
    Return a sheet with a row a photograph: itself, then each method's overlay and explanation.

    Parameters
    ----------
    run
        Folder of the evaluation, which has the pictures of some photographs.
    rows
        Of the table.
    paths, folders
        The photographs, and their folders of pictures in the run.

    Returns
    -------
    Image
        None where no photograph has pictures.

    """
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    by_index: dict[int, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["error"] is None and row["left_out"] is None:
            by_index.setdefault(int(row["index"]), {})[str(row["method"])] = row
    lines = []
    for index in sorted(by_index):
        if not (run / folders[index]).is_dir():
            continue
        found = by_index[index]
        line = [(load_photo(paths[index]), _photo_caption(next(iter(found.values()))))]
        for method in methods:
            line += _method_pictures(run / folders[index] / slug(method), method, found.get(method))
        lines.append(line)
    return contact_sheet(lines, width=_WIDTH) if lines else None


def _photo_caption(row: Mapping[str, Any]) -> str:
    name = str(row.get("name") or f"label {row.get('label')}").split(",")[0]
    return f"{row['file']}\n{name}, {row.get('score') or 0:.2f}"


def _method_pictures(
    folder: Path, method: str, row: Mapping[str, Any] | None
) -> list[tuple[Image.Image, str]]:
    from PIL import Image

    calls = None if row is None else row.get("calls")
    size = None if row is None else row.get("size")
    captions = {
        "overlay.png": f"{method}\n{'calls not known' if calls is None else f'{calls:,} calls'}",
        "explanation.png": f"{'' if size is None else f'{size:.1%} kept'}\n{(row or {}).get('outcome') or ''}",
    }
    found = []
    for name, caption in captions.items():
        if (folder / name).is_file():
            with Image.open(folder / name) as image:
                found.append((image.convert("RGB"), caption))
        else:
            found.append((Image.new("RGB", (_WIDTH, _WIDTH), _PAPER), f"{method}\nno picture"))
    return found


def partitions_sheet(
    photo: str,
    classifier: ModelClassifier,
    *,
    progress: Callable[[Any], object] | None = None,
    numbers: Sequence[int] = PARTITIONS,
    **options: Any,
) -> Image.Image:
    """
    Return a sheet of one photograph's heatmaps with more and more partitions (paper, Fig. 3).

    Parameters
    ----------
    photo
        Path of the photograph.
    classifier
        The model.
    progress
        As for ``explain``.
    numbers
        Of partitions, one heatmap each.
    options
        Of ``explain``, the profile among them.

    """
    first = load_photo(photo)
    found: list[tuple[Image.Image, str]] = []
    for n in numbers:
        explanation = explain(
            photo, classifier, partitions=n, on_interrupt="raise", progress=progress, **options
        )
        heat = pictures.overlay(first, explanation.placement, explanation.heatmap)
        calls = explanation.statistics["model_calls_by_phase"]["search"]
        found.append((heat, f"N = {n}\n{calls:,} calls, {explanation.size:.1%} kept"))
    return contact_sheet(
        [found[start : start + _A_ROW] for start in range(0, len(found), _A_ROW)], width=_WIDTH
    )
