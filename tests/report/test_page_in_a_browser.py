"""The page of a report in a real browser: it works, by mouse and by keys, and asks for nothing."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.report.write import write_report
from pages import canvas_pixels, open_photograph, opened_page, wait_until

_FAST = ("--partitions", "4", "--device", "cpu", "--threads", "1", "--quiet")
_HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "<!--<script>alert(2)<svg onload=alert(2)>.png",
    "quotes \" ' ` &amp; {{script}}.png",
    "line\u2028paragraph\u2029.png",
    "\u202egnp.\u05e9\u05dc\u05d5\u05dd.png",
)
_DAMAGED = "zz <b>damaged<b>.png"


@pytest.fixture(scope="module")
def report(tmp_path_factory, planted):
    """A report on hostile names, with a truth, curves and a photograph that failed."""
    folder = tmp_path_factory.mktemp("page")
    scene = planted("needs_a_and_b")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    for name in _HOSTILE:
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(photos / name, format="PNG")
    (photos / _DAMAGED).write_bytes(b"no image")
    n_classes = OnnxClassifier(scene.path, device="cpu").n_classes
    names = ["</script><img src=x onerror=alert(3)>\u2028\"'", "\u05d0</script><script>alert(4)</script>"]
    labels = folder / "labels.json"
    labels.write_text(json.dumps((names * n_classes)[:n_classes]))
    run = folder / "run"
    arguments = ["--out", str(run), "-m", str(scene.path), "--labels", str(labels)]
    assert main(["explain", str(photos), *arguments, *_FAST]) == 2
    truth = folder / "truth.csv"
    lines = (run / "results.jsonl").read_text().splitlines()
    rows = sorted(map(json.loads, lines), key=lambda row: row["index"])
    label = next(row["label"] for row in rows if row["error"] is None)
    quoted = [name.replace('"', '""') for name in _HOSTILE[:3]]
    lines = [f'"{name}",{label + (i == 1)}\n' for i, name in enumerate(quoted)]
    truth.write_text("file,label\n" + "".join(lines))
    classifier = OnnxClassifier(scene.path, device="cpu")
    path = write_report(run, truth=truth, classifier=classifier)["path"]
    return SimpleNamespace(
        path=path,
        run=run,
        photos=photos,
        rows=rows,
        name=names[label % 2].split(",")[0],
        model=str(scene.path),
        labels=str(labels),
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, report):
    """A report on one photograph of a hostile name with its causal trees, and on one without."""
    folder = tmp_path_factory.mktemp("trees")
    for i, more in enumerate((["--trees", "3", "--world", "both"], [])):
        arguments = [*more, "-m", report.model, "--labels", report.labels, "--out", str(folder / "results")]
        photo = folder / f"{i}{_HOSTILE[0]}"
        shutil.copy(report.photos / _HOSTILE[0], photo)
        assert main(["explain", str(photo), *arguments, *_FAST]) == 0
    path = write_report(folder / "results")["path"]
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/result.json"))]
    return SimpleNamespace(path=path, trees=documents[0]["trees"], image=documents[0]["image"])


@pytest.fixture
def page(browser, report):
    """The report, open; on the way out nothing may have been asked for, said or shown."""
    yield from opened_page(browser, report.path)


@pytest.fixture
def tree_page(browser, recorded):
    """The report with causal trees, at the first photograph's."""
    for opened in opened_page(browser, recorded.path):
        open_photograph(opened, 0)
        opened.keyboard.press("6")
        opened.wait_for_selector('#canvas[data-ready="0 tree 0 0"]')
        yield opened


def _files(page):
    return page.locator("#grid .card-file").all_text_contents()


def test_hostile_names_are_shown_as_they_are(page):
    assert sorted(_files(page)) == sorted([*_HOSTILE, _DAMAGED])
    for index in range(len(_HOSTILE) + 1):
        page.goto(page.url.partition("#")[0] + f"#photograph-{index + 1}")
        page.wait_for_selector("#viewer:not([hidden])")
        assert page.locator("#viewer-file").text_content().endswith(".png")
    assert page.locator("body img, body b, body iframe").count() == 0


