"""A report on a run, or on one result: a single HTML file that needs no network and no program but a browser."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dccausal._shared.checks import whole_number
from dccausal._shared.files import check_writable, write_files
from dccausal.errors import InputError, OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.report.item import Result, find_photo, heading, load_result, make_item
from dccausal.report.page import page_bytes
from dccausal.report.read import Entry, Source, read_source
from dccausal.report.truth import Truth

if TYPE_CHECKING:
    from dccausal.onnx.model_classifier import ModelClassifier

__all__ = ["write_report"]

REPORT = "report.html"
_SMALLEST, _LARGEST = 64, 4096


def write_report(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    truth: str | os.PathLike[str] | None = None,
    photos: str | os.PathLike[str] | None = None,
    photo_size: int = 640,
    classifier: ModelClassifier | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """
    Write a report: one HTML file with everything in it, the same bytes for the same run.

    Parameters
    ----------
    run
        Folder of a run (``dccausal explain FOLDER --out RUN``), of one result, or of several results.
    out
        The file, by default report.html in that folder. It is there whole or not at all.
    title
        What stands above it, by default the name of the folder.
    truth
        CSV file with the columns ``file`` and ``label``: the known labels. A photograph is right where the label
        that was explained is the known one.
    photos
        Folder of the photographs, if they are no longer where the run found them. A photograph that is not found
        is shown as explanation.png has it, grey outside the explanation.
    photo_size
        Most pixels of a side of a photograph in the report, from 64 to 4096.
    classifier
        The model with which the results were made; it is asked for the score against the share of the best-ranked
        pixels shown (51 calls a photograph). None asks nothing.
    progress
        Called before each photograph with how many are done, how many there are, and its path.

    Returns
    -------
    dict
        "path": of the file. "n_bytes". "n_explained" (explanations; a photograph has several where several targets
        were asked for), "n_photographs" (that are explained), "n_failed", "n_left" (of a run that is not finished),
        "n_without_photo". "damaged": a sentence on each result whose files cannot be used.

    Raises
    ------
    InputError
        If there is no run or result, or its table or the truth is damaged. A result whose files are damaged is
        listed in the report as failed.
    OptionError
        If ``photo_size`` is out of range.
    OutputError
        If the file cannot be written.

    """
    folder = Path(run)
    whole_number("photo_size", photo_size, _SMALLEST, _LARGEST)
    source = read_source(folder)
    path = folder / REPORT if out is None else Path(out)
    check_writable(path.parent, [path.name])
    known = None if truth is None else Truth(Path(truth))
    items = _Items(None if photos is None else Path(photos), photo_size, classifier)
    for i, entry in enumerate(source.entries):
        if progress is not None:
            progress(i, len(source.entries), entry.path or str(entry.folder))
        items.add(entry)
    if known is not None:
        _judge(items.about, known)
    content = page_bytes(_about(source, items, title or source.title), items.packed)
    write_files(path.parent, {path.name: content})
    n_failed = sum(about["error"] is not None for about in items.about)
    return {
        "path": path,
        "n_bytes": len(content),
        "n_explained": len(items.about) - n_failed,
        "n_photographs": _n_photographs(source, items.about),
        "n_failed": n_failed,
        "n_left": source.n_left,
        "n_without_photo": sum(about.get("is_photo") is False for about in items.about),
        "damaged": items.damaged,
    }


class _Items:
    """The photographs of a report as they are read, one after the other."""

    def __init__(self, photos: Path | None, longest: int, classifier: ModelClassifier | None) -> None:
        self._photos, self._longest, self._classifier = photos, longest, classifier
        self.about: list[dict[str, Any]] = []
        self.packed: list[dict[str, Any] | None] = []
        self.damaged: list[str] = []
        self.models: list[str | None] = []
        self.preprocess: list[str | None] = []

    def add(self, entry: Entry) -> None:
        about, packed = heading(entry), None
        if entry.folder is not None:
            try:
                result = load_result(entry.folder)
            except InputError as error:
                self.damaged.append(str(error))
                about.update(error="Damaged", message=str(error))
            else:
                about, packed = self._item(entry, result)
        self.about.append(about)
        self.packed.append(packed)

    def _item(self, entry: Entry, result: Result) -> tuple[dict[str, Any], dict[str, Any]]:
        path = entry.path or str(result.document["image"].get("path") or "")
        photo, is_photo = find_photo(path, self._photos, result)
        about, packed = make_item(entry, result, photo, is_photo=is_photo, longest=self._longest)
        provenance = result.document.get("provenance")
        told = provenance.get("classifier") if isinstance(provenance, dict) else None
        classifier = told if isinstance(told, dict) else {}
        self.models.append(classifier.get("model"))
        self.preprocess.append(_preprocess_words(classifier))
        if self._classifier is not None and is_photo:
            from dccausal.report.curve import check_model, curve_of

            check_model(self._classifier, result)
            packed["curve"] = curve_of(self._classifier, photo, result)
        return about, packed


def _judge(items: Sequence[dict[str, Any]], known: Truth) -> None:
    for about in items:
        about["truth"] = known.judge(about)
    if not any(about["truth"] for about in items):
        raise InputError(
            f"{known.path} names none of the {len(items)} photographs ({items[0]['path']}, ...); "
            "their paths or file names are needed"
        )


def _about(source: Source, items: _Items, title: str) -> dict[str, Any]:
    from dccausal._core import __version__

    explained = [about for about in items.about if about["error"] is None]
    model = (source.manifest or {}).get("model") or {}
    return {
        "dccausal": __version__,
        "title": title,
        "model": model.get("path") or _only(items.models),
        "preprocess": _only(items.preprocess),
        "options": (source.manifest or {}).get("options"),
        "n_left": source.n_left,
        "outcomes": dict(Counter(about["outcome"] for about in explained)),
        "median_size": statistics.median(about["size"] for about in explained) if explained else None,
        "has_truth": any(about.get("truth") for about in items.about),
        "n_photographs": _n_photographs(source),
        "items": items.about,
    }


def _n_photographs(source: Source, explained: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Return how many photographs there are, or are explained: each once, however many targets it has."""
    entries = source.entries
    if explained is not None:
        entries = tuple(
            entry for entry, about in zip(entries, explained, strict=True) if about["error"] is None
        )
    return len({entry.path or entry.folder for entry in entries})


def _only(values: Sequence[str | None]) -> str | None:
    """Return what all values are; None where they differ."""
    return values[0] if len(set(values)) == 1 else None


def _preprocess_words(classifier: Mapping[str, Any]) -> str | None:
    """Return what the model sees of a photograph; None where the result does not say."""
    try:
        return Preprocess.from_dict(classifier["preprocess"]).words()
    except (KeyError, TypeError, OptionError):
        return None
