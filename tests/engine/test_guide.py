"""Grad-CAM in place of lattices: another order, and still only what the model's answers say."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from dccausal import OnnxClassifier, OptionError, explain, explain_many
from dccausal.methods import explain_with
from dccausal.targets import Custom, Label

FOLDER = Path(__file__).parents[1] / "data" / "whitebox" / "resnet"


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(FOLDER / "model_ts.onnx", preprocess="imagenet", device="cpu", threads=1)


@pytest.fixture(scope="module")
def photos():
    refs = np.load(FOLDER / "refs.npz")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = refs["inputs"].transpose(0, 2, 3, 1) * std + mean
    return np.rint(pixels * 255).clip(0, 255).astype(np.uint8)


def test_sets_are_those_that_grow_from_grad_cam_and_the_model_confirms_them(classifier, photos):
    for photo in photos[:2]:
        found = explain(photo, classifier, guide="gradient", balanced=0, grid=6)
        by_map = explain_with("grad-cam", photo, classifier, grid=6)
        assert [one.kept.tolist() for one in found.levels] == [one.kept.tolist() for one in by_map.levels]
        for level in found.levels:
            seen = np.where(level.kept[..., None], photo, 128).astype(np.uint8)
            scores = classifier(seen[None])[0]
            assert scores.argmax() == found.label
            assert scores[found.label] >= level.confidence * found.score * (1 - 1e-5)


def test_it_takes_the_place_of_lattices_and_counts_as_three_calls(classifier, photos):
    plain, found = (explain(photos[0], classifier, guide=guide, grid=6) for guide in ("none", "gradient"))
    bare = explain(photos[0], classifier, grid=6, survey=0, shown=0)
    calls = [one.statistics["model_calls_by_phase"]["search"] for one in (plain, found, bare)]
    assert calls[0] > calls[1] == calls[2] + 3
    assert found.provenance["guide"] == "gradient"


@pytest.mark.parametrize("budget", [20, 40, 60, 90])
def test_a_budget_holds_for_the_gradient_too(budget, classifier, photos):
    found = explain(photos[0], classifier, guide="gradient", grid=6, max_calls=budget)
    assert found.statistics["model_calls"] <= budget


def test_it_is_the_same_among_many_by_name_and_for_any_batch(classifier, photos):
    alone = [explain(photo, classifier, guide="gradient", grid=6) for photo in photos]
    many = dict(explain_many(photos, classifier, guide="gradient", grid=6, batch_size=3))
    for n, one in enumerate(alone):
        named = explain_with("dc-causal", photos[n], classifier, guide="gradient", grid=6)
        for other in (many[n], named):
            np.testing.assert_array_equal(one.kept, other.kept)
            np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-5)
            assert one.statistics["model_calls"] == other.statistics["model_calls"]


def test_a_single_set_grows_from_it_as_well(classifier, photos):
    found = explain(photos[0], classifier, guide="gradient", profile="paper", partitions=2, grid=6)
    assert found.outcome == "minimal"
    assert found.statistics["model_calls_by_phase"]["search"] > 3


def test_gradients_that_speak_for_no_place_guide_nothing():
    """The label is lost by what is seen, so all of its map is below 0."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["seen"]),
        helper.make_node("Relu", ["seen"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
    ]
    values = {
        "w": np.ones((1, 3, 1, 1)),
        "weights": np.array([[-1.0, 0.0]]),
        "bias": np.array([2.0, 1.0]),
    }
    graph = helper.make_graph(
        nodes,
        "against",
        [helper.make_tensor_value_info("x", 1, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", 1, ["n", 2])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    classifier = OnnxClassifier(model.SerializeToString(), preprocess="unit", device="cpu", threads=1)
    photo = np.zeros((32, 32, 3), np.uint8)
    found = explain(photo, classifier, baseline="white", guide="gradient", grid=4)
    assert found.label == 0
    assert any("speak for no place" in note for note in found.notes)
    assert found.outcome == "minimal"
    assert np.isfinite(found.heatmap).all()


def test_what_cannot_be_looked_into_is_refused_before_any_work(classifier, photos):
    asked = []

    def classify(images):
        asked.append(images)
        return np.tile([[0.4, 0.6]], (len(images), 1))

    with pytest.raises(OptionError, match="the classifier is a function; an OnnxClassifier or the path"):
        explain(photos[0], classify, guide="gradient")
    anything = Custom(
        score=lambda out: out["logits"].max(axis=1), passes=lambda out: out["logits"].max(axis=1) > 0
    )
    with pytest.raises(OptionError, match="which is for labels, but the target is a Custom"):
        explain(photos[0], classifier, target=anything, guide="gradient")
    with pytest.raises(OptionError, match="guide is 'cam'; one of none, gradient is needed"):
        explain(photos[0], classifier, guide="cam")
    assert not asked
    assert explain(photos[0], classifier, target=Label(1), guide="gradient", grid=6).label == 1