def test_class_names_are_text_in_cards_and_filters(page, report):
    titles = page.locator("#grid .card-title").all_text_contents()
    assert titles.count(report.name) == len(_HOSTILE)
    assert f"{report.name} ({len(_HOSTILE)})" in page.locator("#by-label option").all_text_contents()


def test_search_filters_and_order(page):
    page.fill("#search", "QUOTES")
    assert _files(page) == [_HOSTILE[2]]
    assert page.locator("#count").text_content() == "1 of 6 photographs"
    page.fill("#search", "nowhere at all")
    assert page.locator("#nothing").is_visible()
    page.click("#clear")
    assert len(_files(page)) == 6
    page.select_option("#by-outcome", "failed")
    assert _files(page) == [_DAMAGED]
    page.select_option("#by-outcome", "")
    page.select_option("#by-truth", "wrong")
    assert _files(page) == [_HOSTILE[1]]
    page.select_option("#by-truth", "right")
    assert sorted(_files(page)) == sorted([_HOSTILE[0], _HOSTILE[2]])
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
    assert page.locator("#grid canvas.is-drawn").count() == len(_HOSTILE)
    assert len(page.pdf()) > 20_000


def test_the_tree_is_shown_only_where_it_was_recorded(tree_page):
    assert tree_page.locator('#views button[value="tree"]').is_visible()
    assert not tree_page.locator("#chooser").is_visible()
    assert tree_page.locator("#last-view").text_content() == "6"
    tree_page.keyboard.press("ArrowRight")
    tree_page.wait_for_selector('#canvas[data-ready="1 overlay kept"]')
    assert not tree_page.locator("#tree, #views button[value=tree]").first.is_visible()
    assert not tree_page.locator("#tree").is_visible()
    assert tree_page.locator("#chooser").is_visible()
    tree_page.keyboard.press("6")
    assert not tree_page.locator("#tree").is_visible()


def test_a_report_without_trees_has_no_such_view(page):
    open_photograph(page, 0)
    page.keyboard.press("6")
    assert not page.locator('#views button[value="tree"]').is_visible()
    assert not page.locator("#tree").is_visible()
    assert page.locator("#last-view").text_content() == "5"


def test_the_list_is_the_tree(tree_page, recorded):
    for at, tree in enumerate(recorded.trees):
        tree_page.select_option("#tree-choice", str(at))
        tree_page.locator("#tree-list [role=treeitem]").first.focus()
        for node in range(len(tree["nodes"])):  # opens whatever is closed on the way
            tree_page.keyboard.press("Home")
            shut = tree_page.locator('#tree-list [aria-expanded="false"]')
            if node and not shut.count():
                break
            if shut.count():
                shut.first.locator("> .tree-row > .twist").click()
        items = tree_page.locator("#tree-list [role=treeitem]")
        assert items.count() == len(tree["nodes"])
        for i in range(items.count()):
            item = items.nth(i)
            node = tree["nodes"][int(item.get_attribute("data-node"))]
            assert int(item.get_attribute("aria-level")) == node["depth"] + 1
            assert (item.get_attribute("aria-expanded") is not None) == node["is_refined"]
            if node["depth"]:
                value = f"1/{round(1 / node['responsibility'])}" if node["responsibility"] else "0"
                said = item.get_attribute("aria-label").split(", ")[1]
                assert said == value.replace("1/1", "1")
            above = tree_page.evaluate(
                "id => document.querySelector(`[data-node='${id}']`).parentElement.closest('li')?.dataset.node",
                item.get_attribute("data-node"),
            )
            assert above == (None if node["parent"] is None else str(node["parent"]))


