"""What is said of an explanation below its picture and in its summary: scores as they are, levels by their sizes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from dccausal.explanation.record import AskedBaseline
from dccausal.explanation.words import caption_of
from made_explanation import make_explanation, nested_levels


def test_captions_say_label_scores_and_what_each_line_is_around():
    caption = caption_of(make_explanation(levels=nested_levels()))
    assert caption.title == "red panda (3)"
    assert caption.score == "Score 0.50 alone (photograph: 0.75)"
    assert not caption.is_weak
    assert caption.lines == (
        ("thin", "0.9 of the score: 20.8 %"),
        ("bold", "half: 16.7 %"),
        ("thin", "label: 8.3 %"),
    )
    assert caption_of(make_explanation()).lines == (("bold", "16.7 % of the pixels"),)
    same = [dataclasses.replace(level, kept=make_explanation().kept) for level in nested_levels()]
    assert caption_of(make_explanation(levels=tuple(same))).lines == (
        ("bold", "0.9 of the score, half, label: 16.7 %"),
    )
    assert all(
        weight is None for weight, _ in caption_of(make_explanation(levels=nested_levels()), "none").lines
    )


def test_a_low_score_is_never_told_as_if_it_were_good():
    weak = make_explanation(score=0.98, explanation_score=0.0051)
    assert caption_of(weak).is_weak
    assert caption_of(weak).score == "Score only 0.0051 alone (photograph: 0.98)"
    assert "score only 0.0051 alone (photograph: 0.98)" in weak.summary()
    assert not caption_of(make_explanation(score=0.98, explanation_score=0.49)).is_weak
    assert not caption_of(make_explanation(score=math.nan, explanation_score=math.nan)).is_weak
    assert caption_of(make_explanation(score=math.nan, explanation_score=math.nan)).score == ""
    assert caption_of(make_explanation(outcome="insufficient")).is_weak


def test_summary_shows_the_levels():
    lines = make_explanation(levels=nested_levels()).summary().splitlines()
    assert lines[3] == "  levels    0.9: 20.8 %, half: 16.7 %, label alone: 8.3 %"
    assert not any("levels" in line for line in make_explanation().summary().splitlines())


def asked(*names, scores=None):
    """Baselines of these names, beside which the explanation has these scores."""
    image = np.zeros((24, 32, 3), np.uint8)
    scores = scores or [0.5 + 0.125 * i for i in range(len(names))]
    return tuple(
        AskedBaseline(name=name, image=image, score=score) for name, score in zip(names, scores, strict=True)
    )


def test_several_baselines_are_named_where_the_score_stands():
    one = make_explanation(baselines=asked("grey"))
    assert caption_of(one).score == "Score 0.50 alone (photograph: 0.75)"
    assert "beside" not in one.summary()
    three = make_explanation(baselines=asked("grey", "black", "a/folder/noise.png"), levels=nested_levels())
    assert caption_of(three).score == "Score 0.50 beside grey, black, noise.png (photograph: 0.75)"
    lines = three.summary().splitlines()
    assert "  beside    grey 0.50, black 0.62, a/folder/noise.png 0.75" in lines
    headings = [line.split()[0] for line in lines[1:] if line[2:3].strip()]
    assert headings[:4] == ["label", "kept", "beside", "levels"]
    many = make_explanation(baselines=asked(*(f"#{i}{i}{i}{i}{i}{i}" for i in range(5))))
    assert caption_of(many).score == "Score 0.50 beside 5 baselines (photograph: 0.75)"
    unscored = make_explanation(
        score=math.nan, explanation_score=math.nan, baselines=asked("grey", "red", scores=[math.nan] * 2)
    )
    assert "  beside    grey, red" in unscored.summary().splitlines()
    assert caption_of(unscored).score == ""
