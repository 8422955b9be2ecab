"""Plain backgrounds that explanations were not asked beside."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dccausal.errors import OptionError
from dccausal.evaluation.extract import Scene
from dccausal.evaluation.neutral import NeutralBackgrounds
from dccausal.evaluation.specs import read_backgrounds
from dccausal.inputs.baseline import make_baselines
from small_models import build, images, on_cpu


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier, the paths of five photographs, and what it sees of the first."""
    folder = tmp_path_factory.mktemp("photographs")
    classifier = on_cpu(build(), preprocess="unit")
    paths = []
    for i, photo in enumerate(images(5, seed=1)):
        paths.append(str(folder / f"{i}.png"))
        Image.fromarray(photo).save(paths[-1])
    (folder / "9.png").write_bytes(b"no image")
    return classifier, [*paths, str(folder / "9.png")], images(5, seed=1)[0]


def drawn(made, baseline, label=99, *, index=0, seed=0):
    classifier, paths, image = made
    scene = Scene.of(classifier, image, make_baselines(baseline, image), multi_label=False)
    return NeutralBackgrounds(paths, classifier, seed).of(index, paths[0], scene, label)


def test_twelve_are_drawn_by_seed_and_place_and_those_asked_are_left_out(made):
    image = made[2]
    every = drawn(made, (7, 200, 90))
    assert (every.shape, every.dtype) == ((12, *image.shape), np.uint8)
    np.testing.assert_array_equal(every, drawn(made, (7, 200, 90)))
    assert not np.array_equal(every, drawn(made, (7, 200, 90), index=1))
    assert not np.array_equal(every, drawn(made, (7, 200, 90), seed=1))
    left = drawn(made, ["grey", "#010101", "blur"])
    assert len(left) == 9
    assert not any((one == one[0, 0]).all() and one[0, 0].max() < 8 for one in left)
    kept = [one for one in every if any(np.array_equal(one, other) for other in left)]
    np.testing.assert_array_equal(kept, left)


def test_those_that_give_the_label_by_themselves_are_left_out(made):
    classifier, every = made[0], drawn(made, (7, 200, 90))
    labels = classifier(every).argmax(axis=1)
    for label in set(labels.tolist()):
        left = drawn(made, (7, 200, 90), label)
        if (labels == label).all():
            assert left is None
        else:
            np.testing.assert_array_equal(left, every[labels != label])


@pytest.mark.parametrize(
    ("given", "read"),
    [(0, (0, False)), (8, (8, False)), ("8", (8, False)), ("neutral", (0, True)), ("8, neutral", (8, True))],
)
def test_how_many_of_which(given, read):
    assert read_backgrounds(given) == read


@pytest.mark.parametrize("given", ["plain", "", "-1", "1.5", "8;neutral"])
def test_what_cannot_be_read_is_refused(given):
    with pytest.raises(OptionError, match="a number of photographs, neutral, or both"):
        read_backgrounds(given)
