"""From a model's output to verdicts, against the same in NumPy with double precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dccausal import _core
from dccausal.errors import ClassifierError
from dccausal.onnx.reading.scores import ScoreKind
from dccausal.targets import LabelTarget

KINDS = [
    ScoreKind("logits", "softmax", ""),
    ScoreKind("probabilities", "none", ""),
    ScoreKind("sigmoid", "sigmoid", ""),
    ScoreKind("binary", "sigmoid", ""),
    ScoreKind("binary", "none", ""),
]
# Few different numbers, so that many are equal; and some that a softmax makes nothing of.
NUMBERS = st.sampled_from([-200.0, -90.0, -3.5, -0.5, 0.0, 0.25, 0.5, 1.0, 7.0, 60.0, 300.0])


@st.composite
def outputs(draw):
    kind = draw(st.sampled_from(KINDS))
    n_columns = 1 if kind.name == "binary" else draw(st.integers(2, 20))
    shape = (draw(st.integers(1, 5)), n_columns)
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    return kind, draw(hnp.arrays(dtype, shape, elements=NUMBERS))


def in_numpy(kind, output):
    scores = output.astype(np.float64)
    if kind.activation == "softmax":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    elif kind.activation == "sigmoid":
        scores = 1 / (1 + np.exp(-scores))
    return np.concatenate([1 - scores, scores], axis=1) if kind.name == "binary" else scores


@given(case=outputs())
def test_scores_are_those_of_double_precision(case):
    kind, output = case
    found = kind.apply(output)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, in_numpy(kind, output), rtol=4e-7, atol=1e-7)


@given(case=outputs(), data=st.data())
def test_verdicts_are_those_on_the_scores(case, data):
    kind, output = case
    scores = kind.apply(output)
    label = data.draw(st.integers(0, scores.shape[1] - 1))
    target = LabelTarget(label, data.draw(st.sampled_from([None, 1, 2, 5])), 0.5)
    expected_passing, expected_scores = target.judge(scores)
    is_passing, found = kind.judge(output, target)
    np.testing.assert_array_equal(is_passing, expected_passing)
    np.testing.assert_array_equal(found, expected_scores)


@pytest.mark.parametrize("activation", ["none", "softmax"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_counted(activation, bad):
    output = np.zeros((5, 9), dtype=np.float32)
    output[1, 8] = output[3, 0] = bad
    kind = ScoreKind("", activation, "")
    with pytest.raises(ClassifierError, match="NaN or infinite scores for 2 of 5 images"):
        kind.judge(output, LabelTarget(4, 1, 0.5))


def test_a_view_is_read_as_it_is_meant():
    output = np.arange(60, dtype=np.float32).reshape(5, 12)[::2, ::3]
    kind = KINDS[0]
    np.testing.assert_allclose(kind.apply(output), in_numpy(kind, output), rtol=4e-7)


def test_the_core_says_what_it_needs():
    output = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match='activation is "tanh"'):
        _core.Scoring("tanh", is_binary=False)
    with pytest.raises(ValueError, match="label is 3"):
        _core.Scoring("none", is_binary=False).score_and_rank(output, 3)
    with pytest.raises(ValueError, match="output is 3 columns"):
        _core.Scoring("none", is_binary=True).apply(output)
    with pytest.raises(ValueError, match="output is 0 columns"):
        _core.Scoring("softmax", is_binary=False).apply(output[:, :0])


def test_no_image_has_no_scores():
    scores = _core.Scoring("softmax", is_binary=False).apply(np.zeros((0, 3), np.float32))
    assert scores.shape == (0, 3)
