"""Planted occlusions: known by the pixel, the same from the same seed, written whole."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.errors import ImageError, OptionError
from dccausal.evaluation.plant import SHAPES, occlude, read_picture
from dccausal.evaluation.truth import read_truth

PHOTO = np.random.default_rng(3).integers(1, 255, (120, 90, 3)).astype(np.uint8)


def _picture(size=(40, 30)):
    """A magenta ring on nothing, with soft edges and a wide empty margin."""
    y, x = np.mgrid[: size[1], : size[0]]
    distance = np.hypot(x - size[0] / 2, y - size[1] / 2)
    array = np.zeros((size[1], size[0], 4), np.uint8)
    array[..., :3] = (255, 0, 255)
    array[..., 3] = np.clip(255 * (8 - np.abs(distance - 8)) / 4, 0, 255)
    return Image.fromarray(array)


def _occlude(seed=0, shape="rectangle", share=0.1, **options):
    picture = _picture() if shape == "picture" else None
    options = {"picture": picture, **options}
    return occlude(PHOTO, shape=shape, share=share, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_covered_is_known_by_the_pixel(shape):
    colour = (255, 0, 255) if shape == "picture" else (0, 0, 0)
    for seed in range(20):
        covered, occlusion = _occlude(seed, shape, 0.02 + 0.01 * seed)
        array = np.asarray(covered)
        assert (array[~occlusion.pixels] == PHOTO[~occlusion.pixels]).all()
        assert (array[occlusion.pixels] == colour).all()
        assert occlusion.share == pytest.approx(0.02 + 0.01 * seed, rel=0.1)
        rows, columns = np.flatnonzero(occlusion.pixels.any(1)), np.flatnonzero(occlusion.pixels.any(0))
        covered_box = np.array([rows[0], columns[0], rows[-1], columns[-1]])
        slack = 1 if shape == "ellipse" else 0
        assert (np.abs(covered_box - occlusion.box) <= slack).all()


def test_shapes_are_what_they_are_called():
    for seed in range(10):
        top, left, bottom, right = _occlude(seed, "box")[1].box
        assert bottom - top == right - left
        _, rectangle = _occlude(seed, "rectangle")
        top, left, bottom, right = rectangle.box
        assert rectangle.pixels.sum() == (bottom - top + 1) * (right - left + 1)
    ratios = []
    for seed in range(200):
        top, left, bottom, right = _occlude(seed, "rectangle")[1].box
        ratios.append((bottom - top + 1) / (right - left + 1))
    assert 1 / 3.5 < min(ratios) < 0.5
    assert 2 < max(ratios) < 3.5


def test_places_reach_every_part_of_the_photograph():
    seen = np.zeros(PHOTO.shape[:2], bool)
    for seed in range(300):
        seen |= _occlude(seed, "box", 0.05)[1].pixels
    assert seen.mean() > 0.95
    assert seen[:5].any()
    assert seen[-5:].any()
    assert seen[:, :5].any()
    assert seen[:, -5:].any()


def test_the_seed_decides():
    first, second = _occlude(5), _occlude(5)
    assert (np.asarray(first[0]) == np.asarray(second[0])).all()
    assert any(_occlude(seed)[1].box != first[1].box for seed in range(5))


def test_large_shares_fit_or_are_refused():
    assert _occlude(0, "rectangle", 0.95)[1].share == pytest.approx(0.95, rel=0.03)
    for shape, share in (("ellipse", 0.9), ("box", 0.9), ("picture", 0.8)):
        with pytest.raises(OptionError, match="does not fit into 90 x 120 pixels; a smaller share is needed"):
            _occlude(0, shape, share)


def test_any_colour_may_cover():
    covered, occlusion = _occlude(colour=(1, 2, 3))
    assert (np.asarray(covered)[occlusion.pixels] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shape": "star"}, "shape is 'star'; one of rectangle"),
        ({"share": 0}, "share is 0"),
        ({"share": 1}, "share is 1"),
        ({"share": float("nan")}, "share is nan"),
        ({"shape": "picture", "picture": None}, "no picture was given"),
        ({"picture": _picture()}, "a picture was given"),
        ({"colour": "nocolour"}, "nocolour"),
    ],
)
def test_options_that_make_no_occlusion(options, said):
    with pytest.raises(OptionError, match=said):
        _occlude(**options)


def test_pictures_that_cover_nothing(tmp_path):
    Image.new("RGBA", (5, 5), (9, 9, 9, 100)).save(tmp_path / "clear.png")
    (tmp_path / "none.png").write_bytes(b"none")
    for name, said in (
        ("clear.png", "transparent everywhere"),
        ("none.png", "cannot be read"),
        ("gone.png", "gone"),
    ):
        with pytest.raises(ImageError, match=said):
            read_picture(tmp_path / name)


# The command


@pytest.fixture
def photos(tmp_path, planted, monkeypatch):
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, tmp_path / "model.onnx")
    (tmp_path / "photos").mkdir()
    for i in range(4):
        Image.fromarray(scene.image).save(tmp_path / "photos" / f"p{i}.png")
    _picture().save(tmp_path / "ring.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


_MODEL = ("--model", "model.onnx", "--device", "cpu", "--threads", "1")


def _plant(*arguments, out="set"):
    return main(["plant", "photos", "--out", out, *map(str, arguments)])


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_set_has_its_truth_by_the_pixel(photos, capsys):
    shapes = "rectangle,ellipse,box,picture"
    assert _plant("--shape", shapes, "--picture", "ring.png", "--share", "0.1:0.2", "--seed", 4) == 0
    kind, truths = read_truth(photos / "set" / "occlusions.csv")
    assert (kind, sorted(truths)) == ("occlusion", ["p0.png", "p1.png", "p2.png", "p3.png"])
    assert len({truth.shape for truth in truths.values()}) > 1
    for file, truth in truths.items():
        with (
            Image.open(photos / "photos" / file) as before,
            Image.open(photos / "set" / "images" / file) as after,
        ):
            changed = (np.asarray(before) != np.asarray(after)).any(axis=2)
        inside = truth.pixels(64, 64)
        assert not changed[~inside].any()
        assert changed[inside].all()
        assert (truth.mask is None) == (truth.shape == "rectangle")
        assert truth.label is None
    assert "4 of 4 photographs planted" in capsys.readouterr().out
    assert not list((photos / "set").rglob("*.tmp"))


def test_the_same_options_give_the_same_files_and_photographs_do_not_depend_on_each_other(photos):
    _plant("--seed", 4)
    _plant("--seed", 4, out="again")
    assert _files(photos / "set") == _files(photos / "again")
    (photos / "again" / "images" / ".p1.png.0123456789ab.tmp").write_bytes(
        b"half"
    )  # as a killed process leaves it
    for name in ("plant.json", "occlusions.csv"):
        (photos / "again" / name).unlink()
    assert _plant("--seed", 4, out="again") == 0
    assert _files(photos / "set") == _files(photos / "again")
    _plant("--seed", 5, out="other")
    assert _files(photos / "set")["images/p0.png"] != _files(photos / "other")["images/p0.png"]
    (photos / "photos" / "p0.png").unlink()
    _plant("--seed", 4, out="fewer")
    assert _files(photos / "fewer")["images/p1.png"] == _files(photos / "set")["images/p1.png"]


def test_labels_survive_where_that_is_asked_for(photos, capsys):
    """A quarter is covered: in many places one of the two needed boxes is hit."""
    options = ("--shape", "box", "--share", 0.25, *_MODEL)
    _plant(*options, out="any")
    any_label = {truth.label for truth in read_truth(photos / "any" / "occlusions.csv")[1].values()}
    assert any_label == {1}  # that of the photograph as it was
    assert _plant(*options, "--keep-label", "--tries", 50) == 0
    _, truths = read_truth(photos / "set" / "occlusions.csv")
    assert len(truths) == 4
    planted_here = np.array([truth.pixels(64, 64) for truth in truths.values()])
    arguments = ("evaluate", "set/images", "--truth", "set/occlusions.csv", "--out", "run", *_MODEL)
    capsys.readouterr()
    assert main([*arguments, "--methods", "dc-causal:partitions=4:grid=8", "--no-plots"]) == 0
    rows = [json.loads(line) for line in (photos / "run" / "evaluation.jsonl").read_text().splitlines()]
    assert all(row["is_right"] and row["covered"] == 0 for row in rows)
    assert planted_here.mean() == pytest.approx(0.25, rel=0.1)


def test_photographs_whose_label_never_survives_are_left_out(photos, capsys):
    Image.new("RGB", (64, 64), (0, 99, 0)).save(photos / "photos" / "p0.png")
    assert _plant("--shape", "rectangle", "--share", 0.97, "--keep-label", "--tries", 3, *_MODEL) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "p1.png: the label survived none of 3 occlusions" in said
    record = json.loads((photos / "set" / "plant.json").read_text())
    assert [entry["path"] for entry in record["left_out"]] == [
        "photos/p1.png",
        "photos/p2.png",
        "photos/p3.png",
    ]
    assert record["classifier"]["model"] == "model.onnx"
    assert record["options"]["tries"] == 3


def test_a_bad_photograph_is_told_and_left_out(photos, capsys):
    (photos / "photos" / "p1.png").write_bytes(b"no image")
    assert _plant() == 2
    assert "p1.png is not an image" in " ".join(capsys.readouterr().err.split())
    with (photos / "set" / "occlusions.csv").open(newline="") as stream:
        assert [line["file"] for line in csv.DictReader(stream)] == ["p0.png", "p2.png", "p3.png"]


def test_a_set_is_not_overwritten_and_one_cut_off_is_made_anew(photos, capsys):
    assert _plant() == 0
    whole = _files(photos / "set")
    assert _plant() == 2
    assert "set holds a set already (occlusions.csv)" in " ".join(capsys.readouterr().err.split())
    (photos / "set" / "occlusions.csv").unlink()
    (photos / "set" / "images" / "p3.png").unlink()
    assert _plant() == 0
    assert _files(photos / "set") == whole


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shape", "star"), "--shape has 'star'"),
        (("--shape", "picture"), "they are needed together"),
        (("--picture", "ring.png"), "they are needed together"),
        (("--shape", "picture", "--picture", "gone.png"), "gone.png cannot be read"),
        (("--share", "0"), "--share is '0'"),
        (("--share", "0.3:0.2"), "--share is '0.3:0.2'"),
        (("--share", "much"), "--share is 'much'"),
        (("--share", "0.2:"), "--share is '0.2:'"),
        (("--colour", "nocolour"), "nocolour"),
        (("--tries", "0"), "--tries is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--model", "gone.onnx"), "gone.onnx"),
        (("--share", "0.9", "--shape", "ellipse"), "none of 4 photographs could be used"),
    ],
)
def test_bad_input_is_refused(photos, capsys, arguments, said):
    assert _plant(*arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (photos / "set").exists()


def test_a_folder_without_photographs_is_refused(photos, capsys):
    (photos / "empty").mkdir()
    assert main(["plant", "empty", "--out", "set"]) == 2
    assert "empty holds no photographs" in " ".join(capsys.readouterr().err.split())
