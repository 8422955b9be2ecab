"""Every kind of explanation, of every kind of target."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dccausal import OptionError, explain
from dccausal.targets import Box, Custom, Label, Region, Similarity
from dccausal.targets.boxes import from_centres
from planted_detector import answers, box_of, scene

SQUARES = [(0, 0, 12), (2, 60, 48)]
PHOTO = scene(SQUARES)
PROMPTS = np.eye(4, dtype=np.float32)[:3]
NAMES = ["red", "green", "blue"]


def detect(images):
    """The planted detector's boxes of blue."""
    boxes, scores = answers(images)
    corners, labels = from_centres(boxes), np.full((len(boxes), 1), 2)
    return [np.concatenate([corners, own[:, 2:], labels], axis=1) for own in scores]


def segment(images):
    """Say of each 4 x 4 pixels whether they are grey or blue."""
    n, height, width, _ = images.shape
    cells = images.reshape(n, height // 4, 4, width // 4, 4, 3).mean(axis=(2, 4)) / 255
    blue = 1 / (1 + np.exp(-20 * (cells[..., 2] - cells.mean(axis=3) - 0.2)))
    return np.stack([1 - blue, blue], axis=1).astype(np.float32)


def embed(images):
    """How much of each colour there is beyond the others, and a constant: (n, 4)."""
    means = images.reshape(len(images), -1, 3).mean(axis=1) / 255
    excess = means - means.mean(axis=1, keepdims=True)
    return np.concatenate([excess, np.full((len(images), 1), 0.01)], axis=1).astype(np.float32)


class Named:
    """A classifier of the prompts' names."""

    names = ("red", "green", "blue")

    def __call__(self, images):
        """Return the cosines with the prompts, as scores."""
        return Similarity(PROMPTS, scale=8).read(embed(images), len(images))


TARGETS = {
    "box": (detect, Box(box_of(SQUARES[1]))),
    "region": (segment, Region(1)),
    "like": (embed, Similarity([scene([(2, 24, 24)], seed=1)])),
    "prompts": (embed, Similarity(PROMPTS, "blue", NAMES, scale=8)),
    "custom": (
        embed,
        Custom(score=lambda answer: answer[:, 2] * 10, passes=lambda answer: answer[:, 2] > 0.03),
    ),
}


def blue():
    mask = np.zeros((96, 96), bool)
    mask[48:84, 60:96] = True
    return mask


@pytest.mark.parametrize("kind", ["several", "necessary", "contrastive"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_kind_of_a_target_lies_on_what_makes_it(target, kind):
    model, subject = TARGETS[target]
    found = explain(PHOTO, model, target=subject, kind=kind).kind
    first = found.sets[0]
    assert first.outcome == "minimal"
    assert (first.pixels & blue()).sum() > 0.8 * first.pixels.sum()


@pytest.mark.parametrize("target", TARGETS)
def test_a_complete_set_has_the_score_of_any_target(target):
    model, subject = TARGETS[target]
    found = explain(PHOTO, model, target=subject, kind="complete")
    first = found.kind.sets[0]
    assert (first.pixels & blue()).sum() > 0.9 * blue().sum()
    assert first.score_alone == pytest.approx(found.score, rel=0.05)


@pytest.mark.parametrize("target", [Similarity(PROMPTS, "blue", NAMES, scale=8), Label("blue")])
def test_why_not_another_prompt(target):
    model = embed if isinstance(target, Similarity) else Named()
    photo = scene([*SQUARES, (2, 0, 60)])
    found = explain(photo, model, target=target, kind="why-not", other="red").kind
    first = found.sets[0]
    assert (found.other_name, first.label_without) == ("red", 0)
    assert photo[first.pixels].astype(int)[:, 2].mean() > 200


def test_why_not_is_for_labels_and_several_references():
    for target in ("box", "region", "like", "custom"):
        model, subject = TARGETS[target]
        with pytest.raises(OptionError, match="kind is why-not, but the target is no label"):
            explain(PHOTO, model, target=subject, kind="why-not", other=0)


@pytest.mark.parametrize("target", ["box", "region", "like"])
def test_the_picture_of_a_kind_frames_what_is_explained(target, tmp_path):
    model, subject = TARGETS[target]
    found = explain(PHOTO, model, target=subject, kind="necessary")
    found.save(tmp_path, caption=False)
    framed = [(np.asarray(one) == (96, 214, 255)).all(axis=2).any()
              for one in (found.kind_picture(caption=False), Image.open(tmp_path / "kind.png"))]  # fmt: skip
    assert framed == [target != "like"] * 2
    two = replace(found, kind=replace(found.kind, sets=found.kind.sets * 2))
    assert (np.asarray(two.kind_picture(caption=False)) == (96, 214, 255)).all(axis=2).any() == (
        target == "box"
    )
