"""Explanations that hold beside several baselines, whatever the classifier is and however it is asked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from dccausal import ClassifierError, OnnxClassifier, OptionError, explain, explain_many
from dccausal.engine.masking.batch import Rows
from dccausal.engine.opening import backend_of
from dccausal.methods import explain_with
from dccausal.targets import LabelTarget
from kind_models import MODELS
from small_models import build, images, on_cpu

# Of one hue, of another, and of two: what a mean of the red channel makes of them differs.
BASELINES = ["grey", "black", (200, 40, 40)]
OPTIONS = {"grid": 8, "partitions": 2, "halves": 2}


def composed(model, **options):
    """A classifier on the CPU whose masked images are made by the graphs that a device runs."""
    classifier = OnnxClassifier(model, device="cpu", threads=1, **options)
    classifier.runner.bound_device = ("cpu", 0)
    return classifier


def content(explanation):
    return (
        explanation.heatmap.tobytes(),
        explanation.kept.tobytes(),
        tuple(level.kept.tobytes() for level in explanation.levels),
        tuple(level.score for level in explanation.levels),
        tuple(one.score for one in explanation.baselines),
        explanation.outcome,
        tuple(explanation.statistics["model_calls_by_phase"].items()),
    )


def bright(photo):
    """A classifier of two labels that sees a bright spot, and how bright it is beside what is around it."""
    spot = np.zeros(photo.shape[:2], dtype=bool)
    spot[16:24, 8:16] = True

    def classify(batch):
        inside = batch[:, spot].mean(axis=(1, 2)) / 255
        around = batch[:, ~spot].mean(axis=(1, 2)) / 255
        score = np.clip(0.5 + inside - around, 0, 1)
        return np.stack([1 - score, score], axis=1)

    return spot, classify


def test_what_holds_beside_each_is_larger_than_beside_one():
    """Beside white the spot is not bright enough: its dark surroundings have to be kept too."""
    photo = np.full((32, 32, 3), 40, np.uint8)
    photo[16:24, 8:16] = 220
    spot, classify = bright(photo)
    alone, both = (explain(photo, classify, baseline=b, **OPTIONS) for b in ("black", ["black", "white"]))
    assert alone.outcome == both.outcome == "minimal"
    assert not (alone.kept & ~spot).any()
    assert both.size > alone.size
    for one in both.baselines:
        shown = np.where(both.kept[..., None], photo, one.image)[None]
        assert classify(shown)[0, 1] == pytest.approx(one.score)
        assert one.score >= both.score / 2
    assert both.explanation_score == min(one.score for one in both.baselines)
    assert [one.name for one in both.baselines] == ["black", "white"]
    np.testing.assert_array_equal(both.baseline, both.baselines[0].image)


@pytest.mark.parametrize("name", ["graded", "needs_a_and_b", "a_or_b"])
def test_host_device_and_callable_give_the_same_in_any_batches(name, planted):
    written = planted(name)
    options = {**OPTIONS, "baseline": BASELINES}
    on_host = OnnxClassifier(written.path, device="cpu", threads=1)
    expected = content(explain(written.image, on_host, **options))
    for how in ({"batch_size": 5}, {"batch_size": 64, "in_flight": 3, "threads": 2}):
        assert content(explain(written.image, on_host, **options, **how)) == expected
        assert content(explain(written.image, composed(written.path), **options, **how)) == expected
    found = explain(written.image, on_host.__call__, **options)
    assert content(found) == expected
    assert found.statistics["model_calls"] == sum(dict(expected[-1]).values())


def test_many_images_share_batches_and_end_as_alone(planted):
    written = planted("graded")
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    photos = [written.image, written.image[:, ::-1].copy(), np.roll(written.image, 5, axis=0)]
    options = {**OPTIONS, "baseline": BASELINES}
    expected = [content(explain(photo, classifier, **options)) for photo in photos]
    found = dict(explain_many(photos, classifier, batch_size=64, **options))
    assert [content(found[i]) for i in range(3)] == expected


@pytest.mark.parametrize("budget", [60, 61, 90, 150])
def test_a_budget_counts_every_call(budget, planted):
    written = planted("graded")
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    options = {**OPTIONS, "baseline": BASELINES, "max_calls": budget}
    found, other = (explain(written.image, classifier, **options, batch_size=n) for n in (3, 64))
    assert content(found) == content(other)
    assert found.statistics["model_calls"] <= budget
    assert found.outcome != "minimal" or found.statistics["model_calls"] < budget


def test_a_batch_is_masked_by_its_own_baseline_on_host_and_device():
    """Batches beside one baseline after the other, in the same rows: what the last one left there is gone."""
    from dccausal import _core

    model = build()
    on_host, on_device = backend_of(on_cpu(model, batch_size=4)), backend_of(composed(model, batch_size=4))
    photo, *baselines = images(4, seed=3)
    size = photo.shape[:2]
    asked = _core.Halves(_core.Evidence(*size, baselines=3), np.zeros(size, bool), side=3, is_both=False)
    pairs = [backend.pair(photo, np.stack(baselines), 1) for backend in (on_host, on_device)]
    host, device = on_host.batch(), on_device.batch()
    seen = []
    while (batch := asked.propose(4)) is not None:
        for made, pair in zip((host, device), pairs, strict=True):
            made.mask([Rows(pair, batch, 0, LabelTarget(0, 1, 0.5))], 4)
        masked = np.where(batch.masked()[..., None], baselines[batch.baseline], photo)
        expected = on_host._model.encode(masked)
        np.testing.assert_array_equal(host._tensor[: len(batch)], expected)
        np.testing.assert_array_equal(device._composed._engine.buffer.numpy()[: len(batch)], expected)
        nothing = np.full(len(batch), np.nan, dtype=np.float32)  # labels alone: each has to be asked
        asked.submit(batch.id, np.ones(len(batch), dtype=bool), nothing)
        seen.append(batch.baseline)
    assert sorted(set(seen)) == [0, 1, 2]


def test_trivial_is_what_stays_beside_each():
    def always(batch):
        return np.tile([0.2, 0.8], (len(batch), 1))

    def unless_white(batch):
        is_white = (batch == 255).all(axis=(1, 2, 3))
        return np.stack([np.where(is_white, 0.8, 0.2), np.where(is_white, 0.2, 0.8)], axis=1)

    photo = np.zeros((16, 16, 3), np.uint8)
    assert explain(photo, always, baseline=["grey", "white"], **OPTIONS).outcome == "trivial"
    found = explain(photo, unless_white, baseline=["grey", "white"], **OPTIONS)
    assert found.outcome == "minimal"
    assert 0 < found.size < 1


def test_the_blank_image_that_cannot_be_scored_is_named():
    def classify(batch):
        is_black = (batch == 0).all(axis=(1, 2, 3))
        scores = np.tile([0.2, 0.8], (len(batch), 1))
        scores[is_black] = np.nan
        return scores

    photo = np.full((16, 16, 3), 9, np.uint8)
    with pytest.raises(ClassifierError, match=r"fully masked image alone.*the colour #000000"):
        explain(photo, classify, baseline=["grey", "black", "white"], **OPTIONS)


def test_other_methods_extract_beside_each_too(planted):
    written = planted("graded")
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    found = explain_with("occlusion", written.image, classifier, grid=8, baseline=["grey", "white"])
    assert [one.name for one in found.baselines] == ["grey", "white"]
    target = found.label
    for one in found.baselines:
        shown = np.where(found.kept[..., None], found.image, one.image)[None]
        assert classifier(shown)[0].argmax() == target


def test_result_summary_and_caption_name_them(tmp_path, planted):
    written = planted("graded")
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    baselines = ["grey", (1, 2, 3), tmp_path / "noise.png", noise]
    found = explain(written.image, classifier, baseline=baselines, **OPTIONS)
    assert "  beside    grey " in found.summary()
    folder = found.save(tmp_path / "out")
    document = json.loads((folder / "result.json").read_text())
    assert document["provenance"]["baseline"] == ["grey", [1, 2, 3], str(tmp_path / "noise.png"), "image"]
    told = document["baselines"]
    assert [one["name"] for one in told] == ["grey", "#010203", str(tmp_path / "noise.png"), "image"]
    assert [one["colour"] for one in told] == [[128, 128, 128], [1, 2, 3], None, None]
    assert {"sha256": told[0]["sha256"], "colour": told[0]["colour"]} == document["baseline"]
    assert min(one["explanation_score"] for one in told) == document["explanation_score"]
    with Image.open(folder / "baseline-3.png") as image:
        np.testing.assert_array_equal(np.asarray(image), noise)
    assert not (folder / "baseline.png").exists()
    explain(written.image, classifier, **OPTIONS).save(folder)
    assert not list(folder.glob("baseline*.png"))


@pytest.mark.parametrize("kind", ["several", "contrastive", "necessary", "complete"])
def test_sets_of_kinds_do_beside_each_and_fail_beside_one(kind):
    """Beside white the spot's surroundings count too, and no set takes the label away there by hiding the spot."""
    photo = np.full((32, 32, 3), 40, np.uint8)
    photo[16:24, 8:16] = 220
    _, classify = bright(photo)
    found = explain(photo, classify, baseline=["white", "black"], kind=kind, **OPTIONS)
    assert found.kind.sets
    for one in found.kind.sets:
        kept, baselines = one.pixels[..., None], np.stack([each.image for each in found.baselines])
        alone = classify(np.where(kept, photo, baselines))[:, 1]
        without = classify(np.where(kept, baselines, photo))[:, 1]
        assert one.outcome == "minimal"
        assert (one.score_alone, one.score_without) == pytest.approx((alone.min(), without.min()))
        assert (one.keeps, one.loses) == (bool((alone > 0.5).all()), bool((without < 0.5).any()))
        assert one.label_without == (0 if one.loses else 1)
        if kind != "necessary":
            assert one.keeps
        if kind in {"contrastive", "necessary"}:
            assert one.loses
            assert without.max() > 0.5


