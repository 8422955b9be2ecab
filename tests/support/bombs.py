"""Small files that stand for huge images, and files that are none."""

from __future__ import annotations

import struct
import zlib


def bmp(width, height):
    """A BMP of five kilobytes, run-length coded, that stands for width x height pixels."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54 + 1024) + head + bytes(1024) + b"\0\x02\xff\xff" * 1000


def bit_png(width, height, *, data=None):
    """A PNG of a bit a pixel."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    data = zlib.compress(bytes((width // 8 + 1) * height), 9) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


BOMBS = {
    "a BMP of 88 megapixels in 5 kB": bmp(9400, 9400),
    "more than twice the limit": bit_png(12000, 12000),
    "between once and twice the limit": bit_png(6000, 6000),
    "larger than numbers go": bit_png(2**31 - 1, 2**31 - 1, data=zlib.compress(bytes(100))),
    "a negative BMP": bmp(-64, -64),
    "a PPM of ten gigapixels": b"P6 99999 99999 255\n" + bytes(100),
    "empty": b"",
    "no image": b"hello",
    "half a PNG": bit_png(80, 60)[:50],
}
