"""Pictures are as large as can be looked at, show kept pixels as they are, and smooth lines around them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dccausal import OptionError, Placement, Preprocess
from dccausal.explanation import drawing
from dccausal.explanation.caption import LINES, Caption
from dccausal.explanation.colormaps import COLORMAPS, colours
from dccausal.explanation.drawing import Frame
from dccausal.explanation.pictures import cutout, masked_picture, overlay, picture, picture_size
from dccausal.explanation.sheet import contact_sheet, fit_width

_WHITE = (255, 255, 255)


def _photo(width, height, seed=0):
    noise = np.random.default_rng(seed).integers(20, 200, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _whole(photo):
    return Placement(photo_size=photo.size, box=(0.0, 0.0, float(photo.width), float(photo.height)))


def _kept(shape=(56, 56), rows=slice(16, 32), columns=slice(8, 24)):
    kept = np.zeros(shape, dtype=bool)
    kept[rows, columns] = True
    return kept


def _heat(shape=(56, 56)):
    """A hill at (24, 16), falling to 0."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    heat = np.exp(-((y - 24) ** 2 + (x - 16) ** 2) / 60.0)
    return (heat / heat.max()).astype(np.float32)


def _colourfulness(image):
    pixels = np.asarray(image).astype(int)
    return (pixels.max(axis=2) - pixels.min(axis=2)).mean()


@pytest.mark.parametrize(
    "size", [(32, 32), (33, 24), (224, 224), (640, 97), (2000, 1500), (300, 2), (9, 4000)]
)
@pytest.mark.parametrize("geometry", ["squash", "crop", "pad"])
def test_pictures_have_the_size_of_the_photograph_or_are_enlarged(size, geometry):
    photo = _photo(*size)
    before = photo.tobytes()
    _, placement = Preprocess(size=(56, 56), geometry=geometry).prepare(photo)
    for image in (overlay(photo, placement, _heat(), _kept()), picture(photo, placement, _kept())):
        assert image.mode == "RGB"
        assert image.size == picture_size(size)
    exact = cutout(photo, placement, _kept())
    assert (exact.mode, exact.size) == ("RGBA", size)
    assert photo.tobytes() == before


def test_small_photographs_are_enlarged_to_640_and_large_ones_are_not():
    assert picture_size((224, 224)) == (640, 640)
    assert picture_size((300, 2)) == (640, 4)
    assert picture_size((640, 9)) == (640, 9)
    assert picture_size((4000, 3000)) == (4000, 3000)
    assert picture_size((30, 4000)) == (30, 4000)
    assert picture_size((160, 800)) == (320, 1600)


def test_kept_pixels_are_shown_as_they_are_and_the_rest_is_grey_and_dark():
    photo = _photo(1120, 1120)
    placement, kept = _whole(photo), _kept()
    shown, original = np.asarray(picture(photo, placement, kept)), np.asarray(photo)
    core = placement.to_photo(_kept(rows=slice(18, 30), columns=slice(10, 22)), smooth=False, fill=False)
    np.testing.assert_array_equal(shown[core], original[core])
    rest = ~_dilated(placement.to_photo(kept, smooth=False, fill=False), 10)
    assert (np.ptp(shown[rest].astype(int), axis=1) == 0).all()
    grey = np.asarray(photo.convert("L"))[rest]
    assert 0.35 < shown[rest].mean() / grey.mean() < 0.4


