"""The page of a report in a real browser: it works, by mouse and by keys, and asks for nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dccausal.report.write import write_report
from pages import DAMAGED, HOSTILE, canvas_pixels, open_photograph, opened_page, wait_until


@pytest.fixture
def page(browser, report):
    """The report, open; on the way out nothing may have been asked for, said or shown."""
    yield from opened_page(browser, report.path)


def _files(page):
    return page.locator("#grid .card-file").all_text_contents()


def test_hostile_names_are_shown_as_they_are(page):
    assert sorted(_files(page)) == sorted([*HOSTILE, DAMAGED])
    for index in range(len(HOSTILE) + 1):
        page.goto(page.url.partition("#")[0] + f"#photograph-{index + 1}")
        page.wait_for_selector("#viewer:not([hidden])")
        assert page.locator("#viewer-file").text_content().endswith(".png")
    assert page.locator("body img, body b, body iframe").count() == 0


def test_class_names_are_text_in_cards_and_filters(page, report):
    titles = page.locator("#grid .card-title").all_text_contents()
    assert titles.count(report.name) == len(HOSTILE)
    assert f"{report.name} ({len(HOSTILE)})" in page.locator("#by-label option").all_text_contents()


def test_search_filters_and_order(page):
    page.fill("#search", "QUOTES")
    assert _files(page) == [HOSTILE[2]]
    assert page.locator("#count").text_content() == "1 of 6 photographs"
    page.fill("#search", "nowhere at all")
    assert page.locator("#nothing").is_visible()
    page.click("#clear")
    assert len(_files(page)) == 6
    page.select_option("#by-outcome", "failed")
    assert _files(page) == [DAMAGED]
    page.select_option("#by-outcome", "")
    page.select_option("#by-truth", "wrong")
    assert _files(page) == [HOSTILE[1]]
    page.select_option("#by-truth", "right")
    assert sorted(_files(page)) == sorted([HOSTILE[0], HOSTILE[2]])
    page.select_option("#by-truth", "")
    page.select_option("#by-size", "0.2-2")
    few = _files(page)
    page.select_option("#by-size", "")
    assert len(few) < 6


@pytest.mark.parametrize("key", ["size", "score"])
def test_order_by_numbers_has_failures_last_both_ways(page, report, key):
    values = {row["path"].rpartition("/")[2]: row[key] for row in report.rows}
    page.select_option("#sort", key)
    up = [values[name] for name in _files(page)]
    page.click("#direction")
    down = [values[name] for name in _files(page)]
    assert up[-1] is None
    assert down[-1] is None
    assert up[:-1] == sorted(up[:-1])
    assert down[:-1] == sorted(down[:-1], reverse=True)


def test_the_slider_shows_exactly_the_best_pixels(page, report):
    open_photograph(page, 0)
    page.keyboard.press("4")
    for step in (0, 137, 400, 1000):
        page.locator("#share").evaluate(
            "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }", step
        )
        share = (step / 1000) ** 2
        ready = page.evaluate("share => String(share)", share)
        page.wait_for_selector(f'#canvas[data-ready="0 masked {ready}"]')
        folder = report.run / report.rows[0]["folder"]
        heatmap = np.load(folder / "heatmap.npy")
        best = np.zeros(heatmap.size, bool)
        best[np.argsort(-heatmap.ravel(), kind="stable")[: round(share * heatmap.size)]] = True
        colour = json.loads((folder / "result.json").read_text())["baseline"]["colour"]
        shown = canvas_pixels(page)
        height, width = heatmap.shape
        rows = ((np.arange(height) + 0.5) * shown.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * shown.shape[1] / width).astype(int)
        is_baseline = (shown[rows][:, columns] == colour).all(axis=2)
        assert is_baseline[~best.reshape(heatmap.shape)].all()
        assert not is_baseline[best.reshape(heatmap.shape)].all() or not best.any()
    assert "best 100 %" in page.locator("#share").get_attribute("aria-valuetext")
    page.keyboard.press("e")
    page.wait_for_selector('#canvas[data-ready="0 masked kept"]')
    assert "the explanation" in page.locator("#share-text").text_content()


def test_five_views_by_click_and_by_key(page):
    open_photograph(page, 0)
    seen = {}
    for i, name in enumerate(("overlay", "heatmap", "explanation", "masked", "photograph")):
        page.keyboard.press(str(i + 1))
        page.wait_for_selector(f'#canvas[data-ready="0 {name} kept"]')
        by_key = canvas_pixels(page)
        page.locator(f'#views button[value="{name}"]').click()
        page.wait_for_selector(f'#views button[value="{name}"][aria-pressed="true"]')
        assert page.locator('#views button[aria-pressed="true"]').count() == 1
        assert np.array_equal(canvas_pixels(page), by_key)
        seen[name] = by_key
    names = list(seen)
    for i, name in enumerate(names):
        assert all(not np.array_equal(seen[name], seen[other]) for other in names[i + 1 :])


def test_the_whole_page_by_keys(page):
    page.keyboard.press("/")
    wait_until(page, "document.activeElement.id === 'search'")
    page.keyboard.press("Escape")
    page.locator("#grid a").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.index") == "1"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector('#canvas[data-ready^="1 "]')
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('#canvas[data-ready^="2 "]')
    assert page.locator("#place").text_content() == "3 of 6"
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector('#canvas[data-ready^="1 "]')
    page.locator("#share").focus()
    before = page.locator("#share").input_value()
    page.keyboard.press("ArrowRight")
    assert page.locator("#share").input_value() == str(int(before) + 1)
    page.keyboard.press("Escape")
    page.wait_for_selector("#gallery:not([hidden])")
    assert page.evaluate("document.activeElement.dataset.index") == "1"


def test_failures_say_why(page, report):
    index = next(row["index"] for row in report.rows if row["error"] is not None)
    page.locator(f'#grid a[data-index="{index}"]').click()
    page.wait_for_selector("#viewer:not([hidden])")
    assert not page.locator("#stage").is_visible()
    assert "ImageError" in page.locator("#viewer-facts").text_content()


def test_tables_and_curve_are_there(page):
    open_photograph(page, 0)
    assert page.locator("#curve svg .curve-line").count() == 1
    page.locator("#viewer-details summary").first.click()
    assert page.get_by_role("row", name="model calls", exact=False).first.is_visible()
    assert "score" in page.locator("#viewer-facts").text_content().lower()


def test_dark_and_light(page):
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_overflows(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    open_photograph(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pictures_are_drawn_as_they_come_into_view(page):
    page.set_viewport_size({"width": 320, "height": 300})
    page.reload()
    wait_until(page, "document.querySelectorAll('#grid canvas.is-drawn').length >= 2")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    wait_until(page, "document.querySelector('#grid li:last-child canvas').classList.contains('is-drawn')")


def test_print_has_every_picture(page):
    page.evaluate("window.print = () => { window.printed = true; }")
    page.click("#print")
    wait_until(page, "window.printed === true")
    assert page.locator("#grid canvas.is-drawn").count() == len(HOSTILE)
    assert len(page.pdf()) > 20_000


def test_a_report_without_trees_has_no_such_view(page):
    open_photograph(page, 0)
    page.keyboard.press("6")
    assert not page.locator('#views button[value="tree"]').is_visible()
    assert not page.locator("#tree").is_visible()
    assert page.locator("#last-view").text_content() == "5"


def test_one_result_opens_at_once(browser, report):
    path = write_report(report.run / report.rows[0]["folder"], photos=report.photos)["path"]
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#canvas[data-ready]")
    assert not page.locator("#back").is_visible()
    page.close()
