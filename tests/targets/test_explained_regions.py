"""Regions of segmenters, explained."""

import json

import numpy as np
import pytest

from dccausal import ClassifierError, OptionError, explain
from dccausal.targets import Region
from dccausal.targets.decoders.choose import find_decoder
from dccausal.targets.decoders.facts import Facts
from dccausal.targets.frame import Frame
from dccausal.targets.maps import LabelMaps, connected
from dccausal.targets.target import Request
from planted_detector import scene

SQUARES = [(0, 0, 12), (2, 60, 48), (2, 0, 60)]
NAMES = ("background", "red", "green", "blue")


class Segmenter:
    """Says of each 4 x 4 pixels which colour they are, as probabilities of four labels."""

    names = NAMES
    n_classes = 4

    def __call__(self, images):
        n, height, width, _ = images.shape
        cells = images.reshape(n, height // 4, 4, width // 4, 4, 3).mean(axis=(2, 4)) / 255
        excess = 6 * (cells - cells.mean(axis=3, keepdims=True))
        numbers = np.concatenate([np.full_like(excess[..., :1], 1.0), excess], axis=3)
        raised = np.exp(numbers)
        return np.moveaxis(raised / raised.sum(axis=3, keepdims=True), 3, 1).astype(np.float32)


def inside(square):
    mask = np.zeros((96, 96), bool)
    _, left, top = square
    mask[top : top + 36, left : left + 36] = True
    return mask


def test_a_region_is_explained_by_its_own_pixels(tmp_path):
    photo = scene(SQUARES)
    explanation = explain(photo, Segmenter(), target=Region((70, 60)))
    own = inside(SQUARES[1])
    assert (explanation.label, explanation.name, explanation.outcome) == (3, "blue", "minimal")
    assert not (explanation.kept & ~own).any()
    assert explanation.kept.sum() >= 0.4 * own.sum()
    assert explanation.target["share"] == pytest.approx(own.mean())
    explanation.save(tmp_path)
    target = json.loads((tmp_path / "result.json").read_text())["target"]
    assert target["kind"] == "region"
    assert target["mask_rle"]["size"] == [24, 24]
    assert "blue (3), the region around 70,60" in explanation.summary()


def test_a_label_is_all_of_its_places():
    photo = scene(SQUARES)
    both = explain(photo, Segmenter(), target=Region("blue"))
    assert both.target["share"] == pytest.approx((inside(SQUARES[1]) | inside(SQUARES[2])).mean())
    assert both.score == pytest.approx(
        float(Segmenter()(photo[None])[0, 3][(inside(SQUARES[1]) | inside(SQUARES[2]))[::4, ::4]].mean())
    )


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("green", "is nowhere in this photograph; there are background (0)"),
        ("purple", "is not a label"),
        ((96, 0), "lies outside of the photograph of 96 x 96 pixels"),
        (9, "a label from 0 to 3 is needed"),
    ],
)
def test_a_region_that_is_not_there_gets_one_line(which, words):
    with pytest.raises(OptionError) as caught:
        explain(scene(SQUARES), Segmenter(), target=Region(which))
    assert words.replace("background (0)", "background (") in str(caught.value)


def test_what_pads_a_photograph_is_no_part_of_a_region():
    labels = np.zeros((6, 8), np.int64)
    labels[:, 6:] = 1
    labels[0] = 2  # beyond the photograph, but for what a point touches
    maps = LabelMaps((labels == np.arange(4)[:, None, None]).astype(np.float32)[None], "none")
    frame = Frame((80, 40), (0, -10, 80, 50), (60, 80))  # 80 x 40 pixels in the middle of 80 x 60
    request = Request(frame, NAMES, maps)
    every = Region(0).choose(maps, request).region
    assert every.sum() == 6 * 4
    assert not every[[0, 5]].any()
    assert not Region((70, 20)).choose(maps, request).region[[0, 5]].any()
    with pytest.raises(OptionError, match=r"there are background \(75%\), red \(25%\)$"):
        Region(2).choose(maps, request)


def test_a_segmenter_without_names_says_so():
    with pytest.raises(OptionError, match="names of the labels are unknown; an index is needed"):
        explain(scene(SQUARES), Segmenter().__call__, target=Region("blue"))
    with pytest.raises(ClassifierError, match=r"floats \(2, labels, height, width\)"):
        explain(scene(SQUARES), lambda images: np.zeros((len(images), 4)), target=Region(0))
    with pytest.raises(OptionError, match="a label's name or index, or a point"):
        Region((1, 2, 3))


def test_what_hangs_together_does_so_by_sides():
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 1]], bool)
    assert connected(mask, (1, 1)).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert not connected(mask, (0, 2)).any()


RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(1, 4, 6, 8)).astype(np.float32)
LABELS = LOGITS.argmax(axis=1)


@pytest.mark.parametrize(
    ("outputs", "n_names"),
    [
        ({"logits": LOGITS}, 4),
        ({"out": LOGITS, "aux": LOGITS[:, ::-1]}, None),
        ({"ResizeBilinear_3:0": np.moveaxis(LOGITS, 1, 3)}, 4),
        ({"SemanticPredictions:0": LABELS}, 4),
        ({"mask": LABELS[:, None]}, 4),
        (
            {
                "class_queries_logits": (20 * np.eye(5, dtype=np.float32)[:4])[None],
                "masks_queries_logits": 20 * (LABELS[:, None] == np.arange(4)[None, :, None, None]) - 10.0,
            },
            4,
        ),
    ],
)
def test_maps_of_every_layout_are_read(outputs, n_names):
    decoder = find_decoder(Facts(outputs, (24, 32), n_names=n_names))
    assert decoder.gives == "maps"
    maps = decoder.decode(outputs, 1, (24, 32))
    assert (maps.labels() == LABELS[0]).all()
    assert maps.n_labels == 4


def test_a_yes_or_no_is_two_labels():
    yes = RNG.random((1, 1, 6, 8)).astype(np.float32)
    decoder = find_decoder(Facts({"d0": yes}, (24, 32)), "maps")
    assert (decoder.decode({"d0": yes}, 1, (24, 32)).labels() == (yes[0, 0] > 0.5)).all()
