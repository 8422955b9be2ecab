"""What kind of scores a model gives, and turning them into probabilities exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.classifier import not_finite
from dccausal.errors import ModelError, OptionError
from dccausal.targets import Target

Scores = Literal["auto", "logits", "probabilities", "sigmoid", "binary"]
SCORES: tuple[str, ...] = get_args(Scores)

# Operations after which a number has no bounds of its own: what they make are logits, wherever they happen to
# lie.
_UNBOUNDED = {
    "Add",
    "BatchNormalization",
    "Conv",
    "FusedGemm",
    "FusedMatMul",
    "Gemm",
    "GlobalAveragePool",
    "LayerNormalization",
    "LogSoftmax",
    "MatMul",
    "QGemm",
    "QLinearAdd",
    "ReduceMean",
    "Relu",
}
# Rows of probabilities sum to one, to within what float16 and 8-bit quantisation leave.
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class ScoreKind:
    """
    How a model's output becomes scores.

    Attributes
    ----------
    name
        "logits" (softmax is applied), "probabilities" (taken as they are), "sigmoid" (several labels at once,
        each with a probability of its own), "binary" (one output, made into two columns [1 - p, p]).
    activation
        What is still to be applied: "softmax", "sigmoid" or "none" where the model does it itself.
    reason
        How this was told.

    """

    name: str
    activation: Literal["softmax", "sigmoid", "none"]
    reason: str

    @cached_property
    def _scoring(self) -> _core.Scoring:
        return _core.Scoring(self.activation, is_binary=self.name == "binary")

    def apply(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 scores (n, classes) of model output (n, columns); what is not finite makes NaN."""
        return self._scoring.apply(_as_float32(output))

    def judge(self, output: NDArray[Any], target: Target) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """
        Return what ``Target.judge`` says of the scores that ``apply`` makes of the output, in one go.

        Raises
        ------
        ClassifierError
            If scores are not finite.

        """
        scores, ranks, n_bad = self._scoring.score_and_rank(_as_float32(output), target.label)
        if n_bad:
            raise not_finite(n_bad, len(output))
        return target.judge_ranks(ranks, scores)


def _as_float32(output: NDArray[Any]) -> NDArray[np.float32]:
    if output.dtype == np.float32:
        return np.ascontiguousarray(output)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(output, dtype=np.float32)


def tell_scores(asked: str, final_op: str | None, sample: NDArray[Any]) -> ScoreKind:
    """
    Tell what kind of scores an output gives.

    Parameters
    ----------
    asked
        The option: "auto", or one of the kinds.
    final_op
        The graph's operation that makes the output, if known.
    sample
        The model's output (n, columns) for a few random images.

    Raises
    ------
    OptionError
        If the kind asked for does not go with the number of columns.

    """
    n_columns = sample.shape[1]
    if asked == "binary" and n_columns != 1:
        raise OptionError(
            f"scores='binary' was given for a model with {n_columns} outputs; exactly 1 is needed"
        )
    bounded, why = _is_bounded(final_op, sample)
    if n_columns == 1:
        applied = bounded if asked in ("auto", "binary", "sigmoid") else asked == "probabilities"
        return ScoreKind("binary", "none" if applied else "sigmoid", f"one output; {why}")
    if asked == "logits":
        return ScoreKind("logits", "softmax", "given")
    if asked == "probabilities":
        return ScoreKind("probabilities", "none", "given")
    if asked == "sigmoid":
        return ScoreKind("sigmoid", "none" if bounded else "sigmoid", f"given; {why}")
    return _guess(final_op, sample, bounded=bounded, why=why)


def _guess(final_op: str | None, sample: NDArray[Any], *, bounded: bool, why: str) -> ScoreKind:
    if _ends(final_op, "Softmax"):
        return ScoreKind("probabilities", "none", why)
    if _ends(final_op, "Sigmoid"):
        return ScoreKind("sigmoid", "none", why)
    sums = sample.astype(np.float64).sum(axis=1)
    in_range = sample.min() >= 0 and sample.max() <= 1 + _SUM_TOLERANCE
    if in_range and np.abs(sums - 1).max() <= _SUM_TOLERANCE:
        return ScoreKind("probabilities", "none", "the scores of random images lie in 0..1 and sum to 1")
    if bounded:
        return ScoreKind("sigmoid", "none", f"{why} and do not sum to 1")
    return ScoreKind("logits", "softmax", why)


def _is_bounded(final_op: str | None, sample: NDArray[Any]) -> tuple[bool, str]:
    """Return whether the model squeezes its scores into 0..1 itself, and how that was told."""
    if _ends(final_op, "Softmax") or _ends(final_op, "Sigmoid"):
        return True, f"the graph ends in {final_op}"
    if final_op in _UNBOUNDED:
        return False, f"the graph ends in {final_op}"
    if sample.min() >= 0 and sample.max() <= 1:
        return True, "the scores of random images lie in 0..1"
    return False, "the scores of random images leave 0..1"


def _ends(final_op: str | None, activation: str) -> bool:
    return final_op is not None and final_op.endswith(activation) and final_op != "LogSoftmax"


def as_rows(output: Any, n: int) -> NDArray[Any] | None:
    """
    Return a model's output for ``n`` images as float (n, columns), or None if it is nothing like that.

    (n, columns), (n, columns, 1, 1), (n,), and for one image (columns,) are; feature maps, whole numbers and
    what is no tensor are not.
    """
    if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.ndim == 0 or output.size == 0:
        return None
    if output.ndim == 1 and n == 1:
        return output[None]
    wide = [side for side in output.shape[1:] if side != 1]
    return output.reshape(n, -1) if output.shape[0] == n and len(wide) <= 1 else None


def choose_output(
    outputs: dict[str, Any], n: int, wanted: str | None, n_names: int | None
) -> tuple[str, NDArray[Any], str | None]:
    """
    Choose the output that holds the scores.

    Parameters
    ----------
    outputs
        What the model gave for ``n`` images, by name, in its order.
    n
        Number of images.
    wanted
        The name that was asked for; None takes the first one like (n, columns), among several rather one with
        ``n_names`` columns.
    n_names
        Number of known class names, if any.

    Returns
    -------
    name, sample, note
        The output's name, its values (n, columns), and a sentence if there were others to choose from.

    Raises
    ------
    OptionError
        If there is no output ``wanted``.
    ModelError
        If none, or not the one wanted, is like (n, columns).

    """
    if wanted is not None and wanted not in outputs:
        raise OptionError(f"output {wanted!r} was asked for; the model has {_listed(outputs)}")
    found = {name: rows for name, value in outputs.items() if (rows := as_rows(value, n)) is not None}
    if wanted is not None:
        found = {name: rows for name, rows in found.items() if name == wanted}
    if not found:
        raise ModelError(
            f"{'the model' if wanted is None else f'output {wanted!r}'} gives no scores for each of "
            f"{n} images: it has {_listed(outputs)}; a float output (images, classes) is needed"
        )
    fitting: Sequence[str] = [name for name, rows in found.items() if rows.shape[1] == n_names]
    name = next(iter(fitting or found))
    note = f"the scores are taken from the output {name!r} of {', '.join(found)}" if len(found) > 1 else None
    return name, found[name], note


def _listed(outputs: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"{name} (no tensor)"
        for name, value in outputs.items()
    )
