"""The command ``inspect``: what was understood of a model, and what it says of a photograph, before any work."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dccausal._shared.json import json_text
from dccausal._shared.text import printable, score_text
from dccausal.cli.loading import count_classes, open_classifier
from dccausal.cli.model_card import recognised, show_model
from dccausal.cli.terminal import Terminal
from dccausal.inputs.photo import load_photo
from dccausal.inputs.preprocess import PRESETS
from dccausal.onnx.card import Candidate, check_photo, facts, measure_throughput
from dccausal.onnx.running.runtime import find_runtime

if TYPE_CHECKING:
    from dccausal.onnx.model_classifier import ModelClassifier

SCHEMA = "dccausal.model"
SCHEMA_VERSION = 1

_WIDTH, _HEADING = 100, 15
_N_NAMES = 3


def inspect_command(**options: Any) -> int:
    """Print what is understood of ``model``; return the exit code."""
    terminal = Terminal(is_json=options["json"], is_debug=options["debug"])
    image = options["image"] if options["check"] is None else options["check"]
    photo = None if image is None else load_photo(image)
    model = recognised(options)
    if model is not None:
        said = show_model(model, photo, image, is_json=options["json"])
        (terminal.json if options["json"] else terminal.result)(said)
        return 0
    classifier = open_classifier(options)
    if photo is not None and classifier.preprocess.stretch:
        photo = load_photo(image, stretch=True)
    candidates = [] if photo is None else check_photo(classifier, photo)
    speed = []
    if options["speed"] is not False:
        speed = measure_throughput(classifier, lambda n: open_classifier({**options, "batch_size": n}))
    providers = find_runtime().get_available_providers()
    if options["json"]:
        terminal.json(json_text(document(classifier, providers, speed, candidates)))
        return 0
    terminal.result(text(classifier, providers, speed))
    if candidates:
        _write_table(candidates, image, has_names=classifier.names is not None)
    return 0


def document(
    classifier: ModelClassifier,
    providers: Sequence[str],
    speed: Sequence[tuple[int, float]],
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    """Return the same for machines; docs/result-schema.md describes it."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **facts(classifier),
        "available_providers": list(providers),
        "throughput": [{"batch_size": n, "images_per_second": rate} for n, rate in speed],
        "check": [
            {
                "title": candidate.title,
                "preprocess": candidate.preprocess.to_dict(),
                "best": [
                    {"label": label, "name": name, "score": score} for label, name, score in candidate.best
                ],
            }
            for candidate in candidates
        ],
    }


def text(classifier: ModelClassifier, providers: Sequence[str], speed: Sequence[tuple[int, float]]) -> str:
    """Return what is understood of a model in a few lines."""
    height, width = classifier.size
    batch = "any number of images a run"
    if classifier.fixed_batch is not None:
        batch = f"exactly {classifier.fixed_batch} a run"
    rows = [
        ("input", f"{'; '.join(classifier.inputs)}"),
        ("", f"{classifier.layout}, {width} x {height}, {classifier.channels} channels, {batch}"),
        ("output", "; ".join(classifier.outputs)),
        ("", f"{count_classes(classifier)}, {classifier.scores}: {classifier.scores_reason}"),
        ("names", _names(classifier)),
        ("preprocessing", classifier.preprocess.words()),
        ("", f"because: {classifier.preprocess_reason}"),
        ("device", f"{classifier.device} ({classifier.provider}); there are {', '.join(providers)}"),
    ]
    if classifier.names is None and classifier.scores == "logits":
        rows.insert(
            4, ("", "where it is an embedding: --like IMAGE or --prompts FILE.npy explains it as one")
        )
    if classifier.threshold is not None:
        rows.insert(4, ("", f"a label counts as given from {classifier.threshold:g} on"))
    if classifier.feed:
        fed = "; ".join(f"{name} = {value}" for name, value in classifier.feed.items())
        rows.insert(2, ("", f"fed besides: {fed}"))
    if speed:
        rates = ", ".join(f"{rate:,.0f} in batches of {n}" for n, rate in speed)
        rows.append(("images a second", rates))
    rows += [("note", note) for note in classifier.notes]
    lines = [printable(str(classifier.path))]
    for heading, sentence in rows:
        wrapped = textwrap.wrap(printable(sentence), _WIDTH - _HEADING - 4) or [""]
        lines += [f"  {heading if i == 0 else '':<{_HEADING}}  {part}" for i, part in enumerate(wrapped)]
    return "\n".join(lines)


def _names(classifier: ModelClassifier) -> str:
    if classifier.names is None:
        return "none; --labels FILE gives them"
    shown = ", ".join(name.split(",")[0] for name in classifier.names[:_N_NAMES])
    return f"{shown}{', ...' if len(classifier.names) > _N_NAMES else ''} ({classifier.names_reason})"


def _write_table(candidates: Sequence[Candidate], photo: str, *, has_names: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(f"{photo} under each plausible preprocessing")), title_justify="left")
    for candidate in candidates:
        title = candidate.title if candidate.title not in PRESETS else f"--preprocess {candidate.title}"
        table.add_column(Text(title, overflow="fold"), ratio=1, overflow="fold")
    for rank in range(max(len(candidate.best) for candidate in candidates)):
        cells = []
        for candidate in candidates:
            if rank >= len(candidate.best):
                cells.append(Text(""))
                continue
            label, name, score = candidate.best[rank]
            shown = str(label) if name is None else f"{printable(name.split(',')[0])} ({label})"
            cells.append(Text(f"{score_text(score)} {shown}"))
        table.add_row(*cells)
    console = Console(file=sys.stdout, highlight=False)
    console.print()
    console.print(table)
    closing = (
        "Right is the column whose labels are in the picture. If that is not the first, give its option."
    )
    if not has_names:
        closing = (
            "The classes have no names, so these are their indices: --labels FILE gives names. Right is the column "
            "whose best index stands for what is in the picture. If that is not the first, give its option."
        )
    console.print(Text(closing))
