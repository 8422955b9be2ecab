"""Several targets of one image, explained by model calls that serve all of them."""

import numpy as np
import pytest

from dccausal import OnnxModel, OptionError, explain
from dccausal.engine import explain_together
from dccausal.targets import Box, Label
from planted_detector import box_of, detector, scene

SIZE = (192, 192)
SQUARES = [(0, 12, 12), (1, 108, 24), (2, 24, 120), (0, 132, 132)]
PHOTO = scene(SQUARES, size=SIZE)


@pytest.fixture(scope="module")
def model():
    return OnnxModel(detector(size=SIZE), preprocess="unit", device="cpu", threads=1)


class Counted:
    """A callable classifier that counts the images it is asked about."""

    def __init__(self):
        self.n = 0

    def __call__(self, images):
        self.n += len(images)
        means = images.reshape(len(images), 8, 8, 8, 8, 3).mean(axis=(2, 4)) / 255
        scores = [means[:, 1, 1, 0], means[:, 5, 5, 1], means[:, 2, 6, 2], np.full(len(images), 0.2)]
        return np.stack(scores, axis=1)


def test_each_is_what_it_would_be_alone(model):
    found = explain_together(PHOTO, model, "boxes")
    assert len(found) == len(SQUARES)
    calls = 0
    for one in found:
        alone = explain(PHOTO, model, target=Box(one.target["number"]), halves=0, partitions=1)
        assert one.outcome == "minimal"
        assert (one.kept == alone.kept).all()
        assert (one.heatmap == alone.heatmap).all()
        assert one.explanation_score == pytest.approx(alone.explanation_score, abs=1e-5)
        calls += alone.statistics["model_calls"]
    assert sum(one.statistics["model_calls"] for one in found) < 0.75 * calls
    boxes = sorted(tuple(round(side) for side in one.target["box"].values()) for one in found)
    assert boxes == sorted(box_of(square) for square in SQUARES)


@pytest.mark.parametrize("baseline", ["black", ["black", (0, 255, 0)]])
def test_every_call_is_counted_once_and_best_labels_are_explained(baseline):
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[8:16, 8:16, 0], photo[40:48, 40:48, 1], photo[16:24, 48:56, 2] = 250, 240, 230
    classify = Counted()
    found = explain_together(photo, classify, 3, grid=8, baseline=baseline)
    assert [one.label for one in found] == [0, 1, 2]
    assert sum(one.statistics["model_calls"] for one in found) == classify.n - 1  # and one to find the labels
    for label, one in enumerate(found):
        alone = explain(photo, Counted(), target=label, grid=8, baseline=baseline, halves=0, partitions=1)
        assert (one.kept == alone.kept).all()
        assert [beside.score for beside in one.baselines] == [beside.score for beside in alone.baselines]
        assert one.outcome == "minimal"


@pytest.mark.parametrize("kind", ["why-not", "necessary"])
def test_further_sets_are_those_that_each_would_have_alone(kind):
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[8:16, 8:16, 0], photo[40:48, 40:48, 1], photo[16:24, 48:56, 2] = 250, 240, 230
    options = {"kind": kind, "grid": 8, "baseline": "black"} | ({"other": 2} if kind == "why-not" else {})
    for label, one in enumerate(explain_together(photo, Counted(), [0, 1], **options)):
        alone = explain(photo, Counted(), target=label, halves=0, partitions=1, **options)
        assert alone.kind.exists
        assert one.kind.exists
        pairs = zip(one.kind.sets, alone.kind.sets, strict=True)
        assert all((found.pixels == other.pixels).all() for found, other in pairs)
        assert [found.outcome for found in one.kind.sets] == [found.outcome for found in alone.kind.sets]


def test_targets_that_do_not_go_together_are_refused(model):
    with pytest.raises(OptionError, match="targets is 'all'"):
        explain_together(PHOTO, model, "all")
    with pytest.raises(OptionError, match="several kinds"):
        explain_together(PHOTO, lambda images: [np.zeros((0, 6))] * len(images), [Box(0), 3])
    with pytest.raises(OptionError, match="sees nothing"):
        explain_together(scene([], size=SIZE), model, "boxes")
    with pytest.raises(OptionError, match="targets says what is explained"):
        explain_together(PHOTO, model, "boxes", target=Box(0))
    with pytest.raises(OptionError, match=r"scores of a classifier are needed|is a detector"):
        explain_together(PHOTO, model, 2)


def test_ctrl_c_returns_the_best_so_far():
    class Interrupting(Counted):
        def __call__(self, images):
            if self.n > 60:
                self.n = -10_000
                raise KeyboardInterrupt
            return super().__call__(images)

    photo = np.zeros((64, 64, 3), np.uint8)
    photo[8:16, 8:16, 0], photo[40:48, 40:48, 1] = 250, 240
    found = explain_together(photo, Interrupting(), 2, grid=8, baseline="black")
    assert all("Interrupted" in " ".join(one.notes) for one in found)
    with pytest.raises(KeyboardInterrupt):
        explain_together(photo, Interrupting(), 2, grid=8, baseline="black", on_interrupt="raise")


def test_a_label_may_have_a_threshold_of_its_own():
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[8:16, 8:16, 0], photo[40:48, 40:48, 1] = 250, 150
    strict = explain(
        photo, Counted(), target=Label(1, threshold=0.5), grid=8, baseline="black", levels="none"
    )
    assert (strict.label, strict.outcome) == (1, "minimal")
    assert strict.kept[40:48, 40:48].all()
    assert strict.kept.sum() == 64
    ranked = explain(photo, Counted(), target=Label(1), grid=8, baseline="black", levels="none")
    assert ranked.provenance["top_k"] == 2
    with pytest.raises(OptionError, match=r"label 1 has a score of 0\.588"):
        explain(photo, Counted(), target=Label(1, threshold=0.7))
    with pytest.raises(OptionError, match="were both given"):
        Label(1, threshold=0.7, top_k=2)
