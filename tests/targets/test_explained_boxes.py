"""Boxes of planted detectors, explained: from a callable and from ONNX models of several heads."""

import json

import numpy as np
import pytest

from dccausal import ClassifierError, OnnxClassifier, OnnxModel, OptionError, explain
from dccausal.targets import Box, Custom
from dccausal.targets.boxes import from_centres
from planted_detector import COLOURS, ULTRALYTICS, answers, box_of, detector, scene

SQUARES = [(0, 0, 12), (2, 60, 48)]
HEADS = ("columns", "rows", "queries", "background")


def looks(images):
    """The planted detector as a callable: each colour of each place, best first."""
    boxes, scores = answers(images)
    corners, labels = from_centres(boxes).repeat(3, axis=0), np.tile(np.arange(3), len(boxes))
    found = [np.column_stack([corners, own.ravel(), labels]).astype(np.float32) for own in scores]
    return [rows[np.argsort(-rows[:, 4])] for rows in found]


def opened(head, **options):
    given = {"preprocess": "unit", "labels": None if head == "columns" else COLOURS, **options}
    metadata = ULTRALYTICS if head == "columns" else None
    return OnnxModel(detector(head=head, metadata=metadata), device="cpu", threads=1, **given)


def inside(box, size):
    x0, y0, x1, y1 = box
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("head", HEADS)
def test_a_box_is_explained_by_its_square(head):
    photo = scene(SQUARES)
    model = opened(head)
    assert model.detect.__self__ is model
    for square in SQUARES:
        box = box_of(square)
        explanation = explain(photo, model, target=Box(box))
        assert (explanation.label, explanation.name) == (square[0], COLOURS[square[0]])
        assert explanation.outcome == "minimal"
        own = inside(box, photo.shape[:2])
        assert (explanation.kept & own).sum() > 0.9 * explanation.kept.sum()
        assert own.ravel()[explanation.ranking()[0]]
        assert explanation.target["box"] == pytest.approx(
            dict(zip(("left", "top", "right", "bottom"), box, strict=True)), abs=1e-3
        )
        assert explanation.statistics["model_calls"] <= 500


def test_every_way_to_ask_gives_the_same_bytes():
    photo = scene(SQUARES)
    box = Box(box_of(SQUARES[1]), threshold=0.25)
    by_callable = explain(photo, looks, target=box)
    found = [explain(photo, opened(head), target=box) for head in HEADS]
    found.append(explain(photo, opened("columns", batch_size=1), target=box, in_flight=3))
    for explanation in found:
        assert (explanation.kept == by_callable.kept).all()
        assert explanation.heatmap == pytest.approx(by_callable.heatmap, abs=1e-3)
    assert (found[-1].heatmap == found[0].heatmap).all()
    numbered = explain(photo, looks, target=Box(int(by_callable.target["number"]), threshold=0.25))
    assert (numbered.heatmap == by_callable.heatmap).all()


def test_the_score_is_the_best_overlap_times_score():
    photo = scene(SQUARES)
    explanation = explain(photo, opened("columns"), target=Box(box_of(SQUARES[0])))
    boxes, scores = answers(photo[None])
    best = scores[0, :, 0].argmax()
    assert from_centres(boxes)[best].tolist() == list(box_of(SQUARES[0]))
    assert explanation.score == pytest.approx(float(scores[0, best, 0]), abs=1e-5)


def test_a_letterbox_is_part_of_what_the_model_sees():
    photo = scene(SQUARES, size=(96, 192)).repeat(2, axis=0).repeat(2, axis=1)
    model = OnnxModel(detector(metadata=ULTRALYTICS), device="cpu", threads=1)
    x, placement = model.prepare(_pillow(photo))
    assert x.shape == (96, 96, 3)
    assert (x[:24] == 114).all()
    assert (x[72:] == 114).all()
    assert placement.box == (0, -96, 384, 288)
    found = model.detect(_pillow(photo))
    assert ((found[:, 1] >= 0) & (found[:, 3] <= 192)).all()


def _pillow(photo):
    from PIL import Image

    return Image.fromarray(photo)


