"""From a photograph to the image a model sees, and from there to a tensor."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dccausal.errors import OptionError
from dccausal.inputs.preprocess import PRESETS, Placement, Preprocess

_RNG = np.random.default_rng(7)


def _photo(width, height):
    return Image.fromarray(_RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_squash_sees_the_whole_photograph():
    photo = _photo(40, 30)
    x, placement = Preprocess().prepare(photo, (12, 16))
    assert (x.shape, x.dtype) == ((12, 16, 3), np.uint8)
    assert placement == Placement(photo_size=(40, 30), box=(0, 0, 40, 30))
    np.testing.assert_array_equal(x, np.asarray(photo.resize((16, 12), Image.Resampling.BILINEAR)))


def test_a_photograph_of_the_models_size_is_left_alone():
    photo = _photo(24, 24)
    x, placement = Preprocess().prepare(photo, (24, 24))
    np.testing.assert_array_equal(x, np.asarray(photo))
    np.testing.assert_array_equal(placement.to_photo(x, smooth=True, fill=0), x)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (256, 256), (1001, 333), (30, 500)])
def test_crop_is_torchvisions(width, height):
    photo = _photo(width, height)
    x, placement = Preprocess(geometry="crop").prepare(photo, (224, 224))
    # Resize(256) then CenterCrop(224), by the whole photograph
    short = 256
    ratio = height / width
    whole = (short, int(short * ratio)) if width <= height else (int(short / ratio), short)
    left, top = round((whole[0] - 224) / 2), round((whole[1] - 224) / 2)
    resized = photo.resize(whole, Image.Resampling.BILINEAR)
    expected = np.asarray(resized.crop((left, top, left + 224, top + 224)))
    assert np.abs(x.astype(int) - expected).max() <= 1
    left, top, right, bottom = placement.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 41), (16, 16), (9, 60)])
def test_native_cuts_without_resizing(width, height):
    photo = _photo(width, height)
    x, placement = Preprocess(geometry="native", rounding="transformers").prepare(photo, (16, 16))
    canvas = Image.new("RGB", (16, 16))
    left, top = (16 - width) // 2 if width < 16 else -((width - 16) // 2), -((height - 16) // 2)
    canvas.paste(photo, (left, top))
    np.testing.assert_array_equal(x, np.asarray(canvas))
    assert placement.box == (-left, -top, 16 - left, 16 - top)


def test_what_is_resized_to_less_is_padded():
    photo = _photo(60, 30)
    settings = Preprocess(geometry="crop", resize=(8, 8), pad_colour=(1, 2, 3))
    x, placement = settings.prepare(photo, (12, 12))
    assert (x[:2] == (1, 2, 3)).all()
    assert (x[10:] == (1, 2, 3)).all()
    inside = photo.resize((16, 8), Image.Resampling.BILINEAR).crop((2, 0, 14, 8))
    assert np.abs(x[2:10].astype(int) - np.asarray(inside)).max() <= 1
    assert placement.box == (7.5, -7.5, 52.5, 37.5)


def test_cut_first_sees_nothing_beyond_the_cut():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[5:35, 5:35] = 255
    x, placement = Preprocess(geometry="crop-first", crop_ratio=0.75).prepare(Image.fromarray(pixels), (8, 8))
    assert (x == 255).all()
    assert placement.box == (5, 5, 35, 35)
    beside = Preprocess(geometry="crop", crop_ratio=0.75).prepare(Image.fromarray(pixels), (9, 9))[0]
    assert (beside < 255).any(), "there the filter looks over the edge"


@pytest.mark.parametrize("filter_name", ["nearest", "box", "opencv"])
@pytest.mark.parametrize("geometry", ["crop", "squash-crop", "pad-crop"])
def test_filters_with_steps_are_cut_after_they_are_resized(filter_name, geometry):
    photo = _photo(61, 47)
    how = Preprocess(geometry=geometry, interpolation=filter_name, crop_ratio=0.7)
    x, _ = how.prepare(photo, (20, 20))
    whole, placement = replace(how, resize=(28, 28)).prepare(photo, (28, 28))
    assert placement.box[2] - placement.box[0] >= 46
    np.testing.assert_array_equal(x, whole[4:24, 4:24])


def test_crop_of_a_long_and_thin_photograph_needs_no_huge_picture():
    x, placement = Preprocess(geometry="crop").prepare(_photo(20000, 10), (224, 224))
    assert x.shape == (224, 224, 3)
    assert placement.box[2] - placement.box[0] == pytest.approx(8.75, abs=0.1)


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (33, 32), (20000, 10)])
def test_pad_keeps_the_proportions(width, height):
    photo = Image.new("RGB", (width, height), (200, 100, 50))
    x, placement = Preprocess(geometry="pad", pad_colour=(1, 2, 3)).prepare(photo, (16, 16))
    inside = (x == (200, 100, 50)).all(axis=2)
    border = (x == (1, 2, 3)).all(axis=2)
    assert (inside ^ border).all()
    wide, tall = inside.any(axis=0).sum(), inside.any(axis=1).sum()
    assert max(wide, tall) == 16
    assert min(wide, tall) == max(1, round(16 * min(width, height) / max(width, height)))
    left, top, right, bottom = placement.box
    assert left <= 0
    assert top <= 0
    assert right >= width
    assert bottom >= height
    back = placement.to_photo(inside, smooth=False, fill=False)
    assert back.all(), "every pixel of the photograph lies in the model's image"


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (33, 32), (32, 32), (20000, 10)])
def test_pad_corner_begins_in_the_corner(width, height):
    photo = Image.new("RGB", (width, height), (200, 100, 50))
    x, placement = Preprocess(geometry="pad-corner", pad_colour=(1, 2, 3)).prepare(photo, (16, 16))
    grow = min(16 / height, 16 / width)
    wide, tall = max(1, int(width * grow)), max(1, int(height * grow))
    assert (x[:tall, :wide] == (200, 100, 50)).all()
    assert (x == (1, 2, 3)).all(axis=2).sum() == 256 - wide * tall
    assert placement.box[:2] == (0, 0)


def test_a_size_is_needed():
    with pytest.raises(OptionError, match=r"size is None; \(height, width\) is needed"):
        Preprocess().prepare(_photo(4, 4))
    assert Preprocess(size=(3, 5)).prepare(_photo(4, 4))[0].shape == (3, 5, 3)


def test_kept_pixels_stay_where_they_are_in_the_photograph():
    kept = np.zeros((8, 8), bool)
    kept[2:4, 6:8] = True
    on_photo = Placement((80, 40), (0, 0, 80, 40)).to_photo(kept, smooth=False, fill=False)
    expected = np.zeros((40, 80), bool)
    expected[10:20, 60:80] = True
    np.testing.assert_array_equal(on_photo, expected)
    cropped = Placement((80, 40), (20, 0, 60, 40)).to_photo(kept, smooth=True, fill=False)
    expected = np.zeros((40, 80), bool)
    expected[10:20, 50:60] = True
    np.testing.assert_array_equal(cropped, expected)


def test_outside_of_the_crop_is_filled():
    image = np.full((4, 4, 3), 9, np.uint8)
    on_photo = Placement((10, 6), (3, 1, 7, 5)).to_photo(image, smooth=True, fill=200)
    assert (on_photo[1:5, 3:7] == 9).all()
    on_photo[1:5, 3:7] = 200
    assert (on_photo == 200).all()


def test_a_heatmap_is_interpolated_between_centres():
    heatmap = np.array([[0.0, 1.0]], np.float32)
    on_photo = Placement((8, 1), (0, 0, 8, 1)).to_photo(heatmap, smooth=True, fill=0)
    np.testing.assert_allclose(on_photo, [[0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]])
    assert on_photo.dtype == np.float32


def test_colours_are_rounded_when_interpolated():
    image = np.array([[[0], [10]]], np.uint8)
    on_photo = Placement((8, 1), (0, 0, 8, 1)).to_photo(image, smooth=True, fill=0)
    assert on_photo[0, :, 0].tolist() == [0, 0, 1, 4, 6, 9, 10, 10]


def test_a_large_photograph_is_filled_in_every_row():
    rows = np.linspace(0, 1, 7, dtype=np.float32)[:, None].repeat(3, axis=1)
    on_photo = Placement((5, 1000), (0, 0, 5, 1000)).to_photo(rows, smooth=True, fill=-1)
    assert (np.diff(on_photo[:, 0]) >= 0).all()
    assert (on_photo.min(), on_photo.max()) == (0, 1)


@given(
    st.tuples(st.integers(2, 60), st.integers(2, 60)),
    st.tuples(st.integers(2, 24), st.integers(2, 24)),
    st.sampled_from(
        ["squash", "crop", "squash-crop", "pad", "pad-corner", "pad-crop", "native", "crop-first"]
    ),
    st.none() | st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.sampled_from(["bilinear", "nearest", "opencv"]),
)
@settings(max_examples=120, deadline=None)
def test_every_photograph_can_be_prepared_and_laid_back(photo_size, size, geometry, resize, filter_name):
    photo = Image.new("RGB", photo_size, (10, 20, 30))
    how = Preprocess(geometry=geometry, pad_colour=(10, 20, 30), resize=resize, interpolation=filter_name)
    x, placement = how.prepare(photo, size)
    assert (x == (10, 20, 30)).all()
    back = placement.to_photo(x, smooth=True, fill=(10, 20, 30))
    np.testing.assert_array_equal(back, np.asarray(photo))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_encode_is_the_formula(layout, dtype, order):
    images = _RNG.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    tensor = Preprocess(mean=mean, std=std, channel_order=order).encode(images, layout, dtype)
    pixels = images[..., ::-1] if order == "BGR" else images
    expected = (pixels / 255 - np.array(mean)) / np.array(std)
    expected = expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected
    assert tensor.dtype == dtype
    assert tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor, expected, atol=1e-2 if dtype == np.float16 else 1e-5)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3])
def test_uint8_is_the_pixels(layout, channels):
    images = _RNG.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    tensor = Preprocess.preset("raw").encode(images, layout, np.uint8, channels)
    assert tensor.dtype == np.uint8
    assert tensor.flags.c_contiguous
    assert not np.shares_memory(tensor, images)
    expected = images
    if channels == 1:
        expected = np.stack([np.asarray(Image.fromarray(i).convert("L")) for i in images])[..., None]
    expected = expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected
    np.testing.assert_array_equal(tensor, expected)


def test_one_channel_takes_the_average_mean():
    images = np.full((1, 2, 2, 3), 255, np.uint8)
    tensor = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 2.0)).encode(images, "NCHW", np.float32, 1)
    np.testing.assert_allclose(tensor, np.full((1, 1, 2, 2), 0.8), rtol=1e-6)


@pytest.mark.parametrize("name", ["imagenet", "tf", "unit"])
def test_uint8_models_take_only_raw_pixels(name):
    with pytest.raises(OptionError, match=r"model that takes uint8; the pixels themselves are needed"):
        Preprocess.preset(name).encode(np.zeros((1, 2, 2, 3), np.uint8), "NCHW", np.uint8)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(PRESETS)), st.sampled_from(["NCHW", "NHWC"]))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize(("dtype", "channels"), [(np.float32, 3), (np.float16, 3), (np.float32, 1)])
def test_masking_commutes_with_encoding(dtype, channels, seed, preset, layout):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 40, 2)
    x, baseline = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    masked = rng.random((height, width)) < 0.5

    def encode(image):
        return Preprocess.preset(preset).encode(image[None], layout, dtype, channels)

    in_pixels = encode(np.where(masked[..., None], baseline, x))
    in_tensor = np.where(masked if layout == "NCHW" else masked[..., None], encode(baseline), encode(x))
    assert in_pixels.tobytes() == in_tensor.tobytes()


def test_the_presets_span_what_they_say():
    ends = np.array([[[[0, 0, 0], [255, 255, 255]]]], np.uint8)
    for name, low, high in (("tf", -1, 1), ("unit", 0, 1), ("raw", 0, 255)):
        tensor = Preprocess.preset(name).encode(ends, "NHWC", np.float32)
        np.testing.assert_allclose(tensor[0, 0], [[low] * 3, [high] * 3], atol=1e-6)
    np.testing.assert_allclose(
        Preprocess.preset("imagenet").encode(ends, "NHWC", np.float32)[0, 0, 1],
        (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225],
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_settings_survive_json(name, tmp_path):
    given_settings = Preprocess.preset(name).with_size((5, 6))
    text = json.dumps(given_settings.to_dict())
    assert Preprocess.from_dict(json.loads(text)) == given_settings
    (tmp_path / "settings.json").write_text(text)
    assert Preprocess.of(tmp_path / "settings.json") == given_settings
    assert Preprocess.of(given_settings.to_dict()) == given_settings
    assert Preprocess.of(given_settings) is given_settings
    assert Preprocess.of(name) is PRESETS[name]


def test_one_number_stands_for_three_channels():
    assert Preprocess.from_dict({"mean": 0.5, "std": [0.25]}) == Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"geometry": "stretch"},
            "geometry is 'stretch'; one of squash, crop, squash-crop, pad, pad-corner, pad-crop, native, crop-first is",
        ),
        ({"interpolation": "cubic"}, "interpolation is 'cubic'; one of nearest, "),
        ({"channel_order": "GBR"}, "channel_order is 'GBR'; one of RGB, BGR is needed"),
        ({"layout": "CHW"}, "layout is 'CHW'; one of NCHW, NHWC is needed"),
        ({"channel_order": None}, "channel_order is None; one of RGB, BGR is needed"),
        ({"size": 224}, "size is 224; 2 whole numbers from 2 to 16384 are needed"),
        ({"size": (1, 224)}, r"size is \(1, 224\); 2 whole numbers from 2 to 16384"),
        ({"size": (224.0, 224.0)}, r"size is \(224\.0, 224\.0\); 2 whole numbers"),
        ({"crop_ratio": 0}, "crop_ratio is 0.0; more than 0 and at most 1 is needed"),
        ({"crop_ratio": 1.1}, "crop_ratio is 1.1; more than 0 and at most 1 is needed"),
        ({"crop_ratio": "0.5"}, "crop_ratio is '0.5'; a finite number is needed"),
        ({"pad_colour": (0, 0, 256)}, r"pad_colour is \(0, 0, 256\); 3 whole numbers from 0 to 255"),
        ({"pad_colour": "black"}, "pad_colour is 'black'; 3 whole numbers"),
        ({"scale": 0}, "scale is 0.0; more than 0 is needed"),
        ({"scale": float("nan")}, "scale is nan; a finite number is needed"),
        ({"scale": True}, "scale is True; a finite number is needed"),
        ({"mean": (1, 2)}, r"mean is \(1, 2\); one number or three are needed"),
        ({"mean": ("a", "b", "c")}, "mean is 'a'; a finite number is needed"),
        ({"std": (1, 0, 1)}, r"std is \(1\.0, 0\.0, 1\.0\); more than 0 is needed"),
        ({"std": float("inf")}, "std is inf; a finite number is needed"),
        ({"resize": 224}, "resize is 224; 2 whole numbers from 1 to 16384 are needed"),
        ({"means": 1}, "unknown key means; only size, geometry"),
    ],
)
def test_wrong_settings_are_refused(values, text):
    with pytest.raises(OptionError, match="preprocess: " + text):
        Preprocess.from_dict(values)


def test_what_is_no_settings_is_refused(tmp_path):
    with pytest.raises(
        OptionError,
        match="'resnet' is no preset; one of imagenet, torchvision, tf, unit, raw, caffe is needed",
    ):
        Preprocess.preset("resnet")
    with pytest.raises(OptionError, match="'resnet' is no preset and no file that can be read"):
        Preprocess.of("resnet")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(OptionError, match=r"broken\.json is not JSON .* an object of settings is needed"):
        Preprocess.of(tmp_path / "broken.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(OptionError, match="settings, a preset's name, a dict or a JSON file is needed"):
        Preprocess.of(tmp_path / "list.json")
    with pytest.raises(OptionError, match="preprocess is 3; settings, a preset's name"):
        Preprocess.of(3)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 2, 3), np.uint8), np.zeros((1, 3, 2, 2), np.uint8), np.zeros((1, 2, 2, 3), np.float32)],
)
def test_only_rgb_batches_are_encoded(images):
    with pytest.raises(OptionError, match=r"images must be \(N, H, W, 3\) uint8, got "):
        Preprocess().encode(images, "NCHW", np.float32)
