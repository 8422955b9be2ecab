"""What kind of scores a model gives, and turning them into probabilities exactly once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal._shared.checks import finite_number
from dccausal.classifier import not_finite
from dccausal.errors import ModelError, OptionError
from dccausal.onnx.graph.functions import written_out
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.graph.protobuf import read_fields, read_ints
from dccausal.onnx.graph.values import constant_values
from dccausal.onnx.reading.outputs import Rows
from dccausal.targets import Target

Scores = Literal["auto", "logits", "probabilities", "sigmoid", "binary", "labels"]
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
# What these make of numbers lies where the numbers do; and what these make of them by a constant, in another range.
_AVERAGING = (
    *("AveragePool", "Concat", "GlobalAveragePool", "GlobalMaxPool", "Max", "MaxPool", "Mean", "Min"),
    *("ReduceMax", "ReduceMean", "ReduceMin"),
)
_SCALING = ("Div", "Mul")
_MOST_FOLLOWED = 8
_MAX_LABEL = 2**31
# Numbers of a TensorProto's fields, and its types of one number.
_TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTS, _TENSOR_RAW = 2, 4, 5, 9
_NUMBERS: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    10: np.dtype("<f2"),
}
# Rows of probabilities sum to one, to within what float16 and 8-bit quantisation leave.
_SUM_TOLERANCE = 0.02
_PERCENT = 100


@dataclass(frozen=True)
class ScoreKind:
    """
    How a model's output becomes scores.

    Attributes
    ----------
    name
        "logits" (softmax is applied), "probabilities" (taken as they are), "sigmoid" (several labels at once,
        each with a probability of its own), "binary" (one output, made into two columns [1 - p, p]), "labels" (one
        whole number, the label's index, and no scores).
    activation
        What is still to be applied: "softmax", "sigmoid" or "none" where the model does it itself.
    reason
        How this was told.
    step, zero
        What quantised numbers stand for: ``(number - zero) * step``.

    """

    name: str
    activation: Literal["softmax", "sigmoid", "none"]
    reason: str
    step: float = 1.0
    zero: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether the output is scores as floats."""
        return self.name != "labels" and (self.step, self.zero) == (1.0, 0.0)

    @cached_property
    def _scoring(self) -> _core.Scoring:
        return _core.Scoring(self.activation, is_binary=self.name == "binary")

    def apply(self, output: NDArray[Any]) -> NDArray[Any]:
        """
        Return float32 scores (n, classes) of model output (n, columns), or int64 labels (n,).

        What is not finite makes NaN.
        """
        if self.name == "labels":
            return _as_labels(output)
        return self._scoring.apply(self._as_float32(output))

    def judge(self, output: NDArray[Any], target: Target) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """
        Return what ``Target.judge`` says of the scores that ``apply`` makes of the output, in one go.

        Raises
        ------
        ClassifierError
            If scores are not finite.

        """
        if self.name == "labels":
            return target.judge(_as_labels(output))
        scores, ranks, n_bad = self._scoring.score_and_rank(self._as_float32(output), target.label)
        if n_bad:
            raise not_finite(n_bad, len(output))
        return target.judge_ranks(ranks, scores)

    def _as_float32(self, output: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            numbers = np.ascontiguousarray(output, dtype=np.float32)
        if (self.step, self.zero) == (1.0, 0.0):
            return numbers
        scaled: NDArray[np.float32] = (numbers - np.float32(self.zero)) * np.float32(self.step)
        return scaled


def _as_labels(output: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels (n,); what is none, such as NaN, becomes -1, which the check of the answer refuses."""
    labels = output.reshape(len(output))
    if labels.dtype.kind == "f":
        labels = np.where(np.isfinite(labels) & (np.abs(labels) < _MAX_LABEL), labels, -1)
    return np.ascontiguousarray(labels, dtype=np.int64)


def check_threshold(threshold: float | None, kind: str) -> float | None:
    """
    Return the score from which on a label counts as given; None leaves the rule as it is.

    Raises
    ------
    OptionError
        If it is out of its range, or the labels of this kind of scores are told by their rank.

    """
    if threshold is None:
        return None
    if not 0 < finite_number("threshold", threshold) < 1:
        raise OptionError(f"threshold is {threshold}; a score between 0 and 1 is needed")
    if kind not in ("binary", "sigmoid"):
        raise OptionError(
            f"threshold was given for scores of the kind {kind}, of which the best counts; it is for a yes or no "
            "(binary) or several labels at once (sigmoid)"
        )
    return float(threshold)


def tell_scores(asked: str, output: str, graph: Graph | None, rows: Rows) -> ScoreKind:
    """
    Tell what kind of scores an output gives.

    Parameters
    ----------
    asked
        The option: "auto", or one of the kinds.
    output, graph
        The output's name, and the model's graph where it can be read.
    rows
        What it gave for a few random images.

    Raises
    ------
    OptionError
        If the kind asked for does not go with the number of columns.
    ModelError
        If the numbers are no scores.

    """
    n_columns = rows.values.shape[1]
    if asked == "labels" or (asked == "auto" and rows.is_labels):
        if n_columns != 1:
            raise OptionError(
                f"scores='labels' was given for a model with {n_columns} outputs; one whole number an image is needed"
            )
        return ScoreKind(
            "labels", "none", "given" if asked == "labels" else "one whole number an image: the label"
        )
    if asked == "binary" and n_columns != 1:
        raise OptionError(
            f"scores='binary' was given for a model with {n_columns} outputs; exactly 1 is needed"
        )
    graph = None if graph is None else written_out(graph)
    step, zero = _quantisation(graph, output, rows.values.dtype)
    sample = (rows.values.astype(np.float64) - zero) * step
    kind = _tell_columns(asked, _deciding_op(graph, output) if graph else None, sample)
    return kind if (step, zero) == (1.0, 0.0) else replace(kind, step=step, zero=zero)


def _deciding_op(graph: Graph, output: str) -> str | None:
    """Return the last operation that decides where scores may lie: what averages or scales others is none."""
    node = final = graph.final_node(output)
    for _ in range(_MOST_FOLLOWED):
        if node is None or node.op not in (*_AVERAGING, *_SCALING):
            break
        if node.op in _SCALING:
            parts = [name for name in node.inputs if constant_values(graph, name) is None]
            node = graph.final_node(parts[0]) if len(parts) == 1 else None
        else:
            node = graph.final_node(node.inputs[0]) if node.inputs else None
    if final is None or node is None or node is final:
        return None if final is None else final.op
    is_averaged_sigmoid = final.op in _AVERAGING and _ends(node.op, "Sigmoid")
    is_scaled_logit = final.op in _SCALING and node.op in _UNBOUNDED
    return node.op if is_averaged_sigmoid or is_scaled_logit else final.op


def _quantisation(graph: Graph | None, output: str, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return step and zero of quantised scores: from the graph, else those that make 0 and 1 of the type's bounds."""
    if dtype.kind not in "iu":
        return 1.0, 0.0
    node = graph.producers.get(output) if graph else None
    if (
        graph is not None
        and node is not None
        and (node.op == "QuantizeLinear" or node.op.startswith("QLinear"))
    ):
        constants = [_number(graph, name) for name in node.inputs]
        told = [number for number in constants[-2:] if number is not None]
        if len(told) == 2 and told[0] > 0:  # noqa: PLR2004
            return told[0], told[1]
    if dtype.itemsize > 1:
        return 1.0, 0.0
    info = np.iinfo(dtype)
    return 1 / 255, float(info.min)


def _number(graph: Graph, name: str) -> float | None:
    """Return the one number of a constant; None for anything else."""
    tensor = graph.constants.get(name)
    if tensor is None:
        return None
    try:
        fields = {number: value for number, value, _ in read_fields(tensor)}
    except ValueError:
        return None
    kind, raw, whole = fields.get(_TENSOR_TYPE), fields.get(_TENSOR_RAW), fields.get(_TENSOR_INTS)
    dtype = _NUMBERS.get(kind) if isinstance(kind, int) else None
    if dtype is not None and isinstance(raw, memoryview) and len(raw) == dtype.itemsize:
        return float(np.frombuffer(raw, dtype)[0])
    floats = fields.get(_TENSOR_FLOATS)
    if isinstance(floats, memoryview) and len(floats) == 4:  # noqa: PLR2004
        return float(np.frombuffer(floats, "<f4")[0])
    numbers = read_ints(whole) if whole is not None else []
    return float(numbers[0]) if len(numbers) == 1 else None


def _tell_columns(asked: str, final_op: str | None, sample: NDArray[Any]) -> ScoreKind:
    bounded, why = _is_bounded(final_op, sample)
    if sample.shape[1] == 1:
        if final_op is not None and final_op.endswith("Softmax") and final_op != "LogSoftmax":
            raise ModelError(
                "the model ends in a softmax over one number, which is 1 whatever the image; a sigmoid, or a softmax "
                "over a number for each class, is needed"
            )
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
    if sample.min() >= 0 and np.abs(sums - _PERCENT).max() <= _PERCENT * _SUM_TOLERANCE:
        return ScoreKind("probabilities", "none", "the scores of random images sum to 100", step=1 / _PERCENT)
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
