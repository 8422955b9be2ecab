"""The causal trees of a report in a real browser, by mouse and by keys."""

from __future__ import annotations

import numpy as np
import pytest

from pages import canvas_pixels, open_photograph, opened_page


@pytest.fixture
def tree_page(browser, recorded):
    """The report with causal trees, at the first photograph's."""
    for opened in opened_page(browser, recorded.path):
        open_photograph(opened, 0)
        opened.keyboard.press("6")
        opened.wait_for_selector('#canvas[data-ready="0 tree 0 0"]')
        yield opened


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
