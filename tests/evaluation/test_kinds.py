"""What an evaluation says of a method that is asked a kind of question."""

from __future__ import annotations

import pytest

from dccausal import OptionError
from dccausal.evaluation.measure import _of_kind
from dccausal.evaluation.methods import check_method, explain_by
from dccausal.evaluation.run import _found
from dccausal.evaluation.specs import read_methods
from kind_models import MODELS


@pytest.mark.parametrize(
    ("name", "text", "needed"),
    [
        ("either", "dc-causal:kind=necessary", (True, 1, 2 / 64, 1.0, 1.0, 1.0)),
        ("either", "dc-causal:kind=several", (True, 2, 1 / 64, 1.0, 0.0, 1.0)),
        ("both", "rise:masks=64:kind=contrastive", (True, 1, 2 / 64, 1.0, 1.0, 1.0)),
        ("both", "dc-causal:kind=several:n=2", (False, 1, 2 / 64, 1.0, 1.0, 1.0)),
    ],
)
def test_the_columns_of_a_kind(name, text, needed):
    [spec] = read_methods(text)
    check_method(spec)
    found = _found(explain_by(spec, MODELS[name].image, MODELS[name], grid=8))
    row = _of_kind(found.kind, found.calls)
    columns = ("exists", "sets", "size", "sufficient", "necessary", "minimal")
    assert tuple(row[f"kind_{column}"] for column in columns) == pytest.approx(needed)
    assert row["calls_kind"] == found.kind.n_questions > 0


def test_no_kind_has_no_columns():
    [spec] = read_methods("dc-causal")
    found = _found(explain_by(spec, MODELS["either"].image, MODELS["either"], grid=8))
    assert _of_kind(found.kind, found.calls) == {}


def test_an_option_of_another_kind_is_refused():
    [spec] = read_methods("dc-causal:kind=necessary:n=3")
    with pytest.raises(OptionError, match="n is 3, but kind is necessary"):
        explain_by(spec, MODELS["either"].image, MODELS["either"])
