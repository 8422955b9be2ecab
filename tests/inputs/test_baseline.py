"""What masked pixels are replaced by."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dccausal.errors import ImageError, OptionError
from dccausal.inputs.baseline import (
    make_baseline,
    make_baselines,
    name_of,
    read_baseline,
    read_baselines,
    split_baselines,
)

_X = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("given", "colour"),
    [
        ("grey", (128, 128, 128)),
        ("GREY", (128, 128, 128)),
        ("black", (0, 0, 0)),
        ("white", (255, 255, 255)),
        ("#0a0B0c", (10, 11, 12)),
        ("#fff", (255, 255, 255)),
        ((1, 2, 255), (1, 2, 255)),
        ([1, 2, 255], (1, 2, 255)),
        (np.array([1, 2, 255]), (1, 2, 255)),
    ],
)
def test_colours(given, colour):
    baseline = make_baseline(given, _X)
    assert (baseline.shape, baseline.dtype) == (_X.shape, np.uint8)
    assert baseline.flags.c_contiguous
    assert (baseline == colour).all()


def test_blur_leaves_the_average_and_no_texture():
    baseline = make_baseline("blur", _X)
    assert (baseline.shape, baseline.dtype) == (_X.shape, np.uint8)
    assert abs(baseline.mean() - _X.mean()) < 3
    assert baseline.std() < _X.std() / 3


def test_blur_grows_with_the_image():
    edge = np.zeros((100, 100, 3), np.uint8)
    edge[:, 50:] = 255

    def n_between(image):
        return np.count_nonzero((image[0, :, 0] > 10) & (image[0, :, 0] < 245))

    small = n_between(make_baseline("blur", edge))
    large = n_between(make_baseline("blur", edge.repeat(4, axis=0).repeat(4, axis=1)))
    assert large == pytest.approx(4 * small, rel=0.15)


def test_an_image_of_the_same_size_is_taken_as_it_is():
    other = _X[::-1].copy()
    for given in (other, Image.fromarray(other)):
        baseline = make_baseline(given, _X)
        np.testing.assert_array_equal(baseline, other)
        assert not np.shares_memory(baseline, other)


def test_an_image_of_another_size_is_resized(tmp_path):
    path = tmp_path / "other.png"
    Image.new("RGB", (7, 90), (9, 8, 7)).save(path)
    for given in (path, str(path), Image.open(path)):
        baseline = make_baseline(given, _X)
        assert baseline.shape == _X.shape
        assert (baseline == (9, 8, 7)).all()


def test_a_name_goes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "white", format="png")
    assert (make_baseline("white", _X) == 255).all()
    assert (make_baseline(tmp_path / "white", _X) == (9, 8, 7)).all()


@pytest.mark.parametrize("given", ["greyish", "#12345", "rgb(1, 2, 3)", "hsl(0, 0%, 50%)", "nowhere.png", ""])
def test_unknown_names(given):
    with pytest.raises(OptionError, match=f"baseline is {given!r}".replace("(", r"\(").replace(")", r"\)")):
        make_baseline(given, _X)


@pytest.mark.parametrize(
    "given", [(0, 0), (0, 0, 256), (-1, 0, 0), (0.5, 0.5, 0.5), (True, 0, 0), np.zeros(4, int)]
)
def test_colours_out_of_range(given):
    with pytest.raises(OptionError, match=r"baseline is .*; 3 whole numbers from 0 to 255 are needed"):
        make_baseline(given, _X)


@pytest.mark.parametrize("given", [None, 128, 0.5, True])
def test_other_things(given):
    with pytest.raises(OptionError, match=f"baseline is {given}; a colour name"):
        make_baseline(given, _X)


def test_a_damaged_image(tmp_path):
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(ImageError, match=r"text\.png is not an image"):
        make_baseline(tmp_path / "text.png", _X)
    with pytest.raises(ImageError, match=r"must be \(H, W, 3\) uint8"):
        make_baseline(np.zeros((4, 4, 3)), _X)


@pytest.mark.parametrize(
    ("given", "n"),
    [
        ("grey", 1),
        ((1, 2, 3), 1),
        ([1, 2, 3], 1),
        (_X, 1),
        (["grey"], 1),
        (["grey", _X, (1, 2, 3)], 3),
        ([], 1),
    ],
)
def test_a_list_of_anything_but_numbers_are_several(given, n):
    assert len(split_baselines(given)) == n


def test_several_are_made_each_by_itself():
    made = make_baselines(["white", "blur", [1, 2, 3], _X], _X)
    assert (made.shape, made.dtype) == ((4, *_X.shape), np.uint8)
    for one, given in zip(made, ["white", "blur", (1, 2, 3), _X], strict=True):
        np.testing.assert_array_equal(one, make_baseline(given, _X))


def test_names_are_what_was_given(tmp_path):
    named = ["Grey", "blur", (1, 2, 255), np.array([1, 2, 255]), tmp_path / "a.png", _X]
    assert [name_of(one) for one in named] == [
        *("Grey", "blur", "#0102ff", "#0102ff", str(tmp_path / "a.png"), "image"),
    ]


def test_a_baseline_of_three_numbers_is_a_colour():
    assert read_baseline("124, 116,104") == (124, 116, 104)
    assert read_baseline("blur") == "blur"
    assert read_baseline("1,2") == "1,2"
    assert read_baseline("a,b,c") == "a,b,c"


def test_several_baselines_have_commas_between(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.png").touch()
    assert read_baselines("grey") == "grey"
    assert read_baselines("124, 116,104") == (124, 116, 104)
    assert read_baselines("grey, black,blur") == ["grey", "black", "blur"]
    assert read_baselines("grey,124,116,104,#fff,1,2,3") == ["grey", (124, 116, 104), "#fff", (1, 2, 3)]
    assert read_baselines("1,2,3,4") == [(1, 2, 3), "4"]
    assert read_baselines("a,b.png") == "a,b.png"
