"""Photographs of every kind become upright 8-bit RGB, or an ImageError that says what is needed."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dccausal.errors import ImageError
from dccausal.inputs.photo import load_photo

_RAMP = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


def _pixels(image):
    return np.asarray(image)


def test_rgb_array_keeps_its_pixels():
    photo = load_photo(_RAMP)
    assert photo.mode == "RGB"
    assert photo.size == (5, 6)
    np.testing.assert_array_equal(_pixels(photo), _RAMP)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1)])
def test_grey_array_has_three_equal_channels(shape):
    grey = _RAMP[:, :, :1].reshape(shape)
    np.testing.assert_array_equal(_pixels(load_photo(grey)), np.repeat(grey.reshape(6, 5, 1), 3, axis=2))


def test_a_view_that_is_not_contiguous_is_read_rightly():
    np.testing.assert_array_equal(_pixels(load_photo(_RAMP[::-1, ::2])), _RAMP[::-1, ::2])


def test_transparency_of_an_array_is_white():
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2, :, 3] = 255
    photo = _pixels(load_photo(rgba))
    assert (photo[:2] == 0).all()
    assert (photo[2:] == 255).all()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (
            np.zeros((3, 224, 224), np.float32),
            r"\(H, W, 3\) uint8.* got \(3, 224, 224\) float32; multiply by 255",
        ),
        (np.zeros((8, 8, 3), np.int64), r"\(H, W, 3\) uint8.* got \(8, 8, 3\) int64"),
        (np.zeros((8, 8, 2), np.uint8), r"\(H, W, 3\) uint8.* got \(8, 8, 2\) uint8"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"\(H, W, 3\) uint8.* got \(1, 8, 8, 3\) uint8"),
        (np.zeros((0, 8, 3), np.uint8), r"\(H, W, 3\) uint8.* got \(0, 8, 3\) uint8"),
        (np.zeros((1, 1, 3), np.uint8), r"1 x 1 pixels; each side needs at least 2"),
        (np.zeros((9, 1), np.uint8), r"1 x 9 pixels; each side needs at least 2"),
    ],
)
def test_other_arrays_are_refused(array, text):
    with pytest.raises(ImageError, match=text):
        load_photo(array)


@pytest.mark.parametrize("thing", [None, 7, ["a.png"]])
def test_other_types_are_refused(thing):
    with pytest.raises(ImageError, match=f"given as {type(thing).__name__}; a path, a Pillow image"):
        load_photo(thing)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = 255  # a white corner at the top left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    stored = stored.transpose(undo[orientation]) if orientation in undo else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(_pixels(load_photo(tmp_path / "photo.png")), upright)


def test_an_image_turned_by_its_user_is_not_turned_again(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24, 16)).save(tmp_path / "photo.jpg", exif=exif)
    with Image.open(tmp_path / "photo.jpg") as image:
        once = load_photo(image)
        assert once.size == (16, 24)
        assert load_photo(once).size == (16, 24)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_says_nothing_about_orientation(tmp_path):
    Image.new("RGB", (24, 16)).save(
        tmp_path / "photo.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff not exif at all"
    )
    assert load_photo(tmp_path / "photo.jpg").size == (24, 16)


def test_16_bit_is_scaled_not_cut_off(tmp_path):
    values = np.array([[0, 257], [129, 65535], [32768, 65407]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    expected = np.round(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(_pixels(load_photo(tmp_path / "deep.png"))[:, :, 1], expected)


def test_16_bit_as_older_readers_give_it():
    values = np.array([[0, 257], [128, 65535]], np.int32)
    image = Image.fromarray(values)
    assert image.mode == "I"
    np.testing.assert_array_equal(_pixels(load_photo(image))[:, :, 0], [[0, 1], [0, 255]])


@pytest.mark.parametrize("values", [[[0, 65536], [0, 0]], [[-1, 0], [0, 0]]])
def test_32_bit_is_refused(values):
    with pytest.raises(ImageError, match=r"pixels from -?\d+ to \d+; 8 or 16 bits a channel are needed"):
        load_photo(Image.fromarray(np.array(values, np.int32)))


def test_floating_point_is_refused():
    with pytest.raises(ImageError, match="floating-point pixels; 8 or 16 bits a channel"):
        load_photo(Image.new("F", (4, 4)))


def test_palette_with_transparency_is_composited_on_white(tmp_path):
    image = Image.new("P", (4, 2), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for name, transparency in (("one.gif", 0), ("many.png", bytes([0, 128]))):
        image.save(tmp_path / name, transparency=transparency)
    for name, blue in (("one.gif", (0, 0, 255)), ("many.png", (127, 127, 255))):
        photo = load_photo(tmp_path / name)
        assert photo.getpixel((0, 0)) == (255, 255, 255)
        assert photo.getpixel((1, 0)) == blue


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 7, (7, 7, 7)),
        ("LA", (0, 0), (255, 255, 255)),
        ("La", (0, 0), (255, 255, 255)),
        ("PA", 0, None),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (255, 128, 128), (255, 255, 255)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(mode, colour, expected):
    photo = load_photo(Image.new(mode, (3, 2), colour))
    assert photo.mode == "RGB"
    assert expected is None or photo.getpixel((2, 1)) == expected


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp", "gif", "bmp"])
def test_usual_files_are_read(tmp_path, suffix):
    Image.new("RGB", (12, 9), (10, 200, 30)).save(tmp_path / f"photo.{suffix}")
    photo = load_photo(str(tmp_path / f"photo.{suffix}"))
    assert photo.size == (12, 9)
    assert np.abs(_pixels(photo).astype(int) - (10, 200, 30)).max() < 12


def test_long_and_thin_is_allowed(tmp_path):
    Image.new("L", (20000, 10)).save(tmp_path / "thin.png")
    assert load_photo(tmp_path / "thin.png").size == (20000, 10)


def test_a_warning_that_the_user_made_an_error(tmp_path):
    Image.new("RGB", (24, 16)).save(
        tmp_path / "photo.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff not exif at all"
    )
    with pytest.raises(ImageError, match=r"photo\.jpg cannot be read \(Corrupt EXIF data.* is needed"):
        load_photo(tmp_path / "photo.jpg")


def test_missing_file(tmp_path):
    with pytest.raises(ImageError, match=r"nothing\.png does not exist; the path of an image file is needed"):
        load_photo(tmp_path / "nothing.png")


def test_folder(tmp_path):
    with pytest.raises(ImageError, match="is a folder; an image file is needed"):
        load_photo(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match=r"empty\.jpg is empty; an image file is needed"):
        load_photo(tmp_path / "empty.jpg")


def test_not_an_image(tmp_path):
    (tmp_path / "text.jpg").write_text("this is text")
    with pytest.raises(ImageError, match=r"text\.jpg is not an image that Pillow can read"):
        load_photo(tmp_path / "text.jpg")


def test_a_path_with_a_null_character():
    with pytest.raises(ImageError, match="needed"):
        load_photo("photo\0.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp", "gif", "bmp"])
def test_truncated_files(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format="jpeg" if suffix == "jpg" else suffix)
    whole = buffer.getvalue()
    path = tmp_path / f"cut.{suffix}"
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError, match=rf"cut\.{suffix} .*needed"):
            load_photo(path)


def test_an_image_whose_file_was_closed(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
    image = Image.open(tmp_path / "photo.png")
    image.close()
    with pytest.raises(ImageError, match="the Pillow image cannot be decoded"):
        load_photo(image)


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (20_000, 20_000)])
def test_decompression_bombs(tmp_path, width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(ImageError, match=r"bomb\.png is too large: .*at most \d+ pixels are needed"):
        load_photo(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_pillow_only_warns_about_is_refused_too(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(
        ImageError, match=r"large\.png is too large: 40 x 40 pixels; at most 1000 pixels are needed"
    ):
        load_photo(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_photo(tmp_path / "large.png").size == (40, 40)
