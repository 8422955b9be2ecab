"""
Models and processor configurations as real exporters left them, against what their own frameworks make of them.

tests/data/exports/README.md says how they were made and what "agrees" means: the values at 24 places of the tensor
within 1.5 levels of a pixel, their mean within 0.1, and for models the top label and its score.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dccausal import OnnxClassifier, load_photo
from dccausal.errors import ModelError
from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.sidecar import read_sidecar
from exports import export
from small_models import on_cpu

EXPORTS = Path(__file__).parents[1] / "data" / "exports"
MODELS = sorted(path.name for path in (EXPORTS / "models").iterdir())
PROCESSORS = sorted(path.name for path in (EXPORTS / "processors").iterdir())

# What nobody could know: nothing is left that says it, and a guess says that it is one.
UNTOLD = {
    "keras_divided_outside": "divided by 255 in the user's code",
    "tv_mnist_style": "MNIST's mean and deviation in the user's code",
    "tv_mobilenet_dynamo_dynhw": "open sides, trained at 64",
}
REFUSED = {
    "keras_augment_inside": r"cannot be loaded by ONNX Runtime: .*StatelessRandom",
    "keras_normalization": r"Keras 3's model\.export.* tf2onnx\.convert --saved-model",
    "tv_bf16_dynamo": r"cannot be loaded by ONNX Runtime: .*bfloat16",
}
# The two constants of the layer, without which its export takes no image.
NORMALIZATION = ("functional_8_1/normalization_1/Sub/y:0", "functional_8_1/normalization_1/Sqrt/x:0")
# Eight-bit sums differ between processors, and this net is steep.
SCORE_WITHIN = {"ort_quant_qdq": 0.2}
NOT_FOLLOWED = {
    "v4_detr_of_2021": "another shape for each photograph",
    "v4_textnet": "multiples of 32",
    "v5_janus": "pads photographs to squares",
    "v5_vit_short_side": "cuts nothing, so its images have another shape for each",
}


def _expected(kind, name):
    return json.loads((EXPORTS / kind / name / "expected.json").read_text())


def _check_tensor(tensor, expected, picture):
    assert list(tensor.shape) == expected["input"]["shape"]
    level = np.mean(expected["level"])
    values = tensor.astype(np.float64)
    apart = np.abs(values.ravel()[expected["at"]] - picture["values"]) / level
    assert apart.max() <= 1.5
    assert abs(values.mean() - picture["mean"]) <= 0.1 * level


def _check(classifier, expected, score_within):
    for name, picture in expected["pictures"].items():
        x, _ = classifier.prepare(load_photo(EXPORTS / "photographs" / name))
        _check_tensor(classifier.encode(x[None])[0], expected, picture)
        scores, top = classifier(x[None])[0], picture["top1"]
        assert len(scores) == len(picture["scores"])
        assert abs(scores[top] - picture["score"]) <= score_within
        assert scores.argmax() == top or scores.max() - scores[top] <= score_within


@pytest.mark.parametrize("is_told", [False, True], ids=["as-left", "told"])
@pytest.mark.parametrize("name", MODELS)
def test_models_are_fed_as_their_framework_feeds_them(name, is_told):
    expected = _expected("models", name)
    if is_told and not expected["options"]:
        pytest.skip("there is nothing to tell")
    path = EXPORTS / "models" / name / expected["model"]
    options = expected["options"] if is_told else {}
    if name in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name]):
            OnnxClassifier(path, device="cpu", **options)
        return
    classifier = OnnxClassifier(path, device="cpu", **options)
    if name in UNTOLD and not is_told:
        assert classifier.is_guessed
        return
    if expected["class_names"]:
        assert list(classifier.names) == expected["class_names"]
        assert not classifier.is_guessed
    _check(classifier, expected, SCORE_WITHIN.get(name, expected["score_within"]))


@pytest.mark.parametrize("name", PROCESSORS)
def test_processors_are_followed_or_said_not_to_be(name):
    expected = _expected("processors", name)
    _, height, width = expected["input"]["shape"] or (3, None, None)
    for sides in ((height, width), (None, None)):  # a model of that size, and one of open size
        image = ImageInput("x", np.dtype(np.float32), None, "NCHW", 3, *sides)
        settings, where = read_sidecar(EXPORTS / "processors" / name / "model.onnx").preprocess(image)
        if name in NOT_FOLLOWED:
            assert settings is None
            assert NOT_FOLLOWED[name] in where
            continue
        for photo, picture in expected["pictures"].items():
            x, _ = settings.prepare(load_photo(EXPORTS / "photographs" / photo), settings.size or sides)
            _check_tensor(settings.encode(x[None], "NCHW", np.float32)[0], expected, picture)


@pytest.mark.parametrize("name", NOT_FOLLOWED)
def test_what_is_not_followed_still_tells_the_pixels(name, tmp_path):
    """Where only the size is not told, mean and std are not guessed, and no other normalisation is as likely."""
    config = (EXPORTS / "processors" / name / "preprocessor_config.json").read_text()
    classifier = on_cpu(export(tmp_path, {"preprocessor_config.json": config}))
    assert classifier.is_guessed
    assert classifier.is_range_told
    assert classifier.preprocess.geometry == "squash"
    assert NOT_FOLLOWED[name] in classifier.preprocess_reason
    white = classifier.encode(np.full((1, 32, 32, 3), 255, np.uint8))[0, :, 0, 0]
    black = classifier.encode(np.zeros((1, 32, 32, 3), np.uint8))[0, :, 0, 0]
    np.testing.assert_allclose((white - black) / 255, _expected("processors", name)["level"], rtol=1e-4)


def test_the_broken_export_of_keras_works_with_its_constants_fed():
    expected = _expected("models", "keras_normalization")
    path = EXPORTS / "models" / "keras_normalization" / expected["model"]
    mean, deviation = np.zeros(3, np.float32), np.ones(3, np.float32)
    classifier = OnnxClassifier(
        path, device="cpu", feed=dict(zip(NORMALIZATION, (mean, deviation), strict=True))
    )
    assert (classifier.size, classifier.n_classes) == ((64, 64), 10)
    assert classifier.feed == {NORMALIZATION[0]: [[[[0.0] * 3]]], NORMALIZATION[1]: [[[[1.0] * 3]]]}
