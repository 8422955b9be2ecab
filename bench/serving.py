"""
What a service costs beside ``explain()``, and how soon its page shows the first heat.

    python bench/serving.py [--n 20] [--model FILE] [--only latency|first_event|first_heat] [--record FOLDER]

``dccausal serve`` and ``explain()`` explain the packaged photograph by turns, with few calls: of the default model,
or of a small one, of which the search takes little.
First heat is the time from the choice of a photograph until the
page, in Chromium without a window, has drawn heat over it; and from the upload until the event comes. Appends rows to a
CSV file under bench/record/.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from recording import RECORDS, Others, write_record
from recording import shown as line

from dccausal import OnnxClassifier, explain, load_photo
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CALLS = 60


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", choices=("latency", "first_event", "first_heat"), action="append")
    parser.add_argument("--record", type=Path, default=RECORDS)
    options = parser.parse_args()
    model = options.model or default_model()
    buffer = io.BytesIO()
    demo_photo().save(buffer, "JPEG", quality=92)
    photo = buffer.getvalue()
    rows = []
    with served(model) as address:
        for measure in (latency, first_event, first_heat):
            if options.only and measure.__name__ not in options.only:
                continue
            others = Others()
            row = {"what": measure.__name__, "model": model.name, **measure(address, model, photo, options.n)}
            rows.append({**row, "n": options.n, "others": others.cores()})
            print(line(rows[-1]), flush=True)
    write_record("serving", rows, options.record)
    return 0


@contextmanager
def served(model: Path) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "dccausal",
        "serve",
        "--model",
        str(model),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            said = ""
            while not (found := re.search(r"serving on (\S+)/", said)):
                said += process.stderr.readline()  # type: ignore[union-attr]  it is a pipe
            while not is_ready(found[1]):
                time.sleep(0.1)
            yield found[1]
        finally:
            process.kill()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def latency(address: str, model: Path, photo: bytes, n: int) -> dict[str, Any]:
    """
    Medians of both, by turns, and of what either takes beside the search itself, whose time both tell.

    Other processes change the time of a search by more than a service adds, so that is left out of the difference.
    """
    classifier = OnnxClassifier(model, device="cpu")
    alone, asked, beside = [], [], []
    client = httpx.Client(timeout=120)  # a new one reads the system's certificates
    for _ in range(n + 1):
        start = time.perf_counter()
        found = explain(load_photo(photo), classifier, max_calls=CALLS)
        between = time.perf_counter()
        answer = client.post(
            f"{address}/v1/explanations", files={"photo": photo}, params={"max_calls": CALLS}
        )
        answer.raise_for_status()
        alone.append(between - start)
        asked.append(time.perf_counter() - between)
        own, there = found.statistics["seconds"], answer.json()["statistics"]["seconds"]
        beside.append((asked[-1] - there) - (alone[-1] - own))
    client.close()
    return {
        "explain_s": statistics.median(alone[1:]),
        "service_s": statistics.median(asked[1:]),
        "more_ms": 1000 * statistics.median(beside[1:]),
        "spread_ms": 1000 * (max(beside[1:]) - min(beside[1:])),
    }


def first_event(address: str, model: Path, photo: bytes, n: int) -> dict[str, Any]:  # noqa: ARG001  as the others
    """From the upload to the event."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        asked = httpx.stream(
            "POST",
            f"{address}/v1/explanations?drawn=true",
            files={"photo": photo},
            headers={"Accept": "text/event-stream"},
            timeout=120,
        )
        with asked as answer:
            next(text for text in answer.iter_lines() if text == "event: heat")
        times.append(time.perf_counter() - start)
        time.sleep(0.5)
    return {"service_s": statistics.median(times), "spread_ms": 1000 * (max(times) - min(times))}


def first_heat(address: str, model: Path, photo: bytes, n: int) -> dict[str, Any]:  # noqa: ARG001  as the others
    """From the choice of a file to heat on the page."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)))
    times = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        file = Path(folder) / "photo.jpg"
        file.write_bytes(photo)
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(n):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            start = time.perf_counter()
            page.set_input_files("#photo", file)
            page.wait_for_selector("#growing[data-heats]")
            times.append(time.perf_counter() - start)
            page.close()
            time.sleep(0.5)
        browser.close()
    return {"service_s": statistics.median(times), "spread_ms": 1000 * (max(times) - min(times))}


if __name__ == "__main__":
    sys.exit(main())
