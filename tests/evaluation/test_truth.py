"""What is known of the photographs: masks, boxes, ellipses, as the model sees them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from dccausal.errors import InputError
from dccausal.evaluation.truth import Truth, ellipse, read_truth, seen_pixels
from dccausal.inputs.placement import Placement


def test_an_ellipse_goes_through_the_centres_of_the_outermost_pixels():
    inside = ellipse((1, 0, 5, 4), 6, 8)
    assert inside.shape == (8, 6)
    assert inside.sum() == 13  # the lattice points of a disc of radius 2
    assert inside[1].tolist() == [False, False, True, False, False, False]
    assert ellipse((3, 2, 3, 2), 6, 8).sum() == 1


def test_the_shares_in_the_shared_truth_are_those_of_its_shapes(shared):
    path = shared / "data" / "photobombing" / "occlusions.csv"
    kind, truths = read_truth(path)
    with path.open(newline="") as stream:
        shares = {line["file"]: float(line["share"]) for line in csv.DictReader(stream)}
    assert (kind, len(truths)) == ("occlusion", 200)
    for file, truth in truths.items():
        assert truth.pixels(224, 224).mean() == pytest.approx(shares[file], abs=6e-5)


def test_the_shapes_are_black_where_the_truth_says(shared):
    """But for the last row and column of rectangles, which their box names and which are not covered."""
    folder = shared / "data" / "photobombing"
    for truth in list(read_truth(folder / "occlusions.csv")[1].values())[:30]:
        with Image.open(folder / "images" / truth.file) as image:
            dark = np.asarray(image.convert("L")) < 48
        inside = truth.pixels(224, 224)
        if truth.shape == "rectangle":
            inside &= np.roll(inside, -1, axis=0) & np.roll(inside, -1, axis=1)
        assert dark[inside].mean() > 0.97, truth


def _truth_file(tmp_path, *lines):
    path = tmp_path / "truth.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_mask_goes_before_the_box(tmp_path):
    pixels = np.zeros((6, 5), np.uint8)
    pixels[2, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "m.png")
    path = _truth_file(
        tmp_path,
        "file,label,shape,top,left,bottom,right,mask",
        "a.png,3,picture,0,0,5,4,m.png",
        "b.png,,,0,0,1,1,",
    )
    kind, truths = read_truth(path)
    assert (kind, truths["a.png"].label, truths["b.png"].label) == ("occlusion", 3, None)
    assert np.argwhere(truths["a.png"].pixels(5, 6)).tolist() == [[2, 3]]
    assert truths["b.png"].pixels(5, 6).sum() == 4
    assert read_truth(path, "object")[0] == "object"
    with pytest.raises(InputError, match=r"5 x 6 pixels; the photograph's 9 x 9"):
        truths["a.png"].pixels(9, 9)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["file,top,left,bottom"], "columns file, top, left, bottom, right are needed"),
        (["file,top,left,bottom,right"], "0 lines"),
        (["file,top,left,bottom,right", "a,0,0,1,x"], "line 2: .*whole numbers"),
        (["file,top,left,bottom,right", "a,0,0,1"], "line 2: .*whole numbers"),
        (["file,top,left,bottom,right", ",0,0,1,1"], "line 2 names no file"),
        (["file,top,left,bottom,right", "a,0,0,1,1", "a,0,0,1,1"], "line 3: a comes twice"),
        (["file,shape,top,left,bottom,right", "a,star,0,0,1,1"], "shape is 'star'"),
        (["file,label,top,left,bottom,right", "a,cat,0,0,1,1"], "line 2: .*label's index"),
    ],
)
def test_truth_that_cannot_be_read(tmp_path, lines, said):
    with pytest.raises(InputError, match=said):
        read_truth(_truth_file(tmp_path, *lines))


def test_a_box_outside_the_photograph_is_refused():
    for box in ((0, 0, 8, 3), (0, 0, 3, 6), (-1, 0, 3, 3), (3, 0, 2, 3)):
        with pytest.raises(InputError, match="one within 8 rows and 6 columns"):
            Truth("a", 0, "", "rectangle", box).pixels(6, 8)


def test_truth_as_the_model_sees_it():
    truth = np.zeros((8, 8), dtype=bool)
    truth[2:4, 4:6] = True
    whole = Placement(photo_size=(8, 8), box=(0.0, 0.0, 8.0, 8.0))
    np.testing.assert_array_equal(seen_pixels(truth, whole, (8, 8)), truth)
    assert np.argwhere(seen_pixels(truth, whole, (4, 4))).tolist() == [[1, 2]]
    crop = Placement(photo_size=(8, 8), box=(4.0, 0.0, 8.0, 4.0))
    assert np.argwhere(seen_pixels(truth, crop, (2, 2))).tolist() == [[1, 0]]
    padded = Placement(photo_size=(8, 8), box=(-8.0, -8.0, 16.0, 16.0))
    assert np.argwhere(seen_pixels(np.ones_like(truth), padded, (3, 3))).tolist() == [[1, 1]]
