"""Values that nobody gives on purpose: each gets an error of the tree, never a raw one, and never an endless text."""

from __future__ import annotations

import numpy as np
import pytest

from dccausal import ClassifierError, DccausalError, OnnxClassifier, OptionError, explain, load_photo
from dccausal._shared.text import said, shortened, shown
from small_models import build, on_cpu

IMAGE = np.zeros((20, 20, 3), np.uint8)
IMAGE[3:8, 3:8] = 200
LONG, HUGE = "x" * 1_000_000, 10**5000


def classify(images):
    light = images.mean(axis=(1, 2, 3))
    return np.stack([light, 255 - light], axis=1)


class Silent(Exception):  # noqa: N818  the point is what it says
    def __str__(self):
        raise RuntimeError("not even this can be said")


class Mistaken(Exception):  # noqa: N818
    def __str__(self):
        return 5  # noqa: PLE0307


class Nameless:
    def __repr__(self):
        raise RuntimeError("cannot be shown")


ODD = [
    {"max_calls": 10**30},
    {"max_calls": HUGE},
    {"max_calls": -HUGE},
    {"top_k": HUGE},
    {"seed": HUGE},
    {"partitions": HUGE},
    {"reach": HUGE},
    {"min_confidence": HUGE},
    {"min_confidence": Nameless()},
    {"target": "9" * 5000},
    {"target": HUGE},
    {"target": 10**30},
    {"target": LONG},
    {"baseline": LONG},
    {"baseline": "#" + LONG},
    {"baseline": "a\0b"},
    {"baseline": (HUGE, 0, 0)},
    {"baseline": [1] * 1_000_000},
    {"profile": 5},
    {"profile": None},
    {"profile": LONG},
    {"profile": []},
    {"world": []},
    {"on_interrupt": []},
    {"progress": 5},
]


@pytest.mark.parametrize("options", ODD, ids=lambda options: next(iter(options)))
def test_options(options):
    with pytest.raises(OptionError) as caught:
        explain(IMAGE, classify, **options)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("target", ["9" * 5000, HUGE, LONG], ids=["text", "number", "name"])
def test_a_target_of_a_classifier_with_names(target):
    with pytest.raises(OptionError) as caught:
        explain(IMAGE, on_cpu(build(), labels=list("abcd")), target=target)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "options",
    [
        {"labels": "a\0b"},
        {"labels": LONG},
        {"preprocess": "a\0b"},
        {"providers": 5},
        {"providers": [5]},
        {"batch_size": HUGE},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_of_a_model(options):
    with pytest.raises(OptionError):
        OnnxClassifier(build(), **options)


@pytest.mark.parametrize("path", [LONG, "a\0b", "\ud800"], ids=["long", "nul", "surrogate"])
def test_paths_that_cannot_be(path):
    for opened in (
        load_photo,
        OnnxClassifier,
        lambda path: explain(IMAGE, classify, max_calls=25).save(path),
    ):
        with pytest.raises(DccausalError):
            opened(path)


@pytest.mark.parametrize("error", [Silent(), Mistaken()])
def test_an_exception_that_cannot_say_what_it_is(error):
    def fails(_):
        raise error

    with pytest.raises(ClassifierError, match=f"raised {type(error).__name__}: it does not say why"):
        explain(IMAGE, fails)
    assert said(error) == "it does not say why"


def test_long_texts_keep_their_beginning_and_their_end():
    assert shortened("x" * 20, 20) == "x" * 20
    assert shortened("b" + "x" * 100 + "e", 25) == "b" + "x" * 9 + " ... " + "x" * 9 + "e"
    assert shown(Nameless()) == "a Nameless that cannot be shown"
    assert shown("a") == "'a'"

    def fails(_):
        raise ValueError("begin" + LONG + "the cause")

    with pytest.raises(ClassifierError, match=r"begin.*the cause; it was given") as caught:
        explain(IMAGE, fails)
    assert len(str(caught.value)) < 1300
