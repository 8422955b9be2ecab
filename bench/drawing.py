"""
What drawing a result costs by the size of the photograph, in CPU seconds and as a ratio to Pillow's own decoding.

    python bench/drawing.py [--sizes 4000x3000 6000x4000] [--n 5] [--record FOLDER]

Each size has a process of its own, so that the peak of its memory is known. Memory is given in photographs: Pillow
keeps four bytes a pixel, and the photograph itself is one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from recording import RECORDS, peak_mib, shown, write_record

from dccausal.assets.photo import demo_photo
from dccausal.explanation.pictures import cutout, overlay, picture
from dccausal.inputs.placement import Placement

SIZES = ("2000x1500", "4000x3000", "6000x4000", "9000x9000")
SIDE = 224


def result() -> tuple[np.ndarray, np.ndarray]:
    """A heatmap of three hills, and a tenth of the image kept, in two pieces."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    hills = ((0.4, 0.5, 0.02), (0.7, 0.3, 0.01), (0.2, 0.8, 0.03))
    heat = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / width) for a, b, width in hills)
    kept = np.zeros((SIDE, SIDE), dtype=bool)
    kept[63:119, 84:154] = kept[140:161, 42:91] = True
    return (heat / heat.max()).astype(np.float32), kept


def measure(size: tuple[int, int], n: int) -> dict[str, float]:
    buffer = io.BytesIO()
    demo_photo().resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    decoded = _best(lambda: Image.open(buffer).load(), n)
    photo = Image.open(buffer)
    photo.load()
    placement = Placement(size, (0, 0, *map(float, size)))
    heat, kept = result()
    with contextlib.suppress(OSError):  # from here on the peak is that of drawing
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_mib()
    row = {"megapixels": size[0] * size[1] / 1e6, "decode_s": decoded}
    for name, draw in {
        "overlay": lambda: overlay(photo, placement, heat, kept),
        "picture": lambda: picture(photo, placement, kept),
        "cutout": lambda: cutout(photo, placement, kept),
    }.items():
        row[f"{name}_s"] = _best(draw, n)
        row[f"{name}_ratio"] = row[f"{name}_s"] / decoded
    row["photographs"] = 1 + max(0.0, peak_mib() - before) / (4 * size[0] * size[1] / 2**20)
    return row


def _best(call, n: int) -> float:
    times = []
    for _ in range(n):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--n", type=int, default=5, help="times each is drawn; the best counts")
    parser.add_argument("--record", type=Path, default=RECORDS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        width, height = map(int, options.one.split("x"))
        print(json.dumps(measure((width, height), options.n)))
        return
    rows = []
    for size in options.sizes:
        command = [sys.executable, __file__, "--one", size, "--n", str(options.n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"photo": size, **json.loads(done.stdout)})
        print(shown(rows[-1]), flush=True)
    write_record("drawing", rows, options.record)


if __name__ == "__main__":
    main()
