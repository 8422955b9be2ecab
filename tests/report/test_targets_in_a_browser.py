"""A report on boxes: each is framed in its photograph, and named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.report.target import target_of
from dccausal.report.write import write_report
from pages import canvas_pixels, open_photograph, opened_page
from planted_detector import ULTRALYTICS, box_of, detector, scene

SQUARES = [(0, 0, 12), (2, 60, 48)]
FAST = ("--device", "cpu", "--threads", "1", "--quiet", "--grid", "8", "--partitions", "1", "--halves", "0")
LINE = np.array([96, 214, 255])


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    place = tmp_path_factory.mktemp("boxes")
    (place / "model.onnx").write_bytes(detector(metadata=ULTRALYTICS))
    (place / "photos").mkdir()
    Image.fromarray(scene(SQUARES)).save(place / "photos" / "a.png")
    arguments = [place / "photos", "--model", place / "model.onnx", "--out", place / "run", "--box", "all"]
    assert main(["explain", *map(str, arguments), *FAST]) == 0
    return write_report(place / "run")["path"]


@pytest.fixture
def page(browser, boxes):
    yield from opened_page(browser, boxes)


def test_each_box_is_framed_and_named(page):
    titles = page.locator("#grid .card-title").all_text_contents()
    assert [title.split(", ")[1] for title in titles] == ["box 0", "box 1"]
    for index, title in enumerate(titles):
        open_photograph(page, index)
        assert page.locator("#viewer-title").text_content() == title
        facts = page.locator("#viewer-facts").text_content()
        assert "it counts as given while a box of the label" in facts
        square = next(square for square in SQUARES if f"({square[0]})" in title)
        pixels = canvas_pixels(page).astype(int)
        scale = pixels.shape[0] / 96
        framed = (np.abs(pixels - LINE).max(axis=2) < 40).nonzero()
        seen = np.array([framed[1].min(), framed[0].min(), framed[1].max() + 1, framed[0].max() + 1]) / scale
        np.testing.assert_allclose(seen, box_of(square), atol=1.5)
        page.keyboard.press("Escape")


@pytest.mark.parametrize(
    "target",
    [
        7,
        {"title": "a", "words": 3},
        {"title": "a", "words": "b", "box": {"left": 0, "top": 0, "right": "x", "bottom": 3}},
        {"title": "a", "words": "b", "mask_rle": {"size": [-1, 4], "counts": "0"}},
        {"title": "a", "words": "b", "mask_rle": {"size": [4, 4], "counts": "~~"}},
        {"title": "a", "words": "b", "mask_rle": 3},
    ],
)
def test_a_damaged_target_is_told(boxes, target):
    document = json.loads((boxes.parent / "images" / "a" / "box-0" / "result.json").read_text())
    assert target_of(document, (2.0, 1.0))[0]["box"][0] == pytest.approx(
        2 * document["target"]["box"]["left"]
    )
    with pytest.raises(ValueError, match="target"):
        target_of({**document, "target": target}, (1.0, 1.0))
