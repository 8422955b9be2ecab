"""Every kind of explanation of classifiers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from dccausal import OptionError, explain, explain_many
from dccausal.explanation.kind_names import KINDS
from kind_models import MODELS


def ask(name, kind, **options):
    model = MODELS[name]
    found = explain(model.image, model, kind=kind, **{"grid": 8, **options})
    return model, found


def letters(model, pixels):
    """Which regions a set is, exactly."""
    inside = "".join(letter for letter in model.letters if (pixels & model.pixels(letter)).any())
    np.testing.assert_array_equal(pixels, model.pixels(inside))
    return inside


@pytest.mark.parametrize(
    ("name", "kind", "options", "needed"),
    [
        ("either", "several", {}, ["A", "B"]),
        ("any_of_three", "several", {}, ["A", "B", "C"]),
        ("any_of_three", "several", {"n": 2}, ["A", "B", "C"]),
        ("and_or", "several", {"overlap": 0.5, "n": 2}, ["AB", "AC"]),
        ("either", "necessary", {}, ["AB"]),
        ("any_of_three", "necessary", {}, ["ABC"]),
        ("both", "necessary", {}, ["A", "B"]),
        ("and_or", "necessary", {}, ["A", "BC"]),
        ("distractor", "necessary", {}, ["A"]),
        ("either", "contrastive", {}, ["AB"]),
        ("both", "contrastive", {}, ["AB"]),
        ("and_or", "contrastive", {}, ["AB", "AC"]),
        ("distractor", "contrastive", {}, ["A"]),
        ("distractor", "complete", {"within": 0.02}, ["AD"]),
        ("both", "complete", {"within": 0.02}, ["AB"]),
        ("next_in_line", "why-not", {"other": 2}, ["A"]),
        ("next_in_line", "why-not", {"other": 0}, ["AB"]),
    ],
)
def test_the_answer_is_the_one_that_was_planted(name, kind, options, needed):
    model, found = ask(name, kind, **options)
    given = found.kind
    assert (given.name, given.exists) == (kind, True)
    assert given.n_questions == found.statistics["model_calls_by_phase"]["kind"] <= 250
    sets = [letters(model, one.pixels) for one in given.sets]
    assert all(one in needed for one in sets)
    assert len(set(sets)) == len(sets) == (options.get("n", len(needed)) if kind == "several" else 1)
    assert all(one.outcome == "minimal" for one in given.sets)
    for one in given.sets:
        alone, without = model(
            np.stack([np.where(m[..., None], model.image, 128) for m in (one.pixels, ~one.pixels)])
        )
        assert one.score_alone == pytest.approx(alone[1])
        assert one.keeps == (alone.argmax() == 1)
        assert one.score_without == pytest.approx(without[1])
        assert (one.label_without, one.loses) == (without.argmax(), without.argmax() != 1)
        assert one.top_score_without == pytest.approx(without.max())
    assert found.outcome == "minimal"


@pytest.mark.parametrize(
    ("name", "kind", "options", "n_sets", "text"),
    [
        (
            "both",
            "several",
            {},
            1,
            "There seems to be no set number 2, apart from the ones before, that suffices",
        ),
        ("and_or", "several", {}, 1, "There seems to be no set number 2"),
        (
            "next_in_line",
            "why-not",
            {"other": 3},
            0,
            "There seems to be no set that gives label 3 when it is masked",
        ),
    ],
)
def test_where_there_is_no_answer_the_result_says_what_was_tried(name, kind, options, n_sets, text):
    _, found = ask(name, kind, **options)
    assert found.kind.exists is False
    assert len(found.kind.sets) == n_sets
    [note] = [note for note in found.notes if note.startswith(text)]
    assert f"{found.kind.n_questions} further masked images were tried" in note
    assert "8 x 8 grid" in note


def test_a_third_set_that_is_not_there_leaves_two():
    model, found = ask("either", "several", n=3)
    assert found.kind.exists
    assert sorted(letters(model, one.pixels) for one in found.kind.sets) == ["A", "B"]
    assert any(note.startswith("There seems to be no set number 3") for note in found.notes)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_explanation_itself_is_that_of_the_default(kind):
    name, options = ("next_in_line", {"other": 2}) if kind == "why-not" else ("any_of_three", {})
    _, found = ask(name, kind, **options)
    _, plain = ask(name, "sufficient")
    assert plain.kind.name == "sufficient"
    assert (plain.kind.exists, plain.kind.sets) == (None, ())
    np.testing.assert_array_equal(found.heatmap, plain.heatmap)
    np.testing.assert_array_equal(found.kept, plain.kept)


@pytest.mark.parametrize("kind", ["several", "contrastive", "necessary", "why-not"])
def test_labels_alone_will_do(kind):
    model = MODELS["next_in_line" if kind == "why-not" else "either"]
    options = {"other": 2} if kind == "why-not" else {}
    found = explain(model.image, lambda images: model(images).argmax(axis=1), kind=kind, grid=8, **options)
    assert found.kind.exists
    assert np.isnan(found.kind.sets[0].score_without)
    assert found.kind.sets[0].outcome == "minimal"


@pytest.mark.parametrize("kind", ["several", "contrastive", "necessary", "why-not", "complete"])
def test_batches_and_neighbours_change_nothing(kind):
    model = MODELS["next_in_line" if kind == "why-not" else "any_of_three"]
    options = {"kind": kind, "grid": 8, **({"other": 2} if kind == "why-not" else {})}
    plain = explain(model.image, model, **options)
    images = [model.image, model.image[:, ::-1].copy(), model.image]
    others = dict(explain_many(images, model, batch_size=7, **options))
    for other in (others[0], others[2]):
        assert [one.pixels.tobytes() for one in other.kind.sets] == [
            one.pixels.tobytes() for one in plain.kind.sets
        ]
        assert other.statistics["model_calls"] == plain.statistics["model_calls"]


@pytest.mark.parametrize("kind", ["several", "contrastive", "why-not"])
def test_a_budget_is_kept_and_what_is_found_by_then_is_right(kind):
    model = MODELS["next_in_line" if kind == "why-not" else "either"]
    options = {"other": 2} if kind == "why-not" else {}
    full = explain(model.image, model, kind=kind, grid=8, **options).statistics["model_calls"]
    seen = set()
    for budget in (20, full // 2, full - 40, full - 12, full - 3, full):
        n = 0

        def count(images):
            nonlocal n
            n += len(images)
            return model(images)

        found = explain(model.image, count, kind=kind, grid=8, max_calls=max(20, budget), **options)
        assert n == found.statistics["model_calls"] <= max(20, budget)
        assert all(one.outcome in {"minimal", "unfinished"} for one in found.kind.sets)
        seen.add(found.kind.exists)
    assert seen == {None, True}


def test_an_interrupt_leaves_the_best_so_far():
    model, n = MODELS["any_of_three"], 0
    full = explain(model.image, model, kind="necessary", grid=8).statistics["model_calls_by_phase"]
    middle = sum(full.values()) - full["verification"] - full["kind"] // 2

    def interrupted(images):
        nonlocal n
        n += len(images)
        if middle < n < middle + len(images) + 1:
            raise KeyboardInterrupt
        return model(images)

    found = explain(model.image, interrupted, kind="necessary", grid=8, batch_size=4)
    assert any("Interrupted during kind" in note for note in found.notes)
    [one] = found.kind.sets
    assert one.outcome == "unfinished"
    assert one.loses
    assert one.size >= model.pixels("ABC").mean()


def test_the_last_check_finds_a_classifier_that_contradicts_itself():
    model, n = MODELS["either"], 0
    total = explain(model.image, model, kind="necessary", grid=8).statistics["model_calls"]

    def fickle(images):
        nonlocal n
        n += len(images)
        given = model(images)
        return given[:, ::-1] if n == total else given

    found = explain(model.image, fickle, kind="necessary", grid=8)
    assert [one.outcome for one in found.kind.sets] == ["refuted"]
    assert any("last check of the sets failed" in note for note in found.notes)


def test_masking_that_changes_nothing_leaves_the_question_open():
    found = explain(
        np.zeros((32, 32, 3), np.uint8), lambda x: np.tile([0.1, 0.9], (len(x), 1)), kind="necessary"
    )
    assert found.outcome == "trivial"
    assert (found.kind.exists, found.kind.sets) == (None, ())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "why-not"}, "kind is why-not, but other is not given; the label to ask for is needed"),
        ({"kind": "why-not", "other": 1}, "other is 1, which is the label that is explained"),
        ({"kind": "why-not", "other": 9}, "other is 9; a label from 0 to 3 is needed"),
        ({"kind": "why-not", "other": "cat"}, "other is 'cat', but the names of the labels are unknown"),
        ({"kind": "necessary", "n": 3}, "n is 3, but kind is necessary; kind several is needed for it"),
        ({"overlap": 0.1}, "overlap is 0.1, but kind is sufficient; kind several is needed for it"),
        ({"kind": "several", "n": 1}, "n is 1; a whole number from 2 to 8 is needed"),
        ({"kind": "several", "overlap": 1.0}, "overlap is 1.0; a share from 0 to 0.9 is needed"),
        ({"kind": "sudden"}, "kind is 'sudden'; one of sufficient, several"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, text):
    model = MODELS["next_in_line"]
    with pytest.raises(OptionError, match=r"^") as caught:
        explain(model.image, model, **options)
    assert text in str(caught.value)


def test_complete_needs_scores():
    model = MODELS["either"]
    with pytest.raises(OptionError, match="needs scores"):
        explain(model.image, lambda images: model(images).argmax(axis=1), kind="complete")


def test_the_other_label_of_an_image_that_has_it_is_refused():
    model = MODELS["next_in_line"]
    with pytest.raises(OptionError, match="other is 1, which is given on this image already"):
        explain(model.image, model, target=2, kind="why-not", other=1)


def test_the_words_say_what_was_found():
    _, found = ask("next_in_line", "why-not", other=2)
    text = found.summary()
    assert "why-not, what would have to go for label 2: found" in text
    assert "minimal; alone: the label" in text
    assert "; without: label 2, 0." in text
    _, none = ask("both", "several")
    assert "several, sufficient sets that lie apart: there seems to be none, see the notes" in none.summary()
    assert "kind" not in ask("both", "sufficient")[1].summary().replace("kind 0", "")