def test_another_label_has_to_come_beside_each():
    model = MODELS["next_in_line"]
    found = explain(model.image, model, baseline=["grey", "black"], kind="why-not", other=2, grid=8)
    [one] = found.kind.sets
    np.testing.assert_array_equal(one.pixels, model.pixels("A"))
    assert one.label_without == 2


def test_the_last_checks_of_kinds_stay_within_the_budget():
    model, n = MODELS["any_of_three"], 0

    def count(images):
        nonlocal n
        n += len(images)
        return model(images)

    options = {"baseline": ["grey", "black"], "kind": "several", "grid": 8}
    for budget in (40, *range(200, 300, 10)):
        n = 0
        found = explain(model.image, count, max_calls=budget, **options)
        assert n == found.statistics["model_calls"] <= budget
        assert all(one.keeps for one in found.kind.sets)


def test_one_in_a_list_is_one(planted):
    written = planted("graded")
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    one, listed = (explain(written.image, classifier, baseline=b, **OPTIONS) for b in ("black", ["black"]))
    assert content(one) == content(listed)
    assert "beside" not in listed.summary()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"baseline": ["grey", "ultraviolet"]}, "baseline is 'ultraviolet', neither a known colour nor"),
        ({"baseline": ["grey"] * 17}, "baseline has 17 entries; at most 16 are needed"),
        (
            {"baseline": ["grey", "black", "white"], "max_calls": 59},
            "max_calls is 59; with 3 baselines at least 60",
        ),
        ({"baseline": ["grey", 3]}, "baseline is 3; a colour name"),
    ],
)
def test_bad_baselines_are_refused(options, text):
    photo = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(OptionError) as caught:
        explain(photo, lambda batch: np.zeros(len(batch), int), **options)
    assert str(caught.value).startswith(text)
