"""Damaged and hostile image files: every format that Pillow writes, changed at random, and bombs built by hand."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dccausal import explain, load_photo
from faults.trial import Outcome, Wrong, tried

N = 2000
SIDE = 64


def run(n: int, seed: int) -> Iterator[Outcome]:
    explain(
        np.full((SIDE, SIDE, 3), 9, np.uint8), classify, max_calls=30
    )  # loads what each child would load anew
    with tempfile.TemporaryDirectory() as folder:
        for name, content in cases(n, seed):
            path = Path(folder) / name
            path.write_bytes(content)
            yield tried(name, lambda path=path: check(path))
            path.unlink()
            if left := list(Path(folder).iterdir()):
                yield Outcome(name, "left", str(left))


def classify(images):
    light = images.reshape(len(images), -1, 3).mean(1)
    return np.concatenate([light, 255 - light], 1)


def check(path: Path) -> str:
    """Load and explain; a file that is read twice is the same photograph."""
    first = load_photo(path)
    if first.mode != "RGB":
        raise Wrong(f"{first.mode} {first.size}")
    if first.width * first.height < 1_000_000 and first.tobytes() != load_photo(path).tobytes():
        raise Wrong("not the same twice")
    small = first if max(first.size) <= 256 else first.resize((256, 256))
    explanation = explain(small, classify, max_calls=20)
    if explanation.picture().size != small.size or not np.isfinite(explanation.heatmap).all():
        raise Wrong(f"picture {explanation.picture().size} of {small.size}")
    return f"{first.size} {explanation.outcome}"


def cases(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Return n files: those built by hand, the originals, and the originals changed."""
    chance = random.Random(seed)  # noqa: S311
    originals = _originals(seed)
    built = list(_built(dict(originals)))
    whole = [(f"original-{name}", content) for name, content in originals]
    first = built + whole
    if n < len(first):
        first = chance.sample(first, n // 2)
    yield from first
    for i in range(n - len(first)):
        name, content = originals[i % len(originals)]
        yield f"{i:04d}-{name}", changed(content, chance)


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return a file changed at random, in one of eight ways."""
    data = bytearray(content)
    at = chance.randrange(len(data))
    way = chance.randrange(8)
    if way == 0:
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif way == 1:
        del data[max(1, at) :]
    elif way == 2:
        for _ in range(chance.choice([1, 2, 4])):
            data[chance.randrange(min(64, len(data)))] = chance.choice([0, 1, 127, 128, 255])
    elif way == 3:
        at = chance.randrange(max(1, min(120, len(data) - 4)))
        number = chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 65535, 100000, 1 << 20])
        data[at : at + 4] = struct.pack(chance.choice("<>") + "I", number)
    elif way == 4:
        length = chance.randrange(1, 200)
        data[at : at + length] = chance.randbytes(length)
    elif way == 5:
        data[at:at] = data[: chance.randrange(1, len(data))]
    elif way == 6:
        del data[at : at + chance.randrange(1, 40)]
    else:
        length = chance.randrange(1, 400)
        data[at : at + length] = bytes(min(length, len(data) - at))
    return bytes(data)


def _originals(seed: int) -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(seed)
    pixels = np.kron(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    image = Image.fromarray(pixels)
    turned = image.rotate(90)
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    wanted = {
        "jpeg.jpg": (image, "JPEG", {}),
        "progressive.jpg": (image, "JPEG", {"progressive": True}),
        "cmyk.jpg": (image.convert("CMYK"), "JPEG", {}),
        "exif.jpg": (image, "JPEG", {"exif": exif}),
        "rgb.png": (image, "PNG", {}),
        "rgba.png": (image.convert("RGBA"), "PNG", {}),
        "palette.png": (image.convert("P"), "PNG", {"transparency": 3}),
        "deep.png": (deep, "PNG", {}),
        "animated.png": (image, "PNG", {"save_all": True, "append_images": [turned]}),
        "one.gif": (image, "GIF", {}),
        "animated.gif": (image, "GIF", {"save_all": True, "append_images": [turned]}),
        "lossy.webp": (image, "WEBP", {}),
        "lossless.webp": (image, "WEBP", {"lossless": True}),
        "alpha.webp": (image.convert("RGBA"), "WEBP", {}),
        "plain.bmp": (image, "BMP", {}),
        "raw.tif": (image, "TIFF", {}),
        "lzw.tif": (image, "TIFF", {"compression": "tiff_lzw"}),
        "deflate.tif": (image, "TIFF", {"compression": "tiff_deflate"}),
        "jpeg.tif": (image, "TIFF", {"compression": "jpeg"}),
        "packbits.tif": (image, "TIFF", {"compression": "packbits"}),
        "colour.ppm": (image, "PPM", {}),
        "grey.pgm": (image.convert("L"), "PPM", {}),
        "icon.bmp": (image, "ICO", {}),
        "plain.tga": (image, "TGA", {}),
        "plain.jp2": (image, "JPEG2000", {}),
        "plain.avif": (image, "AVIF", {}),
        "icns.png": (image, "ICNS", {}),
        "dds.png": (image, "DDS", {}),
        "pcx.png": (image, "PCX", {}),
        "sgi.png": (image, "SGI", {}),
        "msp.png": (image.convert("1"), "MSP", {}),
        "eps.png": (image, "EPS", {}),
        "xbm.png": (image.convert("1"), "XBM", {}),
        "im.png": (image, "IM", {}),
        "spider.png": (image.convert("F"), "SPIDER", {}),
    }
    found = []
    for name, (picture, kind, options) in wanted.items():
        buffer = io.BytesIO()
        try:
            picture.save(buffer, kind, **options)
        except (OSError, KeyError, ValueError):  # this Pillow does not write it
            continue
        found.append((name, buffer.getvalue()))
    return found


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    end = chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + end


def bmp(width: int, height: int, *, is_coded: bool = False) -> bytes:
    bits, compression = (8, 1) if is_coded else (24, 0)
    palette = bytes(1024) if is_coded else b""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 256 * is_coded, 0)
    body = b"\0\x02\xff\xff" * 1000 if is_coded else bytes(12288)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54 + len(palette)) + head + palette + body


def tiff(*entries: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0) + data


def _zeros(n: int) -> bytes:
    return zlib.compress(bytes(n), 9)


def _built(originals: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Return files whose headers lie, and files that grow."""
    row = SIDE * 3 + 1
    plain = _zeros(SIDE * row)
    yield "just-under.png", png(9400, 9400, _zeros(9400 * 1176), 1, 0)
    yield "over-once.png", png(12000, 12000, _zeros(12000 * 1501), 1, 0)
    yield "over-twice.png", png(20000, 20000, _zeros(20000 * 2501), 1, 0)
    yield "huge.png", png(2**31 - 1, 2**31 - 1, _zeros(100))
    for width, height in ((0, 10), (0, 0), (1, 1), (1, 5000)):
        yield f"{width}x{height}.png", png(width, height, _zeros(max(1, height) * 4))
    yield "long-data.png", png(SIDE, SIDE, _zeros(200_000_000))
    for kind, start in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        yield f"{kind.decode()}.png", png(SIDE, SIDE, plain, extra=chunk(kind, start + _zeros(100_000_000)))
    many = b"".join(chunk(b"tEXt", b"k%d\0v" % i) for i in range(50_000))
    yield "many-texts.png", png(SIDE, SIDE, plain, extra=many)
    yield (
        "endless-animation.png",
        png(SIDE, SIDE, plain, extra=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    )
    yield "no-palette.png", png(SIDE, SIDE, plain, colour=3, extra=chunk(b"PLTE", b""))
    for name, head in {
        "huge": b"P6 99999 99999 255\n",
        "negative": b"P6 -5 5 255\n",
        "nothing": b"P6 0 0 255\n",
        "digits": b"P6 " + b"9" * 1_000_000 + b" 5 255\n",
        "ascii": b"P3 64 64 255\n" + b"9" * 5_000_000,
        "comment": b"P6 #" + b"x" * 5_000_000,
        "float-nan": b"Pf 64 64\nnan\n",
        "float": b"Pf 64 64\n-1.0\n",
        "deep": b"P6 64 64 65536\n",
    }.items():
        yield f"{name}.ppm", head + bytes(SIDE * SIDE * 4)
    screen = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF0, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    yield "tall.gif", screen + frame + b";"
    yield (
        "frames.gif",
        b"GIF89a" + struct.pack("<HHBBB", 100, 100, 0xF0, 0, 0) + bytes(6) + frame * 100_000 + b";",
    )
    for width, height in ((-SIDE, -SIDE), (2**31 - 1, 2**31 - 1), (9400, 9400), (0, 0)):
        yield f"{width}x{height}.bmp", bmp(width, height)
    yield "coded.bmp", bmp(9400, 9400, is_coded=True)
    size = ((256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
    yield "huge.tif", tiff((256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), *size[2:], (273, 4, 1, 0))
    yield "counts.tif", tiff(*size, (273, 4, 2**30, 0), (279, 4, 2**30, 100))
    yield "no-rows.tif", tiff(*size, (273, 4, 1, 8), (278, 4, 1, 0), (279, 4, 1, 4096), data=bytes(5000))
    yield "no-tiles.tif", tiff(*size, (322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 8), data=bytes(5000))
    yield "loop.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    yield from _jpegs(originals["jpeg.jpg"], originals["progressive.jpg"])
    for name, content in {
        "empty": b"",
        "text": b"hello",
        "zip": b"PK\3\4" + bytes(100),
        "html": b"<script>alert(1)</script>",
        "zeros": bytes(1 << 20),
        "program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9000 9000\n%%EndComments\nshowpage\n",
        "boxes": b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4s", 8, b"jp2h") * 100_000,
        "icons": b"\0\0\1\0" + struct.pack("<H", 65535) + bytes(16) * 65535,
    }.items():
        yield f"{name}.png", content


def _jpegs(plain: bytes, progressive: bytes) -> Iterator[tuple[str, bytes]]:
    for height, width in ((65500, 65500), (9400, 9400), (0, SIDE), (SIDE, 0), (13000, 13000)):
        data, at = bytearray(plain), plain.find(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
        yield f"{height}x{width}.jpg", bytes(data)
    data, at = bytearray(progressive), progressive.find(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", 9400, 9400)
    yield "progressive-9400.jpg", bytes(data)
    start = progressive.find(b"\xff\xda")
    yield "scans.jpg", progressive[:start] + (bytes.fromhex("ffda0008010100000000") + b"\0") * 20_000
    for orientation in (0, 9, 255, 65535):
        entry = struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, orientation, 0)
        exif = b"Exif\0\0II*\0" + entry
        block = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        yield f"turned-{orientation}.jpg", plain[:2] + block + plain[2:]
