"""
Signs that what a model gives are no scores of each image, told from a few random images.

Each becomes a sentence that names the likely cause, or an error where nothing is left to explain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.scores import ScoreKind

# Of the range of all scores: what quantisation by the batch's own range, and sums in another order, change.
_NEIGHBOURS, _NEIGHBOURS_QUANTISED = 0.02, 0.2
_FROM_CALL_TO_CALL = 1e-3
_N_ALONE = 2
# So many columns are not in order by chance, in every row.
_MIN_SORTED = 5

Run = Callable[[NDArray[Any]], NDArray[Any]]


def varies(run: Run, tensors: NDArray[Any]) -> bool:
    """Return whether an image's scores are others when it is asked about again."""
    one, other = run(tensors[:1]), run(tensors[:1])
    return one.shape == other.shape and _distance(one, other) > _FROM_CALL_TO_CALL * _range(one)


def depends_on_neighbours(run: Run, tensors: NDArray[Any], rows: NDArray[Any], graph: Graph | None) -> bool:
    """
    Return whether an image's scores are others when it is alone in its batch.

    Parameters
    ----------
    run
        Returns the rows (n, columns) of a tensor (n, ...) that is one batch.
    tensors, rows
        Some images, and their rows as one batch.
    graph
        The model's. One that quantises by the range of the batch has scores that move a little.

    """
    is_quantised = graph is not None and any(node.op == "DynamicQuantizeLinear" for node in graph.nodes)
    tolerance = (_NEIGHBOURS_QUANTISED if is_quantised else _NEIGHBOURS) * _range(rows)
    for i in range(min(_N_ALONE, len(tensors))):
        alone = run(tensors[i : i + 1])
        if alone.shape[1:] != rows.shape[1:] or _distance(alone[0], rows[i]) > tolerance:
            return True
    return False


def notes_on(kind: ScoreKind, rows: NDArray[Any], *, is_varying: bool, is_best_few: bool) -> list[str]:
    """
    Return sentences on what is odd about the rows (n, columns) of random images.

    ``is_varying`` says that they differ from call to call (``varies``), ``is_best_few`` that they are computed from
    the best few of something (``is_of_best_few``).

    Raises
    ------
    ModelError
        If they are no scores at all.

    """
    notes = []
    if is_varying:
        notes.append(
            "the model's answers differ from call to call (random operations in it: was it exported in training mode?)"
        )
    if kind.name == "labels":
        return notes
    is_same = len(rows) > 1 and bool((rows == rows[0]).all())
    if is_same and (rows == rows[0, 0]).all() and rows[0, 0] == 1:
        raise ModelError(
            "the model gives 1 for every class of every image, as a softmax over a single number does; "
            "a softmax over the axis of the classes is needed"
        )
    if is_same:
        notes.append(
            f"the model gives {len(rows)} random images the same scores; is its output connected to its input?"
        )
    if rows.shape[1] == 1:
        notes += _on_one_column(kind, rows)
    elif not is_same and (np.diff(rows.astype(np.float64)) <= 0).all():
        notes += _on_order(rows.shape[1], is_best_few=is_best_few)
    return notes


def _on_order(n_columns: int, *, is_best_few: bool) -> list[str]:
    text = (
        "the scores of random images come in descending order, as the best few of a list do; the columns of such a "
        "list are no classes, and another output is needed"
    )
    if is_best_few:
        raise ModelError(text)
    return [text] if n_columns >= _MIN_SORTED else []


def _on_one_column(kind: ScoreKind, rows: NDArray[Any]) -> list[str]:
    numbers = rows.astype(np.float64)
    if kind.activation == "none":
        return []
    if (numbers == np.rint(numbers)).all() and np.unique(numbers).size > 1:
        raise ModelError(
            "the model gives one whole number an image, which is no score; if it is the label, say so: "
            "scores='labels', or --scores labels"
        )
    note = (
        "the model gives one number without bounds, which is read as a yes or no through a sigmoid; if it is a "
        "quantity (an age, a price), what is explained is that it is positive"
    )
    return [note]


def _range(rows: NDArray[Any]) -> float:
    finite = rows[np.isfinite(rows)].astype(np.float64)
    return max(1e-6, float(np.ptp(finite))) if finite.size else 1e-6


def _distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    with np.errstate(invalid="ignore"):  # minus infinity is a logit like others
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0


def is_of_best_few(graph: Graph | None, output: str) -> bool:
    """Return whether an output is computed from the values of a TopK that the model holds somewhere before it."""
    if graph is None:
        return False
    makers = (graph.producers.get(name) for name in graph.sources(output) | {output})
    return any(maker is not None and maker.op == "TopK" for maker in makers)
