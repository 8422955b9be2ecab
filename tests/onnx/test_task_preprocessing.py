"""How photographs are prepared for models that do not classify."""

import numpy as np
import pytest
from PIL import Image

from dccausal.onnx.reading.image_input import ImageInput
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.task_preprocessing import guess_task_preprocess
from dccausal.targets.decoders.facts import RTDETR

OPEN = ImageInput("pixel_values", np.dtype(np.float32), None, "NCHW", 3, None, None)
SQUARE = ImageInput("images", np.dtype(np.float32), 1, "NCHW", 3, 96, 96)
PIXELS = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 2}
EDGES = {"shortest_edge": 64, "longest_edge": 100}


def sizing(processor, photo, **more):
    _, found, reason = guess_task_preprocess(
        {}, OPEN, Sidecar({"preprocessor_config.json": {**PIXELS, **processor, **more}}), None, ""
    )
    assert "cannot be followed" not in reason
    return found.of(photo)


@pytest.mark.parametrize(
    ("processor", "size"),
    [
        # The photograph is 90 x 60, so its sides are to become 96 x 64.
        ({"image_processor_type": "DetrImageProcessor", "size": EDGES}, (64, 96)),
        ({"feature_extractor_type": "DetrFeatureExtractor", "size": 64, "max_size": 100}, (64, 96)),
        ({"feature_extractor_type": "DetrFeatureExtractor", "size": 64, "max_size": 90}, (60, 90)),
        ({"feature_extractor_type": "DetrFeatureExtractor", "size": 64}, (64, 96)),
        ({"image_processor_type": "YolosImageProcessor", "size": EDGES}, (64, 96)),
        ({"image_processor_type": "MaskFormerImageProcessor", "size": EDGES, "size_divisor": 20}, (80, 100)),
        ({"image_processor_type": "Mask2FormerImageProcessorFast", "size": EDGES}, (64, 96)),
        ({"image_processor_type": "Mask2FormerImageProcessor", "size": EDGES, "size_divisor": 0}, (64, 96)),
        (
            {"feature_extractor_type": "MaskFormerFeatureExtractor", "size": 64, "size_divisibility": 20},
            (80, 100),
        ),
        ({"image_processor_type": "OneFormerImageProcessor", "size": EDGES}, (64, 96)),
        (
            {"image_processor_type": "Mask2FormerImageProcessor", "size": {"height": 80, "width": 64}},
            (96, 64),
        ),
    ],
)
def test_sides_follow_the_processor(processor, size):
    assert sizing(processor, (90, 60)) == size


def test_photographs_for_owlv2_are_padded_to_squares():
    processor = {**PIXELS, "image_processor_type": "Owlv2ImageProcessor", "size": {"height": 64, "width": 64}}
    settings, found, _ = guess_task_preprocess(
        {}, OPEN, Sidecar({"preprocessor_config.json": processor}), None, ""
    )
    assert (settings.geometry, found.of((90, 60))) == ("pad-corner", (64, 64))
    x, placement = settings.prepare(Image.new("RGB", (90, 60)), (64, 64))
    assert placement.box == pytest.approx((0, 0, 90, 90), abs=2)
    assert (x[50:] == 128).all()


def test_segmenters_of_ultralytics_are_letterboxed_as_its_detectors():
    settings, found, reason = guess_task_preprocess({"task": "semantic"}, SQUARE, Sidecar({}), None, "a map")
    assert (settings.geometry, settings.scale, found.size) == ("pad", pytest.approx(1 / 255), (96, 96))
    assert "Ultralytics" in reason


def test_rtdetr_of_ultralytics_is_squashed():
    settings, _, _ = guess_task_preprocess({"task": "detect"}, SQUARE, Sidecar({}), None, RTDETR)
    assert settings.geometry == "squash"
