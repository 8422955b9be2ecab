"""A report on many photographs: how large it is, and how soon it is open in a real browser.

Run ``python bench/report.py [--n 500] [--runs 5] [--keep FOLDER]``. It makes photographs of the packaged one (other
cuts, mirrored, with noise, 1,280 pixels wide), explains each with the default model and few calls, writes the report
with its curves, and opens it in Chromium without a window. "Open" is the time from asking for the page until its list
stands and the pictures in view are drawn; of the first photograph, from the click until it is drawn. Appends a row to a
CSV file under bench/record/. The exit code is 1 at 2 s or 100 MB. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, sync_playwright
from recording import machine

from dccausal import OnnxClassifier
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo
from dccausal.cli.app import main as dccausal
from dccausal.report.write import write_report

ROOT = Path(__file__).parents[1]
MOST_S, MOST_BYTES = 2.0, 100_000_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRAWN = """() => [...document.querySelectorAll('#grid canvas')].filter(canvas => {
    const box = canvas.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
}).every(canvas => canvas.classList.contains('is-drawn'))"""


def make_photos(folder: Path, n: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    photo = demo_photo()
    for i in range(n):
        left, top = rng.uniform(0, 90), rng.uniform(0, 60)
        cut = photo.resize((1280, 851), box=(left, top, left + 510, top + 339))
        cut = ImageOps.mirror(cut) if i % 2 else cut
        noisy = np.asarray(cut).astype(int) + rng.integers(-12, 13, (851, 1280, 3))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / f"p{i:04d}.jpg", quality=90)


def open_page(browser: Browser, path: Path) -> tuple[Page, float]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    started = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready]")
    while not page.evaluate(DRAWN):
        time.sleep(0.005)
    return page, time.perf_counter() - started


def measure(path: Path, n_runs: int) -> tuple[list[float], list[float], str]:
    """Return the seconds until the page is open, and until the first photograph is; and the browser's version."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is there")
    opened, viewed, version = [], [], ""
    with sync_playwright() as playwright:
        for _ in range(n_runs):
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page, seconds = open_page(browser, path)
            opened.append(seconds)
            started = time.perf_counter()
            page.locator("#grid a").first.click()
            page.wait_for_selector("#canvas[data-ready]")
            viewed.append(time.perf_counter() - started)
            version = browser.version
            browser.close()
    return opened, viewed, version


def record(row: dict[str, object]) -> Path:
    path = ROOT / "bench" / "record" / f"report-{row['date']}.csv"
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    return path


def trial(folder: Path, n: int, n_runs: int, max_calls: int) -> dict[str, object]:
    run = folder / "run"
    if not run.exists():
        make_photos(folder / "photos", n, np.random.default_rng(0))
    arguments = [
        "explain",
        str(folder / "photos"),
        "--out",
        str(run),
        "--device",
        "cpu",
        "--resume",
        "--quiet",
    ]
    if dccausal([*arguments, "--max-calls", str(max_calls)]):
        sys.exit("the photographs could not be explained")
    classifier = OnnxClassifier(default_model(), device="cpu")
    started = time.perf_counter()
    made = write_report(run, classifier=classifier)
    written_s = time.perf_counter() - started
    opened, viewed, browser_version = measure(made["path"], n_runs)
    return {
        "photographs": made["n_explained"],
        "bytes": made["n_bytes"],
        "written_with_curves_s": round(written_s, 1),
        "open_s_median": round(statistics.median(opened), 3),
        "open_s_most": round(max(opened), 3),
        "first_photograph_s_median": round(statistics.median(viewed), 3),
        "runs": n_runs,
        **machine(f"Chromium {browser_version}"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--max-calls", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="a new folder for the run, which is left there")
    given = parser.parse_args()
    if given.keep is not None:
        row = trial(given.keep, given.n, given.runs, given.max_calls)
    else:
        with tempfile.TemporaryDirectory() as folder:
            row = trial(Path(folder), given.n, given.runs, given.max_calls)
    print(
        f"{row['photographs']} photographs, {row['bytes']:,} bytes, open in {row['open_s_median']} s (median), "
        f"{row['open_s_most']} s (most)"
    )
    print(f"recorded in {record(row).name}")
    return 1 if row["open_s_most"] >= MOST_S or row["bytes"] >= MOST_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
