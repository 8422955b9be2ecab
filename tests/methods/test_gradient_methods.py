"""The methods that look into the model, through ``explain_with``."""

from pathlib import Path

import numpy as np
import pytest

from dccausal import OnnxClassifier
from dccausal.errors import ModelError, OptionError
from dccausal.methods import METHODS, explain_with

FOLDER = Path(__file__).parents[1] / "data" / "whitebox"
WHITE_BOX = [name for name, method in METHODS.items() if method.needs_gradients]
FAST = {
    "integrated-gradients": {"steps": 5},
    "extremal": {"steps": 3, "areas": [0.2], "cell": 4, "sigma": 8.0},
}


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(FOLDER / "resnet" / "model_ts.onnx", preprocess="imagenet", device="cpu", threads=1)


@pytest.fixture(scope="module")
def photo():
    refs = np.load(FOLDER / "resnet" / "refs.npz")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = refs["inputs"][0].transpose(1, 2, 0) * std + mean
    return np.rint(pixels * 255).clip(0, 255).astype(np.uint8)


def test_all_promised_methods_are_there():
    assert [
        *(
            "gradient",
            "input-x-gradient",
            "integrated-gradients",
            "guided-backprop",
            "grad-cam",
            "hires-cam",
            "lrp",
        ),
        *("rap", "extremal"),
    ] == WHITE_BOX


@pytest.mark.parametrize("method", WHITE_BOX)
def test_each_method_explains(method, classifier, photo):
    found = explain_with(method, photo, classifier, grid=6, **FAST.get(method, {}))
    assert found.outcome in ("minimal", "trivial")
    assert found.heatmap.shape == photo.shape[:2]
    assert 0 <= found.heatmap.min() <= found.heatmap.max() <= 1
    assert found.provenance["method"] == method
    assert found.statistics["model_calls_by_phase"]["search"] % 3 == 0
    again = explain_with(method, photo, classifier, grid=6, **FAST.get(method, {}))
    np.testing.assert_array_equal(found.heatmap, again.heatmap)


def test_the_gradient_of_a_classifier_is_that_of_the_references(classifier, photo):
    """Pixels are whole numbers here, so that the references are met within their rounding."""
    refs = np.load(FOLDER / "resnet" / "refs.npz")
    found = classifier.gradients(photo[None], int(refs["targets"][0, 0]))
    assert found.shape == (1, 3, 48, 48)
    wanted = refs["gradient"][0, 0]
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95


def test_completeness_and_conservation_are_reported(classifier, photo):
    for method, start in (
        ("integrated-gradients", "Completeness"),
        ("lrp", "Conservation"),
        ("rap", "Conservation"),
    ):
        found = explain_with(method, photo, classifier, grid=4, max_calls=400)
        assert any(note.startswith(f"{start}: the attributions add up to") for note in found.notes), (
            found.notes
        )


def test_a_budget_cuts_a_method_short_and_says_so(classifier, photo):
    found = explain_with("integrated-gradients", photo, classifier, grid=4, max_calls=50)
    assert any("The budget of model calls allowed the method" in note for note in found.notes)
    assert found.statistics["model_calls"] <= 50
    found = explain_with("extremal", photo, classifier, grid=4, max_calls=60)
    assert any("of 800 steps" in note for note in found.notes)


def test_progress_is_reported(classifier, photo):
    seen = []
    explain_with("integrated-gradients", photo, classifier, grid=4, steps=8, progress=seen.append)
    assert [p.n_calls for p in seen if p.phase == "search" and p.n_calls][:1]


def test_a_callable_is_refused():
    def classify(images):
        return np.tile([[0.4, 0.6]], (len(images), 1))

    with pytest.raises(OptionError, match="which looks into the model, but the classifier is a function"):
        explain_with("gradient", np.zeros((32, 32, 3), np.uint8), classify)


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("extremal", {"areas": [0.5, 1.0]}, "shares above 0 and below 1"),
        ("extremal", {"areas": 1.0}, "shares above 0 and below 1"),
        ("extremal", {"areas": []}, "a list of shares"),
        ("extremal", {"sigma": 0.0}, "a number from 1 to 256"),
        ("integrated-gradients", {"steps": 0}, "from 1 to 10000"),
        ("integrated-gradients", {"nodes": "left"}, "one of middle, gausslegendre"),
        ("lrp", {"rule": "best"}, "one of epsilon, zplus, composite"),
        ("lrp", {"epsilon": 0.0}, "a number above 0"),
        ("grad-cam", {"layer": 3}, "the name of a tensor"),
        ("gradient", {"steps": 3}, "it has none"),
    ],
)
def test_bad_options_are_refused(method, options, says, classifier, photo):
    with pytest.raises(OptionError, match=says):
        explain_with(method, photo, classifier, **options)


def test_a_layer_that_is_not_there_is_refused(classifier, photo):
    with pytest.raises(OptionError, match="layer is 'nothing'"):
        explain_with("grad-cam", photo, classifier, grid=4, layer="nothing")


def test_a_target_out_of_range_is_refused(classifier, photo):
    with pytest.raises(OptionError, match="an index from 0 to 9 is needed"):
        classifier.gradients(photo[None], 10)


def test_a_network_without_a_relu_is_refused_by_name():
    classifier = OnnxClassifier(
        FOLDER / "gates" / "model_ts.onnx", preprocess="imagenet", device="cpu", threads=1
    )
    photo = np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8)
    with pytest.raises(ModelError, match="no ReLU"):
        explain_with("guided-backprop", photo, classifier, grid=4)
