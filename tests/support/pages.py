"""Reports in a real browser: opened, waited for, looked at."""

from __future__ import annotations

import base64
import io
import time

import numpy as np
from PIL import Image

# Names of files that a page must show as they are.
HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "<!--<script>alert(2)<svg onload=alert(2)>.png",
    "quotes \" ' ` &amp; {{script}}.png",
    "line\u2028paragraph\u2029.png",
    "\u202egnp.\u05e9\u05dc\u05d5\u05dd.png",
)
DAMAGED = "zz <b>damaged<b>.png"


def opened_page(browser, path):
    """Yield a report in a window; on the way out nothing may have been asked for, said or shown."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    trouble = []
    opened.on("console", lambda message: trouble.append(f"console: {message.text}"))
    opened.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    opened.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    requests = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(path.as_uri())
    opened.wait_for_selector("html[data-ready]")
    yield opened
    assert trouble == []
    assert [url for url in requests if not url.startswith(("data:", path.as_uri()))] == []
    context.close()


def wait_until(page, expression):
    """Wait until an expression is true; the page itself forbids waiting by evaluation in it."""
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.02)


def open_photograph(page, index):
    """Open a photograph of the gallery and wait until it is drawn."""
    page.locator(f'#grid a[data-index="{index}"]').click()
    page.wait_for_selector(f'#canvas[data-ready^="{index} "]')


def canvas_pixels(page):
    """Return the viewer's canvas, uint8 (H, W, 3)."""
    address = page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"))
