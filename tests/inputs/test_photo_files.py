"""Photographs of 16 bits, too large ones, formats that Pillow lacks, and bytes in the place of a file."""

from __future__ import annotations

import io
import struct
import sys
import types
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from dccausal import explain
from dccausal.errors import ImageError, OptionError
from dccausal.inputs import photo_files
from dccausal.inputs.photo import load_photo, read_photo
from dccausal.inputs.photo_files import add_formats, most_pixels

GREY = np.arange(200, dtype=np.uint16).reshape(10, 20)


@pytest.mark.parametrize(("factor", "share"), [(16, "4.9%"), (1, "0.3%")])
def test_dark_16_bits_are_noted_and_can_be_stretched(tmp_path, factor, share):
    Image.fromarray(GREY * factor).save(tmp_path / "a.png")
    found = read_photo(tmp_path / "a.png")
    assert f"uses 0 to {199 * factor} of 0 to 65535, {share} of the range" in found.notes[0]
    assert np.asarray(found.image).max() < 16
    stretched = read_photo(tmp_path / "a.png", stretch=True)
    assert stretched.notes == ()
    np.testing.assert_array_equal(np.asarray(stretched.image)[..., 0], (GREY.astype(int) * 255 + 99) // 199)


def test_the_whole_range_is_as_it_was():
    whole = Image.fromarray(GREY * 329)
    assert read_photo(whole).notes == ()
    assert np.asarray(load_photo(whole)).max() == 255
    eight = Image.new("L", (4, 4), 3)
    assert read_photo(eight, stretch=True).image.getpixel((0, 0)) == (3, 3, 3)


def test_the_note_is_in_the_result(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    explanation = explain(tmp_path / "a.png", lambda x: np.ones((len(x), 2)), max_calls=20)
    assert any("--stretch" in note for note in explanation.notes)


def test_the_limit_of_pixels_is_a_variable(tmp_path, monkeypatch):
    Image.new("1", (300, 200)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=r"300 x 200 pixels; at most 50000 .* set DCCAUSAL_MAX_PIXELS"):
            load_photo(tmp_path / "a.png")
        monkeypatch.setenv("DCCAUSAL_MAX_PIXELS", "60000")
        assert load_photo(tmp_path / "a.png").size == (300, 200)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
        assert load_photo(tmp_path / "a.png").size == (300, 200)
        monkeypatch.setenv("DCCAUSAL_MAX_PIXELS", "0")
        assert load_photo(tmp_path / "a.png").size == (300, 200)
    assert most_pixels({}) == 1_000
    assert most_pixels({"DCCAUSAL_MAX_PIXELS": "0"}) is None
    with pytest.raises(OptionError, match="DCCAUSAL_MAX_PIXELS is 'many'; a whole number of pixels"):
        most_pixels({"DCCAUSAL_MAX_PIXELS": "many"})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "is HEIC, .*pillow-heif"),
        (b"\xff\x0a" + bytes(60), "is JPEG XL, .*djxl"),
        (bytes(128) + b"DICM" + bytes(100), "is DICOM, .*pydicom"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, .*git lfs pull"),
        (b"%PDF-1.7", "is a PDF file"),
        (b"x", "is not an image that Pillow can read"),
    ],
)
def test_what_pillow_does_not_read_is_named(tmp_path, content, text):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=text):
        load_photo(tmp_path / "a.png")


def test_heic_is_read_where_its_package_is_installed(monkeypatch):
    registered = []
    module = types.SimpleNamespace(register_heif_opener=lambda: registered.append(True))
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    add_formats.cache_clear()
    assert photo_files.add_formats() == {".heic", ".heif", ".hif"}
    assert registered == [True]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    add_formats.cache_clear()
    assert photo_files.add_formats() == frozenset()
    add_formats.cache_clear()


def test_bytes_and_open_files_are_photographs():
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(buffer, "PNG")
    for source in (buffer.getvalue(), io.BytesIO(buffer.getvalue())):
        assert load_photo(source).size == (5, 4)
    with pytest.raises(ImageError, match="the photograph given as bytes is not an image"):
        load_photo(b"bytes")
    with pytest.raises(ImageError, match="gives str; a file opened as binary"):
        load_photo(io.StringIO("a"))
    with pytest.raises(ImageError, match="is empty"):
        load_photo(b"")


def _exif(*entries):
    """An EXIF block of entries (tag, type, count, value of two bytes or four)."""
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries))
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
    return head + body + bytes(4)


def test_orientation_counts_beside_an_entry_that_is_damaged(tmp_path):
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :12] = 255  # the upper left becomes the upper right
    turned = (274, 3, 1, struct.pack("<H", 6))
    for name, other in (("width", (256, 2, 4, b"abc\0")), ("resolution", (282, 2, 4, b"abc\0"))):
        entries = sorted([turned, other])
        Image.fromarray(stored).save(tmp_path / f"{name}.jpg", exif=_exif(*entries), quality=95)
        photo = load_photo(tmp_path / f"{name}.jpg")
        assert photo.size == (16, 24)
        assert photo.getpixel((14, 2)) == (255, 255, 255)
        assert photo.getpixel((2, 2)) == (0, 0, 0)


def test_16_bits_in_which_0_is_white(tmp_path):
    values = np.full((4, 6), 60_000, np.uint16)
    entries = [(256, 6), (257, 4), (258, 16), (259, 1), (262, 0), (273, 122), (277, 1), (278, 4), (279, 48)]
    block = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + block + bytes(4)
    (tmp_path / "negative.tif").write_bytes(head + values.tobytes())
    assert len(head) == 122
    assert load_photo(tmp_path / "negative.tif").getpixel((0, 0)) == (round(5535 / 257),) * 3


def test_16_bit_grey_with_a_transparent_value_is_laid_on_white(tmp_path):
    values = np.full((4, 6), 20_000, np.uint16)
    values[:, 3:] = 1_000
    Image.fromarray(values).save(tmp_path / "grey.png")
    data = (tmp_path / "grey.png").read_bytes()
    clear = b"tRNS" + struct.pack(">H", 1_000)
    chunk = struct.pack(">I", 2) + clear + struct.pack(">I", zlib.crc32(clear))
    at = data.index(b"IDAT") - 4
    (tmp_path / "grey.png").write_bytes(data[:at] + chunk + data[at:])
    photo = load_photo(tmp_path / "grey.png")
    assert photo.getpixel((0, 0)) == (78, 78, 78)
    assert photo.getpixel((5, 0)) == (255, 255, 255)
