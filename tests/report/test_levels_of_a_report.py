"""The nested sets in a report: read from the result, chosen by mouse and keys, told with their scores."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dccausal import Placement
from dccausal.cli.app import main
from dccausal.errors import InputError
from dccausal.explanation.record import AskedBaseline
from dccausal.report.item import load_result
from dccausal.report.write import write_report
from made_explanation import make_explanation, nested_levels
from pages import canvas_pixels, open_photograph, opened_page

_SEEN = {"size": [24, 32], "geometry": "crop", "mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three results: with levels, with a score alone that is next to nothing, and of before there were levels."""
    folder = tmp_path_factory.mktemp("levels")
    provenance = {"classifier": {"model": "model.onnx", "preprocess": _SEEN}}
    photo = folder / "photo.png"
    noise = np.random.default_rng(3).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    explanation = make_explanation(
        levels=nested_levels(),
        provenance=provenance,
        source=str(photo),
        photo=Image.fromarray(noise),
        placement=Placement((160, 90), (20.0, 0.0, 140.0, 90.0)),
    )
    explanation.photo.save(photo)
    several = tuple(
        AskedBaseline(name=name, image=explanation.baseline, score=score)
        for name, score in (("grey", 0.5), ("black", 0.625))
    )
    dataclasses.replace(explanation, baselines=several).save(folder / "results" / "a")
    weak = {"score": 0.98, "explanation_score": 0.005}
    dataclasses.replace(explanation, **weak, levels=()).save(folder / "results" / "b", caption=False)
    explanation.save(folder / "results" / "c")
    path = folder / "results" / "c" / "result.json"
    document = json.loads(path.read_text())
    del document["levels"]
    path.write_text(json.dumps(document | {"schema_minor": 2}))
    return folder


@pytest.fixture
def page(browser, made):
    yield from opened_page(browser, write_report(made / "results", title="Red <i>pandas")["path"])


def test_levels_are_read_from_the_result(made):
    result = load_result(made / "results" / "a")
    for level, expected in zip(result.levels, nested_levels(), strict=True):
        np.testing.assert_array_equal(level, expected.kept)
    assert load_result(made / "results" / "c").levels == []


@pytest.mark.parametrize(
    "wrong",
    [{"kept_rle": {"size": [24, 31], "counts": "0"}}, {"kept_rle": {"size": [24, 32], "counts": "1"}}],
)
def test_damaged_levels_are_told(made, tmp_path, wrong):
    shutil.copytree(made / "results" / "a", tmp_path / "a")
    path = tmp_path / "a" / "result.json"
    document = json.loads(path.read_text())
    document["levels"][0].update(wrong)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="run lengths"):
        load_result(tmp_path / "a")


@pytest.mark.parametrize(
    "wrong", ["grey", [1], [{"name": 3}], [{"name": "grey", "explanation_score": "high"}]]
)
def test_damaged_baselines_are_told(made, tmp_path, wrong):
    shutil.copytree(made / "results" / "a", tmp_path / "a")
    path = tmp_path / "a" / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"baselines": wrong}))
    with pytest.raises(InputError, match="baselines that can be shown"):
        load_result(tmp_path / "a")


@pytest.mark.parametrize("caption", [True, False])
def test_without_the_photograph_it_is_shown_as_the_explanation_has_it(tmp_path, caption):
    gone = make_explanation(levels=nested_levels(), source=str(tmp_path / "gone.png"))
    gone.save(tmp_path / "results" / "a", caption=caption)
    assert write_report(tmp_path / "results")["n_without_photo"] == 1
    assert write_report(tmp_path / "results")["damaged"] == []


def test_the_first_page_has_the_title_and_what_the_model_sees(page):
    assert page.locator("#title").text_content() == "Red <i>pandas"
    sees = page.locator("#sees").text_content()
    assert sees.startswith("What the model sees: short side resized, centre cut out (0.875 of it) to 32 x 24")
    assert page.locator("#look [aria-pressed=true]").text_content() == "Overlay"


def test_cards_show_what_the_model_saw_in_squares(page):
    page.wait_for_selector("#grid canvas.is-drawn")
    box = page.locator("#grid .card-picture").first.bounding_box()
    assert abs(box["width"] - box["height"]) < 1
    width, height = page.evaluate(
        "() => { const canvas = document.querySelector('#grid canvas'); return [canvas.width, canvas.height]; }"
    )
    assert width / height == pytest.approx(32 / 24, rel=0.01)


