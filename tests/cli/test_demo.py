from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from dccausal.assets.photo import demo_occluded, demo_photo
from dccausal.onnx.classifier import OnnxClassifier

PANDA = 388


@pytest.fixture(scope="module")
def classifier(default_model_path):
    return OnnxClassifier(default_model_path)


def score(classifier, photo):
    x, placement = classifier.prepare(photo)
    (scores,) = classifier(x[None])
    assert scores.argmax() == PANDA
    return scores[PANDA], placement


def test_the_photograph_is_small_and_can_be_used_again():
    photo = demo_photo()
    assert (photo.mode, photo.size) == ("RGB", (600, 399))
    photo.paste((0, 0, 0), (0, 0, 600, 399))
    assert np.array(demo_photo()).max() > 200
    assert len(resources.files("dccausal").joinpath("assets/panda.jpg").read_bytes()) < 60_000


def test_the_default_model_knows_the_animal(classifier):
    certainty, _ = score(classifier, demo_photo())
    assert certainty > 0.9
    assert classifier.names[PANDA].startswith("giant panda")


def test_the_occlusion_hides_a_part_and_the_label_stays(classifier):
    photo, (left, top, right, bottom) = demo_occluded()
    changed = (np.array(photo) != np.array(demo_photo())).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)
    assert not np.array(photo)[top:bottom, left:right].any()
    certainty, placement = score(classifier, photo)
    assert certainty > 0.9
    seen_left, seen_top, seen_right, seen_bottom = placement.box
    assert seen_left < left < right < seen_right
    assert seen_top < top < bottom < seen_bottom
    share = (right - left) * (bottom - top) / ((seen_right - seen_left) * (seen_bottom - seen_top))
    assert 0.1 < share < 0.25


def test_every_file_of_data_is_accounted_for():
    folder = resources.files("dccausal").joinpath("assets")
    told = folder.joinpath("LICENSES.md").read_text(encoding="utf-8")
    names = {entry.name for entry in folder.iterdir() if Path(entry.name).suffix in {".jpg", ".txt"}}
    assert names == {"imagenet1k.txt", "panda.jpg"}
    assert all(f"`{name}`" in told for name in names)
    assert "Aaron Logan" in told
