"""The page of the service in a real browser: by drop, paste, choice and keys; it asks this service alone."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager

import numpy as np
import pytest

from dccausal import OnnxClassifier, explain
from dccausal.explanation.rle import rle_pixels
from pages import canvas_pixels, wait_until
from services import spotted


@contextmanager
def opened(browser, service, *, allowed=(), **context):
    """The page in a window; on the way out nothing may have been asked for elsewhere, or have gone wrong."""
    around = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **context}
    )
    page = around.new_page()
    page.set_default_timeout(20_000)
    trouble, requests = [], []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(service.address)
    page.wait_for_selector("html[data-ready]")
    yield page
    assert [text for text in trouble if not any(part in text for part in allowed)] == []
    assert {
        url.removeprefix(service.address) for url in requests if not url.startswith(("blob:", "data:"))
    } <= {
        "/",
        "/v1/explanations",
    }
    around.close()


def give(page, photo, name="photo.png"):
    page.set_input_files("#photo", {"name": name, "mimeType": "image/png", "buffer": photo})


def transfer(page, event, photo, field):
    """Let an event of the document bring a photograph."""
    page.evaluate(
        """([type, text, field]) => {
          const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], 'brought.png', { type: 'image/png' }));
          const event = new Event(type, { bubbles: true, cancelable: true });
          event[field] = transfer;
          document.dispatchEvent(event);
        }""",
        [event, base64.b64encode(photo).decode(), field],
    )


def drawn(page):
    page.wait_for_selector("#viewer:not([hidden])")
    page.wait_for_selector("#canvas[data-ready]")


def test_a_photograph_that_is_chosen_is_explained(browser, service):
    explained = explain(service.scene.photo, OnnxClassifier(service.scene.path, device="cpu"), max_calls=3000)
    with opened(browser, service) as page:
        assert page.locator("#go").is_disabled()
        give(page, service.photo)
        drawn(page)
        assert int(page.locator("#growing").get_attribute("data-heats")) >= 1
        assert page.locator("#viewer-title").text_content() == explained.name
        assert page.locator("#viewer-file").text_content() == "photo.png"
        with page.expect_download() as download:
            page.click("#downloads button:has-text('JSON')")
        found = json.loads(download.value.path().read_text())
        assert download.value.suggested_filename == "photo.json"
        assert np.array_equal(rle_pixels(found["kept_rle"], explained.kept.shape), explained.kept)
        with page.expect_download() as download:
            page.click("#downloads button:has-text('Overlay')")
        assert download.value.path().read_bytes().startswith(b"\x89PNG")
        page.keyboard.press("5")
        page.wait_for_selector('#canvas[data-ready*="photograph"]')
        photograph = canvas_pixels(page).astype(int)
        page.keyboard.press("3")
        page.wait_for_selector('#canvas[data-ready*="explanation"]')
        assert np.abs(canvas_pixels(page) - photograph).max() > 50


def test_levels_and_slider_are_those_of_a_report(browser, service):
    with opened(browser, service) as page:
        give(page, service.photo)
        drawn(page)
        assert page.locator("#levels button").all_text_contents() == ["0.9", "half", "label alone"]
        assert page.locator("#levels button[aria-pressed='true']").count() == 1
        page.focus("#share")
        page.keyboard.press("ArrowRight")
        assert page.locator("#share-text").text_content().startswith("best ")
        page.keyboard.press("e")
        assert page.locator("#share-text").text_content().startswith("the explanation")


@pytest.mark.parametrize(("event", "field"), [("drop", "dataTransfer"), ("paste", "clipboardData")])
def test_a_photograph_that_is_dropped_or_pasted_is_explained(browser, service, event, field):
    with opened(browser, service) as page:
        transfer(page, event, service.photo, field)
        drawn(page)
        assert page.locator("#viewer-file").text_content() == "brought.png"


def test_options_are_sent_and_another_label_is_a_click_away(browser, service):
    with opened(browser, service) as page:
        page.fill("#option-baseline", "#102030")
        page.select_option("#option-profile", "fast")
        page.click("#more-options summary")
        page.fill("#option-seed", "7")
        give(page, service.photo)
        drawn(page)
        told = page.locator("#viewer-details").text_content()
        assert "baseline#102030" in told
        assert "profilefast" in told
        assert "seed7" in told
        best = page.locator("#best button")
        assert best.first.get_attribute("aria-pressed") == "true"
        best.nth(1).click()
        page.wait_for_selector("#best button:nth-of-type(2)[aria-pressed='true'], #failure:not([hidden])")
        assert page.locator("#option-target").input_value() == best.nth(1).get_attribute("value")


def test_what_the_service_refuses_is_said(browser, service):
    with opened(browser, service, allowed=["422"]) as page:
        give(page, b"no photograph", "<b>note</b>.png")
        page.wait_for_selector("#failure:not([hidden])")
        assert "not an image" in page.locator("#failure").text_content()
        page.fill("#option-baseline", "nowhere")
        give(page, service.photo)
        page.wait_for_selector("#failure:has-text('nowhere')")
        page.fill("#option-baseline", "")
        page.click("#more-options summary")
        page.fill("#option-trees", "999")
        page.click("#go")
        assert (
            page.evaluate("document.activeElement.id") == "option-trees"
        )  # told by the browser, and not sent
        page.fill("#option-trees", "2")
        page.click("#go")
        drawn(page)
        assert page.locator("#views button:has-text('Causal tree')").is_visible()
        assert page.locator("#drop b, #viewer-file b").count() == 0


def test_it_works_by_keys_alone(browser, service):
    with opened(browser, service) as page:
        choosers = []
        page.on("filechooser", lambda one: choosers.append(one))  # noqa: PLW0108  a method has no room for marks
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "theme"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "photo"
        page.keyboard.press("Enter")
        while not choosers:
            page.wait_for_timeout(20)
        choosers[0].set_files({"name": "photo.png", "mimeType": "image/png", "buffer": service.photo})
        drawn(page)
        assert page.evaluate("document.activeElement.id") == "viewer-title"
        page.keyboard.press("2")
        page.wait_for_selector('#canvas[data-ready*="heatmap"]')
        page.focus("#option-baseline")
        page.keyboard.type("black")
        page.keyboard.press("Enter")
        page.wait_for_selector("#viewer-details td:text-is('black')", state="attached")
        drawn(page)
        assert "baselineblack" in page.locator("#viewer-details").text_content()


def test_escape_stops_the_work(browser, slow_service):
    with slow_service(0.01) as service, opened(browser, service) as page:
        page.select_option("#option-profile", "paper")
        give(page, spotted())
        page.wait_for_selector("#growing[data-heats]")
        assert "model calls" in page.locator("#told").text_content()
        page.keyboard.press("Escape")
        page.wait_for_selector("#failure:has-text('Stopped')")
        assert page.locator("#stop").is_hidden()
        wait_until(page, "document.documentElement.dataset.state === 'idle'")
        while service.metric("dccausal_running"):
            pass
        assert service.metric('dccausal_stopped_total{by="client"}') == 1


def test_a_key_is_asked_for(browser, slow_service):
    key = {"DCCAUSAL_API_KEY": "secret"}
    with slow_service(0, key) as service, opened(browser, service, allowed=["401"]) as page:
        give(page, spotted())
        page.wait_for_selector("#failure:has-text('key')")
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#failure:has-text('wrong')")
        page.fill("#key", "secret")
        page.keyboard.press("Enter")
        drawn(page)


def test_dark_and_on_a_phone(browser, service):
    phone = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "color_scheme": "dark"}
    with opened(browser, service, **phone) as page:
        for _ in range(2):
            assert page.evaluate("document.documentElement.scrollWidth") == 375
            give(page, service.photo)
            drawn(page)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, background[4:-1].split(", "))) < 100
        page.click("#theme")
        page.click("#theme")  # auto, light, dark
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_answer_of_a_kind_is_shown(browser, service):
    with opened(browser, service) as page:
        assert page.locator("#option-other").is_hidden()
        page.select_option("#option-kind", "why-not")
        assert page.locator("#option-other").is_visible()
        page.select_option("#option-kind", "necessary")
        assert page.locator("#option-other").is_hidden()
        give(page, service.photo)
        drawn(page)
        page.wait_for_selector("#kind:not([hidden])")
        assert page.locator("#kind canvas").evaluate("(canvas) => canvas.width") >= 64
        assert page.locator("#kind figcaption").text_content() == "Kind: necessary"
        page.select_option("#option-kind", "sufficient")
        page.click("#go")
        page.wait_for_selector("#kind[hidden]", state="attached")
        drawn(page)