def test_scores_stand_beside_the_photographs_and_weak_ones_are_never_bold(page):
    told = page.locator("#grid .card-numbers span:last-child")
    assert told.all_text_contents() == [
        "0.50 alone (photograph: 0.75)",
        "only 0.005 alone (photograph: 0.98)",
        "0.50 alone (photograph: 0.75)",
    ]
    open_photograph(page, 1)
    weak = page.locator("#viewer-facts dd", has_text="0.005")
    assert weak.text_content() == "only 0.005 alone (photograph: 0.98)"
    assert int(weak.evaluate("part => getComputedStyle(part).fontWeight")) <= 400


def test_several_baselines_are_told_with_their_scores(page):
    open_photograph(page, 0)
    beside = page.locator("#viewer-facts dt", has_text="Beside").locator("xpath=following-sibling::dd")
    assert beside.text_content() == "grey 0.50, black 0.63the least of these scores counts"


@pytest.mark.parametrize("how", ["mouse", "keys"])
def test_the_switch_shows_exactly_the_pixels_of_a_level(page, how):
    open_photograph(page, 0)
    page.wait_for_selector('#canvas[data-ready="0 overlay kept"]')
    page.keyboard.press("4")
    buttons = page.locator("#levels button")
    assert buttons.all_text_contents() == ["0.9", "half", "label alone"]
    assert page.locator("#levels [aria-pressed=true]").text_content() == "half"
    for i, level in enumerate(nested_levels()):
        if how == "mouse":
            buttons.nth(i).click()
        else:
            buttons.nth(i).focus()
            page.keyboard.press("Enter")
        name = "kept" if i == 1 else f"level {i}"
        page.wait_for_selector(f'#canvas[data-ready="0 masked {name}"]')
        shown = canvas_pixels(page)
        rows = ((np.arange(24) + 0.5) * shown.shape[0] / 24).astype(int)
        columns = ((20 + 120 * (np.arange(32) + 0.5) / 32) * shown.shape[1] / 160).astype(int)
        is_masked = (shown[rows][:, columns] == 128).all(axis=2)
        np.testing.assert_array_equal(is_masked, ~level.kept)
        text = page.locator("#share-text").text_content()
        assert f"{100 * level.size:.1f} %" in text
        assert f"score {level.score:.2f} alone (photograph: 0.75)" in text
    page.locator("#share").evaluate(
        "slider => { slider.value = 500; slider.dispatchEvent(new Event('input')); }"
    )
    assert page.locator("#levels [aria-pressed=true]").count() == 0
    page.keyboard.press("e")
    page.wait_for_selector('#canvas[data-ready="0 masked kept"]')
    assert page.locator("#levels [aria-pressed=true]").text_content() == "half"


def test_every_level_is_outlined_on_the_overlay(page):
    open_photograph(page, 0)
    with_levels = canvas_pixels(page)
    open_page = page.url.partition("#")[0]
    page.goto(f"{open_page}#photograph-3")
    page.wait_for_selector('#canvas[data-ready="2 overlay kept"]')
    changed = (with_levels != canvas_pixels(page)).any(axis=2)
    height, width = changed.shape
    # The right sides of the outermost and the innermost set.
    ends = [width * (20 + 120 * column // 32) // 160 for column in (28, 16)]
    for end in ends:
        assert changed[height // 2 - 20 : height // 2 + 20, end - 14 : end + 14].any()
    assert not changed[: height // 4].any()


def test_results_of_before_there_were_levels_have_no_switch(page):
    open_photograph(page, 2)
    assert not page.locator("#levels").is_visible()
    assert page.locator("#reset").is_visible()
    assert not page.locator("#viewer-levels table").is_visible()


def test_what_minimal_means_is_said_as_in_the_summary(page):
    for number, says in (0, "that was asked for, or leaving a hole."), (1, "that was asked for."):
        open_photograph(page, number)
        assert page.locator("#viewer-facts").text_content().count(says) == 1
        page.keyboard.press("Escape")


def test_the_command_takes_a_title(made, tmp_path):
    out = tmp_path / "report.html"
    assert (
        main(["report", str(made / "results"), "--out", str(out), "--title", "Pandas at night", "--quiet"])
        == 0
    )
    assert '"title":"Pandas at night"' in out.read_text("ascii").replace('": "', '":"')