def test_files_pictures_and_words_show_the_box(tmp_path):
    explanation = explain(scene(SQUARES), opened("columns"), target=Box(box_of(SQUARES[0])))
    explanation.save(tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["target"]["kind"] == "box"
    assert result["target"]["box"] == {"left": 0, "top": 12, "right": 36, "bottom": 48}
    assert result["provenance"]["target"] == {
        "kind": "box",
        "which": [0, 12, 36, 48],
        "label": None,
        "threshold": None,
        "overlap": 0.5,
    }
    assert "from 0,12 to 36,48" in explanation.summary()
    pixels = np.asarray(explanation.picture(caption=False)).astype(int)
    scale = pixels.shape[1] / 96
    corner = pixels[round(48 * scale), round(36 * scale)]
    assert (np.abs(corner - [96, 214, 255]) < 30).all()


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (7, "box is 7; there are 2: 0 ("),
        ((200, 0, 220, 20), "lies outside of the photograph of 96 x 96"),
        ((60, 0, 90, 20), "is no detection: none overlaps it by 0.5; there are 2"),
    ],
)
def test_a_box_that_is_not_there_gets_one_line(box, words):
    with pytest.raises(OptionError) as caught:
        explain(scene(SQUARES), opened("columns"), target=Box(box))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_boxes_and_bad_models_are_refused():
    for box in ((5, 5, 5, 9), (1, 2, 3), "a box", -1):
        with pytest.raises(OptionError, match="box is"):
            Box(box)
    with pytest.raises(OptionError, match="target 'purple' is not a label"):
        explain(scene(SQUARES), opened("columns"), target=Box((0, 12, 36, 48), label="purple"))
    with pytest.raises(OptionError, match="is no detection of green"):
        explain(scene(SQUARES), opened("columns"), target=Box((0, 12, 36, 48), label="green"))
    with pytest.raises(ClassifierError, match=r"a list of 2 arrays \(k, 6\)"):
        explain(scene(SQUARES), lambda images: np.zeros((len(images), 5)), target=Box())
    with pytest.raises(OptionError, match="sees nothing"):
        explain(scene([]), opened("columns"), target=Box())
    with pytest.raises(OptionError, match="list"):
        explain(scene(SQUARES), looks, target=[1, 2])


def test_a_detector_without_a_target_explains_its_best_box():
    explanation = explain(scene(SQUARES), opened("columns"))
    assert explanation.target["number"] == 0


def test_any_function_of_the_outputs():
    photo = scene(SQUARES)
    model = OnnxModel(detector(), gives="anything", preprocess="unit", device="cpu", threads=1)
    blue = Custom(
        score=lambda out: out["output0"][:, 6].max(axis=1),
        passes=lambda out: out["output0"][:, 6].max(axis=1) > 0.25,
        title="blueness",
    )
    explanation = explain(photo, model, target=blue)
    own = inside(box_of(SQUARES[1]), photo.shape[:2])
    assert explanation.outcome == "minimal"
    assert (explanation.kept & ~own).sum() <= 0.1 * explanation.kept.sum()
    assert explanation.title == "blueness"
    with pytest.raises(OptionError, match="does not pass on the photograph itself"):
        explain(scene(SQUARES[:1]), model, target=blue)
    with pytest.raises(ClassifierError, match="passes of broken raised KeyError"):
        explain(photo, model, target=Custom(lambda out: out["x"], lambda out: out["x"], "broken"))
    with pytest.raises(OptionError, match="a function of the outputs is needed"):
        Custom(score=1, passes=2)


def test_scores_of_a_classifier_are_outputs_too():
    from small_models import build, images

    classifier = OnnxClassifier(build(size=(16, 16)), preprocess="unit", device="cpu", threads=1)
    photo = images(1, (16, 16))[0] if images(1, (16, 16)).ndim == 4 else images(1)[0]
    first = Custom(lambda s: s[:, 0], lambda s: s[:, 0] > 0, "first")
    assert explain(photo, classifier, target=first).outcome in ("trivial", "minimal")
    with pytest.raises(OptionError, match="a classifier gives scores"):
        explain(photo, classifier, target=Box())


def test_a_box_without_area_is_said_to_be_empty():
    with pytest.raises(OptionError, match="box 0 covers nothing of the photograph: it is empty, or"):
        explain(scene([]), lambda images: [np.array([[10, 10, 10, 40, 0.9, 0]])] * len(images), target=Box())
