"""What outputs are when they are no boxes: maps, embeddings, heads before their last step, or nothing that is read."""

import numpy as np
import pytest

from dccausal.targets.decoders.choose import find_decoder, refused
from dccausal.targets.decoders.facts import Facts

SIZE = (100, 200)  # height, width
ULTRALYTICS = {"stride": "32"}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def maps_of(**depths):
    return {name: np.full((1, depth, 25, 50), 0.5, np.float32) for name, depth in depths.items()}


def pyramid(shapes):
    every = [shape for side in (12, 6, 3) for shape in shapes(side)]
    return {f"output{i}": np.zeros(shape, np.float32) for i, shape in enumerate(every)}


@pytest.mark.parametrize(
    ("outputs", "metadata", "text"),
    [
        ({"output0": noise(1, 8, 20)}, {**ULTRALYTICS, "task": "obb"}, "its boxes are turned"),
        ({"output0": noise(1, 3)}, {**ULTRALYTICS, "task": "classify"}, "it classifies"),
        (
            {
                name: np.zeros((1, 3, side, 2 * side, 8), np.float32)
                for name, side in (("a", 12), ("b", 6), ("c", 3))
            },
            {},
            "before their anchors are applied",
        ),
        (pyramid(lambda side: [(1, 21, side, 2 * side)]), {}, "maps at several scales"),
        (
            pyramid(lambda side: [(1, 64, side, 2 * side), (1, 16, side, 2 * side)]),
            {},
            "maps at several scales",
        ),
        (maps_of(hm=80, wh=2, reg=2), {}, "of centres and sides"),
        (maps_of(predicted_depth=1), {}, "it gives depths"),
        ({"predicted_depth": np.full((1, 25, 50), 0.5, np.float32)}, {}, "it gives depths"),
        ({**maps_of(masks=4), "iou_predictions": np.zeros((1, 4), np.float32)}, {}, "points and boxes"),
    ],
)
def test_what_is_recognised_and_not_read_is_said(outputs, metadata, text):
    facts = Facts(outputs, SIZE, metadata, n_names=3)
    assert find_decoder(facts) is find_decoder(facts, "boxes") is None
    assert text in refused(facts)


@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param(
            {"output": np.concatenate([noise(1, 500, 8), noise(1, 500, 32) * 9 - 4], 2)}, id="NanoDet"
        ),
        pytest.param(
            {
                "yolonms/ExpandDims_1:0": noise(1, 90, 4) * 99 - [0, 0, 120, 120],
                "yolonms/ExpandDims_3:0": noise(1, 8, 90),
                "yolonms/concat_2:0": np.zeros((1, 5, 3), np.int32),
            },
            id="YOLOv3 with the indices of its NMS",
        ),
        pytest.param(
            {
                "classification": noise(1, 90, 20),
                "regression": noise(1, 90, 4) * 2 - 1,
                "anchors": noise(1, 90, 4) * [40, 40, 50, 50] + [0, 0, 50, 50],
            },
            id="RetinaNet's steps from anchors",
        ),
        pytest.param({"output0": noise(1, 8, 100) * 5 - 2}, id="a head without sigmoid"),
    ],
)
def test_raw_heads_are_neither_boxes_nor_maps(outputs):
    facts = Facts({name: value.astype(np.float32) if value.dtype.kind == "f" else value
                   for name, value in outputs.items()}, SIZE)  # fmt: skip
    assert find_decoder(facts) is find_decoder(facts, "boxes") is find_decoder(facts, "maps") is None


@pytest.mark.parametrize(
    "outputs",
    [
        {"scores": np.random.default_rng(0).random((1, 4), np.float32)},
        {"scores": np.random.default_rng(0).random((1, 6), np.float32)},
        {"probabilities": np.full((1, 1000), 1e-3, np.float32), "label": np.zeros(1, np.int64)},
        {"last_hidden_state": np.random.default_rng(0).normal(size=(1, 17, 32)).astype(np.float32)},
        {"tokens": np.random.default_rng(0).normal(size=(1, 17, 32)).astype(np.float32)},
    ],
)
def test_scores_and_hidden_states_are_no_boxes(outputs):
    assert find_decoder(Facts(outputs, SIZE), "boxes") is None


def test_attentions_beside_scores_are_no_maps():
    outputs = {"logits": np.zeros((1, 10), np.float32), "attentions": np.zeros((1, 4, 17, 17), np.float32)}
    assert find_decoder(Facts(outputs, SIZE)) is None
    assert find_decoder(Facts(outputs, SIZE), "maps").names == ("attentions",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            noise(1, 50, 6),
            lambda value: value.mean(axis=1),
        ),  # 5 x 10 patches of 20 pixels: none stands for all
        (noise(1, 51, 6), lambda value: value[:, 0]),
        (noise(1, 6, 5, 10), lambda value: value.mean(axis=(2, 3))),
        (noise(1, 5, 10, 6), lambda value: value.mean(axis=(1, 2))),
    ],
)
def test_hidden_states_are_read_by_what_stands_for_the_image(value, expected):
    outputs = {"last_hidden_state": value}
    decoder = find_decoder(Facts(outputs, SIZE))
    assert decoder.decode(outputs, 1, SIZE) == pytest.approx(expected(value), abs=1e-6)


def test_of_features_at_several_depths_the_deepest_are_compared():
    outputs = {"0": noise(1, 4, 50, 100), "1": noise(1, 8, 25, 50), "2": noise(1, 16, 12, 25)}
    assert find_decoder(Facts(outputs, SIZE), "embeddings").output == "2"
    vector = {**outputs, "3": noise(1, 16)}
    assert find_decoder(Facts(vector, SIZE), "embeddings").output == "3"