def test_lines_run_along_the_border_and_get_wider_with_the_photograph():
    for side in (640, 2240):
        photo = Image.new("RGB", (side, side), (90, 60, 30))
        shown = np.asarray(overlay(photo, _whole(photo), np.zeros((56, 56), np.float32), _kept())).astype(int)
        row = np.flatnonzero(shown[24 * side // 56 + side // 112].min(axis=1) > 200)
        left, right = row[row < 16 * side // 56], row[row > 16 * side // 56]
        for line, border in ((left, 8), (right, 24)):
            assert abs(line.mean() + 0.5 - border * side / 56) < 1
            assert abs(len(line) - 2.8 * side / 520) <= 1.5


def test_lines_are_round_at_corners_and_have_no_steps():
    photo = Image.new("RGB", (1120, 1120), (0, 0, 0))
    shown = np.asarray(overlay(photo, _whole(photo), np.zeros((56, 56), np.float32), _kept())).astype(int)
    corner = shown[314:325, 154:165]
    assert corner.max() == 0  # a square's corner would be here
    assert len(np.unique(shown[300:380, 150:230, 0])) > 8  # the edges of the curve are mixed, not cut


def test_levels_are_thinner_lines_beside_each_other_where_borders_are_the_same():
    photo = Image.new("RGB", (1120, 1120), (90, 60, 30))
    outer, inner = _kept(columns=slice(8, 40)), _kept(columns=slice(8, 16))
    shown = overlay(
        photo, _whole(photo), np.zeros((56, 56), np.float32), _kept(), levels=[outer, _kept(), inner]
    )
    row = np.flatnonzero(np.asarray(shown)[480].astype(int).min(axis=1) > 150)
    lines = np.split(row, np.flatnonzero(np.diff(row) > 1) + 1)
    middles = [line.mean() for line in lines]
    assert len(lines) == 6  # three that share the border on the left, three of their own on the right
    for at, middle in zip((3, 4, 5), (320, 480, 800), strict=True):
        assert abs(middles[at] - middle) < 14
    assert max(map(len, lines)) == len(lines[1]) == len(lines[4])
    assert all(gap > 4 for gap in np.diff(middles[:3]))


def test_lines_stay_in_the_picture():
    photo = Image.new("RGB", (1040, 1040), (90, 60, 30))
    cold = np.zeros((8, 8), np.float32)
    for kept in (np.ones((8, 8), bool), _kept((8, 8), slice(0, 3), slice(0, 8))):
        shown = np.asarray(overlay(photo, _whole(photo), cold, kept)).astype(int)
        assert (shown[:12, 520].min(axis=1) > 200).sum() >= 5  # all of its 5.6 pixels


def test_nothing_kept_leaves_no_line():
    photo = Image.new("RGB", (300, 200), (200, 100, 100))
    shown = np.asarray(picture(photo, _whole(photo), np.zeros((8, 8), dtype=bool)))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_heat_is_drawn_where_it_is_hot_and_cold_regions_show_the_photograph_half_grey():
    photo = _photo(672, 672)
    shown, original = np.asarray(overlay(photo, _whole(photo), _heat())), np.asarray(photo).astype(float)
    grey = np.asarray(photo.convert("L")).astype(float)[..., None]
    faded = original / 2 + grey / 2
    cold = np.zeros((672, 672), dtype=bool)
    cold[480:, 480:] = True
    assert np.abs(shown[cold] - faded[cold]).max() <= 1
    hottest = shown[288:300, 192:204].reshape(-1, 3).mean(axis=0)
    expected = 0.65 * colours("inferno")[255] + 0.35 * faded[288:300, 192:204].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(hottest, expected, atol=6)


def test_heat_begins_at_nothing():
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    photo = Image.new("RGB", (640, 640), (128, 128, 128))
    row = np.asarray(overlay(photo, _whole(photo), ramp))[320].astype(int)
    change = np.abs(row - 128).sum(axis=1)
    assert change[:70].max() == 0
    assert np.abs(np.diff(row, axis=0)).max() <= 6  # nowhere a step


def test_overlay_without_opacity_or_heat_is_the_photograph():
    photo = _photo(700, 80)
    assert overlay(photo, _whole(photo), _heat(), alpha=0).tobytes() == photo.tobytes()
    flat = np.zeros((56, 56), dtype=np.float32)
    assert overlay(photo, _whole(photo), flat).tobytes() == photo.tobytes()


def test_a_single_hot_pixel_is_seen():
    heat = np.zeros((56, 56), dtype=np.float32)
    heat[20, 20] = 1
    photo = Image.new("RGB", (672, 672), (90, 90, 90))
    changed = (np.asarray(overlay(photo, _whole(photo), heat)) != 90).any(axis=2)
    assert changed[246, 246]
    assert not changed[:100, :100].any()


def test_outliers_do_not_darken_the_rest():
    heat = _heat() * np.float32(0.1)
    heat[0, 0] = 1
    photo = Image.new("RGB", (560, 560), (90, 90, 90))
    with_outlier = np.asarray(overlay(photo, _whole(photo), heat))
    without = np.asarray(overlay(photo, _whole(photo), _heat()))
    np.testing.assert_allclose(
        with_outlier[200:280, 120:200].astype(int), without[200:280, 120:200].astype(int), atol=3
    )


def test_what_the_model_did_not_see_is_grey_and_dark_and_nothing_else():
    photo = Image.new("RGB", (800, 400), (210, 120, 40))
    _, placement = Preprocess(size=(56, 56), geometry="crop").prepare(photo)
    left, _, right, _ = placement.box
    for image in (overlay(photo, placement, _heat(), _kept()), picture(photo, placement, _kept())):
        for part in (image.crop((0, 0, int(left), 400)), image.crop((int(right) + 1, 0, 800, 400))):
            assert _colourfulness(part) == 0
            assert np.asarray(part).mean() < 0.5 * np.asarray(photo.convert("L")).mean()
            assert len(np.unique(np.asarray(part))) == 1
    seen = overlay(photo, placement, _heat(), _kept()).crop((int(left) + 1, 20, int(right), 380))
    assert _colourfulness(seen) > 60


@pytest.mark.parametrize("size", [(20, 13), (300, 200), (30, 4000), (4000, 60), (2000, 1500)])
def test_a_caption_is_below_the_picture_and_changes_nothing_in_it(size):
    photo = _photo(*size)
    caption = Caption(
        "a \udcff\x1b label " * 40, "Score 0.5 alone", False, (("bold", "half: 6.5 %"), ("thin", ""))
    )
    for draw in (
        lambda **more: overlay(photo, _whole(photo), _heat(), _kept(), **more),
        lambda **more: picture(photo, _whole(photo), _kept(), **more),
    ):
        plain, captioned = draw(), draw(caption=caption)
        assert captioned.width == max(640, plain.width)
        assert captioned.height > plain.height + 60
        assert captioned.crop((0, 0, *plain.size)).tobytes() == plain.tobytes()
        strip = np.asarray(captioned)[plain.height :]
        assert (strip.min(axis=2) > 240).mean() > 0.5
        assert (strip.max(axis=2) < 90).any()
        assert (strip[:, -4:] > 240).all()


def test_a_weak_score_is_not_told_like_a_good_one():
    photo = Image.new("RGB", (640, 400))
    drawn = [
        np.asarray(picture(photo, _whole(photo), _kept(), caption=Caption("a", "Score 0.005", weak, ())))
        for weak in (False, True)
    ]
    reddish = [(image[400:, :, 0].astype(int) - image[400:, :, 1] > 60).any() for image in drawn]
    assert reddish == [False, True]


def test_a_cutout_is_opaque_where_kept_and_empty_elsewhere():
    photo = _photo(112, 112)
    pixels = np.asarray(cutout(photo, _whole(photo), _kept()))
    inside = np.repeat(np.repeat(_kept(), 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(pixels[inside, :3], np.asarray(photo)[inside])
    assert (pixels[inside, 3] == 255).all()
    assert not pixels[~inside].any()


def test_the_masked_picture_is_what_the_model_was_given():
    x, kept = np.asarray(_photo(56, 56)), _kept()
    baseline = np.asarray(_photo(56, 56, seed=1))
    shown = np.asarray(masked_picture(x, baseline, kept))
    np.testing.assert_array_equal(shown[kept], x[kept])
    np.testing.assert_array_equal(shown[~kept], baseline[~kept])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"colormap": "jet"},
            "colormap is 'jet'; one of inferno, magma, plasma, viridis, cividis, grey is needed",
        ),
        ({"contour": "dotted"}, "contour is 'dotted'; one of solid, dashed, none is needed"),
        ({"alpha": 1.5}, "alpha is 1.5; a number from 0 to 1 is needed"),
        ({"alpha": float("nan")}, "alpha is nan; a finite number is needed"),
    ],
)
def test_options_out_of_range(options, text):
    photo = _photo(20, 20)
    with pytest.raises(OptionError) as caught:
        overlay(photo, _whole(photo), _heat(), **options)
    assert str(caught.value) == text


@pytest.mark.parametrize("name", COLORMAPS)
def test_colour_maps_get_lighter_all_the_way(name):
    table = colours(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    linear = (table / 255.0) ** 2.2
    lightness = np.cbrt(linear @ (0.2126, 0.7152, 0.0722))
    assert np.diff(lightness[::8]).min() > 0


@pytest.mark.parametrize("name", [name for name in COLORMAPS if name != "grey"])
def test_colour_maps_are_those_of_their_names(name):
    published = pytest.importorskip("matplotlib").colormaps[name](np.arange(256))[:, :3] * 255
    assert np.abs(np.rint(published) - colours(name)).max() <= 6


def test_a_dashed_line_is_half_of_the_line_and_none_is_none():
    photo = Image.new("RGB", (1120, 1120), (90, 60, 30))
    placement, kept = _whole(photo), _kept()
    cold = np.zeros((56, 56), np.float32)
    lines = {
        style: (np.asarray(overlay(photo, placement, cold, kept, contour=style)).min(axis=2) > 200)
        for style in ("solid", "dashed", "none")
    }
    assert not lines["none"].any()
    assert not (lines["dashed"] & ~_dilated(lines["solid"], 2)).any()
    assert 0.4 < lines["dashed"].sum() / lines["solid"].sum() < 0.6
    side = lines["dashed"][330:630, 158:162].any(axis=1)
    runs = np.diff(np.flatnonzero(np.diff(side.astype(int)) != 0))
    assert len(runs) > 5
    plain = overlay(photo, placement, _heat())
    assert overlay(photo, placement, _heat(), kept, contour="none").tobytes() == plain.tobytes()


PLACEMENTS = {
    "whole": Placement((300, 200), (0, 0, 300, 200)),
    "crop": Placement((301, 200), (50.5, 0, 250.5, 200)),
    "padded": Placement((300, 200), (0, -50, 300, 250)),
    "small": Placement((20, 13), (0, 0, 20, 13)),
    "inside": Placement((90, 70), (10.2, 11.7, 33.3, 44.4)),
}


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
def test_masks_are_those_of_the_placement(placement):
    for seed, share in enumerate((0, 0.02, 0.5, 1)):
        mask = np.random.default_rng(seed).random((56, 48)) < share
        frame = Frame(placement, mask.shape)
        expected = placement.to_photo(mask, smooth=False, fill=False)
        by_bands = np.zeros_like(expected)
        for (left, top, right, bottom), inside in frame.masks(mask):
            by_bands[top:bottom, left:right] = inside
        np.testing.assert_array_equal(by_bands, expected)


@pytest.mark.parametrize("name", ["whole", "crop", "padded", "inside"])
def test_smooth_heat_is_linear_between_pixels(name, monkeypatch):
    monkeypatch.setattr(drawing, "_BAND_PIXELS", 4000)
    placement = PLACEMENTS[name]
    levels = np.rint(127 * (1 + np.sin(np.arange(120) / 3))).astype(np.uint8).reshape(12, 10)
    expected = placement.to_photo(levels, smooth=True, fill=0).astype(int)
    found = np.zeros_like(expected)
    for (left, top, right, bottom), heat in Frame(placement, levels.shape).smooth(levels):
        found[top:bottom, left:right] = np.asarray(heat)
    assert np.abs(found - expected).max() <= 6


def _dilated(mask, radius):
    """True wherever a True lies within a square of this radius around, by looking."""
    result = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        result[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1] = True
    return result


_LARGE = """
import resource, time
import numpy as np
from PIL import Image
from dccausal.explanation.pictures import overlay, picture
from dccausal.inputs.placement import Placement

photo = Image.new("RGB", (4000, 3000), (90, 60, 30))
placement = Placement(photo.size, (0, 0, 4000, 3000))
heat = np.random.default_rng(0).random((64, 64)).astype(np.float32)
overlay(photo.resize((64, 64)), Placement((64, 64), (0, 0, 64, 64)), heat, heat > 0.9)
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
for drawn in (overlay, picture):
    drawn(photo, placement, *((heat, heat > 0.9) if drawn is overlay else (heat > 0.9,)))
seconds = time.process_time() - start
print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_large_photographs_are_drawn_quickly_and_in_little_memory():
    """12 megapixels are 48 MB in Pillow; the exact times are in bench/drawing.py, here only their order counts."""
    done = subprocess.run([sys.executable, "-c", _LARGE], capture_output=True, text=True, check=True)
    seconds, mib = map(float, done.stdout.split())
    assert seconds < 4
    assert mib < 2 * 46


def test_a_contact_sheet_holds_every_picture():
    red, blue = Image.new("RGB", (50, 20), "red"), Image.new("RGB", (300, 600), "blue")
    sheet = contact_sheet([[(red, "one"), (blue, "two\nlines")], [(red, "")]], width=100)
    pixels = np.asarray(sheet)
    assert (pixels == (255, 0, 0)).all(axis=2).sum() == 2 * 100 * 40
    assert (pixels == (0, 0, 255)).all(axis=2).sum() == 100 * 200
    assert sheet.width == 16 + 2 * 116


def test_captions_stay_below_their_picture_whatever_they_hold():
    red = Image.new("RGB", (100, 20), "red")
    sheet = np.asarray(contact_sheet([[(red, "x" * 300), (red, "")]], width=100))
    below, paper = sheet[40:], sheet[0, 0]
    assert (below[:, 16:116] != paper).any()
    assert (below[:, 116:] == paper).all()
    hostile, plain = (contact_sheet([[(red, text)]], width=100) for text in ("a\udcff\x1b", "a??"))
    assert hostile.tobytes() == plain.tobytes()


def test_very_tall_pictures_do_not_blow_up_a_sheet():
    assert fit_width(Image.new("RGB", (2, 4000)), 100).size == (100, 300)
    assert fit_width(Image.new("RGB", (4000, 2)), 100).size == (100, 1)


def test_sets_apart_have_lines_of_their_own_colours():
    photo = Image.new("RGB", (640, 640), (128, 128, 128))
    apart = [_kept(), _kept(rows=slice(36, 52), columns=slice(36, 52))]
    drawn = np.asarray(picture(photo, _whole(photo), apart[0] | apart[1], apart=apart)).astype(int)
    for colour, inside, outside in ((LINES[0], (0, 320), (400, 640)), (LINES[1], (400, 640), (0, 320))):
        is_drawn = np.abs(drawn - colour).max(axis=2) < 8
        assert is_drawn[slice(*inside), slice(*inside)].any()
        assert not is_drawn[slice(*outside), slice(*outside)].any()