def test_the_tree_by_keys(tree_page):
    tree_page.locator("#tree-list [role=treeitem]").first.focus()

    def chosen():
        return tree_page.evaluate("Number(document.activeElement.dataset.node)")

    tree_page.keyboard.press("ArrowRight")
    assert chosen() == 1
    tree_page.wait_for_selector('#canvas[data-ready="0 tree 0 1"]')
    tree_page.keyboard.press("ArrowUp")
    assert chosen() == 0
    tree_page.keyboard.press("ArrowLeft")
    assert tree_page.locator("#tree-list [role=treeitem]").count() == 1
    assert tree_page.locator("#tree-list [role=treeitem]").get_attribute("aria-expanded") == "false"
    tree_page.keyboard.press("Enter")
    tree_page.keyboard.press("End")
    assert chosen() > 0
    for _ in range(9):
        tree_page.keyboard.press("ArrowLeft")
    assert chosen() == 0
    assert tree_page.locator("#tree-list [tabindex='0']").count() == 1
    assert tree_page.locator("#viewer").is_visible()
    tree_page.keyboard.press("e")
    tree_page.wait_for_selector('#canvas[data-ready="0 explanation kept"]')
    assert not tree_page.locator("#tree").is_visible()


def test_a_chosen_part_is_highlighted_with_its_contingency(tree_page, recorded):
    at, index, node = next(
        (at, i, node)
        for at, tree in enumerate(recorded.trees)
        for i, node in enumerate(tree["nodes"])
        if node["depth"] == 1 and node["contingency"]
    )
    tree_page.select_option("#tree-choice", str(at))
    tree_page.wait_for_selector(f'#canvas[data-ready="0 tree {at} 0"]')
    before = canvas_pixels(tree_page).astype(int)
    tree_page.locator(f'#tree-list [data-node="{index}"] > .tree-row').click()
    tree_page.wait_for_selector(f'#canvas[data-ready="0 tree {at} {index}"]')
    change = np.abs(canvas_pixels(tree_page).astype(int) - before).max(axis=2)
    height, width = change.shape
    scale = height / recorded.image["height"], width / recorded.image["width"]

    def share(i, inset):
        top, left, bottom, right = recorded.trees[at]["nodes"][i]["region"]
        rows = slice(round(top * scale[0]) + inset, round(bottom * scale[0]) - inset)
        columns = slice(round(left * scale[1]) + inset, round(right * scale[1]) - inset)
        return (change[rows, columns] > 8).mean()

    assert all(share(i, 20) > 0.5 for i in node["contingency"])
    assert share(index, 20) == 0
    assert share(index, 0) > 0
    others = set(range(1, 5)) - {index, *node["contingency"]}
    assert all(share(i, 20) == 0 for i in others)
    assert "masked" in tree_page.locator("#tree-says").text_content()


def test_a_click_on_the_picture_chooses_the_part(tree_page, recorded):
    nodes = recorded.trees[0]["nodes"]
    index, node = max(
        ((i, node) for i, node in enumerate(nodes) if not node["is_refined"]),
        key=lambda pair: pair[1]["depth"],
    )
    box = tree_page.locator("#canvas").bounding_box()
    top, left, bottom, right = node["region"]
    x = box["width"] * (left + right) / 2 / recorded.image["width"]
    y = box["height"] * (top + bottom) / 2 / recorded.image["height"]
    tree_page.locator("#canvas").click(position={"x": x, "y": y})
    tree_page.wait_for_selector(f'#canvas[data-ready="0 tree 0 {index}"]')
    assert tree_page.locator(f'#tree-list [data-node="{index}"]').get_attribute("aria-selected") == "true"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_tree_does_not_overflow(tree_page, width):
    tree_page.set_viewport_size({"width": width, "height": 800})
    tree_page.locator("#tree-list [role=treeitem]").first.focus()
    tree_page.keyboard.press("End")
    assert tree_page.evaluate("document.documentElement.scrollWidth") <= width
    assert tree_page.evaluate(
        "() => { const list = document.getElementById('tree-list'); return list.scrollWidth <= list.clientWidth; }"
    )
    assert tree_page.locator("body img, body iframe").count() == 0


def test_one_result_opens_at_once(browser, report):
    path = write_report(report.run / report.rows[0]["folder"], photos=report.photos)["path"]
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#canvas[data-ready]")
    assert not page.locator("#back").is_visible()
    page.close()
