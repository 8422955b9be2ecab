"""Which of a model's outputs holds what is to be explained: scores, or at least labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError, OptionError
from dccausal.onnx.graph.functions import written_out
from dccausal.onnx.graph.graph import Graph
from dccausal.targets.decoders.facts import called

# As exporters call scores, and what else they call other outputs. The last part of a name counts.
_SCORES = re.compile(
    r"(logits?|probs?|probabilit(y|ies)|output_probability|scores?|softmax|class_scores|class_probabilities)"
    r"(_per_image)?(:\d+)?"
)
_NO_SCORES = re.compile(
    r"aux|embed|feature|hidden|pool|attention|attn|boxes|bbox|mask|loss|confidence|uncertain|per_text",
    re.IGNORECASE,
)
_BOXES = re.compile(r"(^|[_./])(b?box(es)?|detection_boxes|pred_boxes)($|[_.:])", re.IGNORECASE)
_ACTIVATIONS = ("Softmax", "Sigmoid", "HardSigmoid")
# As exporters call the vector of a whole image, and nothing else.
_EMBEDDINGS = re.compile(
    r"image_(embeds?|embeddings?|features)|sentence_embedding|embeddings?|pooler_output|last_hidden_state"
)
# What these make of scores has no column for each class.
_SUMMARIES = (
    "ArgMax",
    "ArgMin",
    "NonMaxSuppression",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "TopK",
)
_TASKS = {
    "detect": "a detector",
    "obb": "a detector",
    "object-detection": "a detector",
    "segment": "a segmenter",
    "image-segmentation": "a segmenter",
    "semantic-segmentation": "a segmenter",
    "semantic": "a segmenter",
    "pose": "a pose estimator",
    "feature-extraction": "a feature extractor",
    "depth-estimation": "a depth estimator",
}


@dataclass(frozen=True)
class Rows:
    """
    What an output gives for some images.

    Attributes
    ----------
    values
        (images, columns).
    is_labels
        Whether it is one whole number an image, which names the label.

    """

    values: NDArray[Any]
    is_labels: bool


def as_rows(output: Any, n: int) -> NDArray[Any] | None:
    """
    Return a model's output for ``n`` images as (n, columns), or None if it is nothing like that.

    (n, columns), (n, columns, 1, 1), (n,), and for one image (columns,) are; feature maps, texts and what is no
    tensor are not.
    """
    if not isinstance(output, np.ndarray) or output.dtype.kind not in "fiu" or output.size == 0:
        return None
    if output.ndim == 0:
        return output.reshape(1, 1) if n == 1 else None
    if output.ndim == 1 and n == 1:
        return output[None]
    wide = [side for side in output.shape[1:] if side != 1]
    return output.reshape(n, -1) if output.shape[0] == n and len(wide) <= 1 else None


def read_output(name: str, value: Any, n: int, graph: Graph | None) -> Rows | None:
    """Return what an output gives for ``n`` images; None where that is neither scores nor labels."""
    rows = as_rows(value, n)
    if rows is None:
        return None
    final = graph.final_op(name) if graph else None
    if rows.shape[1] > 1:
        return None if rows.dtype.kind in "iu" and final in _SUMMARIES else Rows(rows, is_labels=False)
    is_labels = rows.dtype.kind in "iu" or final in ("ArgMax", "ArgMin")
    return Rows(rows, is_labels=is_labels)


def _other_way(task: str) -> str:
    """Return how a model of another task is explained, where it is known to be one."""
    what = _TASKS.get(task.lower(), "")
    if "detector" in what:
        return "; a box of a detector is explained by --box N, or targets.Box"
    if "segmenter" in what:
        return "; a region of a segmenter is explained by --region NAME, or targets.Region"
    if what and "feature" not in what:
        return ""
    return "; what else a model may give is explained by --box N, --region NAME, or --like IMAGE"


def choose_output(
    outputs: Mapping[str, Any],
    n: int,
    wanted: str | None,
    n_names: int | None,
    graph: Graph | None = None,
    task: str = "",
) -> tuple[str, Rows, str | None]:
    """
    Choose the output that holds the scores.

    Parameters
    ----------
    outputs
        What the model gave for ``n`` images, by name, in its order.
    n
        Number of images.
    wanted
        The name that was asked for; None takes what is called scores, ends in an activation or is computed from
        the others, among several rather one with ``n_names`` columns.
    n_names
        Number of known class names, if any.
    graph
        The model's, where it can be read.
    task
        What its metadata says that it is for.

    Returns
    -------
    name, rows, note
        The output's name, what it gave, and a sentence if there were others to choose from.

    Raises
    ------
    OptionError
        If there is no output ``wanted``.
    ModelError
        If none, or not the one wanted, is like (n, columns), or several are and nothing tells which.

    """
    if wanted is not None and wanted not in outputs:
        raise OptionError(f"output {wanted!r} was asked for; the model has {_listed(outputs)}")
    graph = None if graph is None else written_out(graph)
    found = {name: rows for name, value in outputs.items() if (rows := read_output(name, value, n, graph))}
    if wanted is not None:
        found = {name: rows for name, rows in found.items() if name == wanted}
    if not found:
        known = next(
            (f" (its metadata says that it is {_TASKS[word]})" for word in _TASKS if word == task.lower()), ""
        )
        raise ModelError(
            f"{'the model' if wanted is None else f'output {wanted!r}'}{known} gives no scores for each of "
            f"{n} images: it has {_listed(outputs)}; a float output (images, classes) is needed{_other_way(task)}"
        )
    boxes = [name for name in outputs if _BOXES.search(name)] if wanted is None else []
    if boxes:
        raise ModelError(
            f"the model gives boxes ({', '.join(boxes)}), as a detector does: it has {_listed(outputs)}; scores of "
            "the whole image are needed, or the name of an output that has them (output=, or --output); "
            "a box of a detector is explained by --box N, or targets.Box"
        )
    if wanted is None and all(_EMBEDDINGS.fullmatch(called(name)) for name in found):
        raise ModelError(
            f"the model gives an embedding ({', '.join(found)}): it has {_listed(outputs)}; scores are needed, or the "
            "name of an output that has them (output=, or --output); an embedding is explained by --like IMAGE or "
            "--prompts FILE.npy, or targets.Similarity"
        )
    if len(found) == 1:
        return *next(iter(found.items())), None
    name, reason = _likeliest(found, n_names, graph)
    if name is None:
        raise ModelError(
            f"the model has {len(found)} outputs that may be the scores ({_listed(outputs)}), and nothing tells which; "
            "the name of one is needed: output=, or --output"
        )
    return name, found[name], f"the scores are taken from the output {name!r} of {', '.join(found)}: {reason}"


def _likeliest(found: Mapping[str, Rows], n_names: int | None, graph: Graph | None) -> tuple[str | None, str]:
    """Return the output that is most like scores, and why; None where nothing tells."""
    left = list(found)
    single = "the others are labels or single numbers"
    # One number beside the best label is how sure the model is of it, whichever it is.
    is_labelled = any(rows.is_labels and _ends_in(graph, name, ("ArgMax",)) for name, rows in found.items())
    rules: tuple[tuple[Callable[[str, Sequence[str]], bool], str], ...] = (
        (
            lambda name, _: not (is_labelled and _is_number(found[name])),
            "the others are numbers beside its labels",
        ),
        (lambda name, _: not found[name].is_labels, single),
        (lambda name, _: found[name].values.shape[1] > 1, single),
        (lambda name, _: found[name].values.dtype.kind == "f", "the others are whole numbers"),
        (lambda name, _: not _ends_in(graph, name, _SUMMARIES), "the others are made of it"),
        (lambda name, _: found[name].values.shape[1] == n_names, "it has a column for each name"),
        (lambda name, _: _NO_SCORES.search(name) is None, "by the names of the others"),
        (lambda name, _: _is_called_scores(name), "by its name"),
        (lambda name, _: _ends_in(graph, name, _ACTIVATIONS), "it ends in an activation"),
        (lambda name, others: _is_last(graph, name, others), "it is computed from the others"),
    )
    reason = ""
    for keep, why in rules:
        kept = [name for name in left if keep(name, left)]
        if kept and len(kept) < len(left):
            left, reason = kept, why
        if len(left) == 1:
            return left[0], reason
    return None, reason


def _is_number(rows: Rows) -> bool:
    return rows.values.shape[1] == 1 and not rows.is_labels


def _is_called_scores(name: str) -> bool:
    return _SCORES.fullmatch(re.split(r"[/.]", name)[-1].lower()) is not None


def _ends_in(graph: Graph | None, name: str, ops: Sequence[str]) -> bool:
    return graph is not None and graph.final_op(name) in ops


def _is_last(graph: Graph | None, name: str, others: Sequence[str]) -> bool:
    """Return whether an output is computed from all the others."""
    if graph is None:
        return False
    sources = graph.sources(name)
    return all(other in sources for other in others if other != name)


def _listed(outputs: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"{name} (no tensor)"
        for name, value in outputs.items()
    )
