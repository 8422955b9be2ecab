"""An explanation checks what it is made of, cannot be changed, and writes files that a script can read."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dccausal import InputError, OutputError
from made_explanation import make_explanation, nested_levels

_DOCUMENT = Path(__file__).parents[2] / "docs" / "result-schema.md"
_FILES = ["explanation.png", "heatmap.npy", "heatmap.png", "kept.png", "overlay.png", "result.json"]
_HOSTILE = '<script>alert("1")</script>&\x1b[31m\udcff'


def test_size_and_masked_follow_from_kept():
    explanation = make_explanation()
    assert explanation.size == 8 * 16 / (24 * 32)
    np.testing.assert_array_equal(explanation.masked, ~explanation.kept)


def test_ranking_is_best_first_and_ties_go_by_index():
    heatmap = np.zeros((24, 32), dtype=np.float32)
    heatmap.flat[[5, 3, 700]] = 1, 0.5, 0.5
    ranking = make_explanation(heatmap=heatmap).ranking()
    assert ranking.dtype == np.int64
    assert ranking[:6].tolist() == [5, 3, 700, 0, 1, 2]
    assert sorted(ranking) == list(range(24 * 32))


def test_an_explanation_is_frozen_and_its_arrays_are_its_own():
    heatmap = np.full((24, 32), 0.5, dtype=np.float32)
    explanation = make_explanation(heatmap=heatmap)
    heatmap[0, 0] = 0
    assert explanation.heatmap[0, 0] == 0.5
    for field in ("heatmap", "kept", "image", "baseline"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(explanation, field)[0, 0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.label = 4


def test_numbers_become_plain_ones():
    explanation = make_explanation(label=np.int64(3), score=np.float32(0.75), notes=["a"])
    assert type(explanation.label) is int
    assert type(explanation.score) is float
    assert explanation.notes == ("a",)


_F32, _U8 = np.float32, np.uint8


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"heatmap": np.zeros((24, 32))}, "heatmap must be (24, 32) float32, got (24, 32) float64"),
        ({"heatmap": np.zeros((24, 32, 1), _F32)}, "heatmap must be (H, W) float32, got (24, 32, 1)"),
        ({"kept": np.zeros((32, 24), bool)}, "kept must be (24, 32) bool, got (32, 24) bool"),
        ({"image": np.zeros((24, 32), _U8)}, "image must be (24, 32, 3) uint8, got (24, 32) uint8"),
        ({"baseline": np.zeros((24, 32, 3))}, "baseline must be (24, 32, 3) uint8, got (24, 32, 3) float64"),
        ({"heatmap": np.full((24, 32), 1.5, _F32)}, "heatmap has values from 1.5 to 1.5; 0 to 1 is needed"),
        (
            {"heatmap": np.full((24, 32), np.nan, _F32)},
            "heatmap has values from nan to nan; 0 to 1 is needed",
        ),
        (
            {"outcome": "fine"},
            "outcome is 'fine'; one of minimal, sufficient, trivial, insufficient is needed",
        ),
        ({"photo": Image.new("RGB", (9, 9))}, "photo is (9, 9) RGB; (120, 90) RGB is needed"),
        ({"photo": Image.new("L", (120, 90))}, "photo is (120, 90) L; (120, 90) RGB is needed"),
    ],
)
def test_fields_that_do_not_fit(fields, text):
    with pytest.raises(InputError) as caught:
        make_explanation(**fields)
    assert str(caught.value) == text


def test_pictures_can_be_looked_at_and_have_captions():
    explanation = make_explanation(levels=nested_levels())
    for draw in (explanation.overlay, explanation.picture):
        captioned, plain = draw(), draw(caption=False)
        assert plain.size == (640, 480)
        assert captioned.width == 640
        assert captioned.height > 540
        assert captioned.crop((0, 0, 640, 480)).tobytes() == plain.tobytes()
        assert draw(contour="none", caption=False).tobytes() != plain.tobytes()
        assert draw(contour="dashed", caption=False).tobytes() != plain.tobytes()
    assert explanation.cutout().size == (120, 90)
    assert explanation.masked_picture().size == (32, 24)
    assert explanation.overlay(colormap="viridis").tobytes() != explanation.overlay().tobytes()
    without = make_explanation()
    assert without.overlay(caption=False).tobytes() != explanation.overlay(caption=False).tobytes()
    assert without.picture(caption=False).tobytes() != explanation.picture(caption=False).tobytes()


def test_summary_says_all_that_matters_on_one_screen():
    text = make_explanation(notes=("word " * 60,)).summary()
    lines = text.splitlines()
    assert lines[0] == "photos/panda.jpg"
    assert lines[1] == "  label     red panda (3), score 0.750"
    assert lines[2] == "  kept      16.7 % of the pixels (128 of 768), score 0.50 alone (photograph: 0.75)"
    assert "minimal: none of its blocks on the 28 x 28 grid" in text
    assert "1,234 model calls in 2.5 s" in text
    assert max(map(len, lines)) <= 100
    assert len(lines) < 24


def test_summary_of_labels_alone_has_no_scores():
    text = make_explanation(score=math.nan, explanation_score=math.nan, name=None, source=None).summary()
    assert "nan" not in text
    assert text.startswith("an image\n  label     3\n")


def test_summary_cannot_steer_a_terminal():
    text = make_explanation(name=_HOSTILE, source=_HOSTILE, notes=(_HOSTILE,)).summary()
    assert all(character.isprintable() or character == "\n" for character in text)


def test_repr_is_one_line():
    assert repr(make_explanation()) == (
        "<Explanation of photos/panda.jpg: red panda (3), score 0.75, minimal, 16.7% kept, 1234 model calls>"
    )


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.open, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_notebooks_show_both_pictures_and_load_nothing():
    text = make_explanation()._repr_html_()
    page = _Page(text)
    assert not page.open
    assert "red panda (3): panda.jpg" in page.text
    assert "1,234 model calls" in page.text
    assert "score 0.750" in page.text
    assert not re.search(r"https?:|url\(|src=\"(?!data:)", text)
    assert len(page.images) == 2
    for image in page.images:
        head, _, content = image["src"].partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert picture.size == (360, 270)  # of a picture of 640 x 480


def test_notebooks_are_safe_against_hostile_names():
    text = make_explanation(name=_HOSTILE, source=f"a/{_HOSTILE}", notes=(_HOSTILE,))._repr_html_()
    text.encode()
    page = _Page(text)
    assert set(page.tags) == {"div", "strong", "figure", "img", "figcaption", "table", "tr", "th", "td"}
    assert '<script>alert("1")</script>' in page.text  # as text
    assert "\x1b" not in text


def test_the_picture_for_notebooks_is_a_png():
    for fields in ({}, {"name": _HOSTILE}, {"score": math.nan}):
        with Image.open(io.BytesIO(make_explanation(**fields)._repr_png_())) as image:
            assert image.format == "PNG"
            assert image.width == 16 + 2 * 416


def test_saving_writes_exactly_the_documented_files(tmp_path):
    explanation = make_explanation()
    folder = explanation.save(tmp_path / "new" / "folder")
    assert folder == tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == _FILES
    np.testing.assert_array_equal(np.load(folder / "heatmap.npy"), explanation.heatmap)
    for name, picture in (("overlay.png", explanation.overlay()), ("explanation.png", explanation.picture())):
        with Image.open(folder / name) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(picture))
    with Image.open(folder / "kept.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), explanation.kept * np.uint8(255))


def test_saving_draws_as_it_is_told(tmp_path):
    explanation = make_explanation()
    how = {"colormap": "cividis", "alpha": 0.5, "contour": "dashed", "caption": False}
    explanation.save(tmp_path, **how, cutout=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*_FILES, "cutout.png"])
    expected = {
        "overlay.png": explanation.overlay(**how),
        "explanation.png": explanation.picture(contour="dashed", caption=False),
        "cutout.png": explanation.cutout(),
    }
    for name, picture in expected.items():
        with Image.open(tmp_path / name) as image:
            assert image.mode == picture.mode
            np.testing.assert_array_equal(np.asarray(image), np.asarray(picture))
    assert "cutout.png" in json.loads((tmp_path / "result.json").read_text())["files"]
    explanation.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == _FILES


def test_the_heatmap_is_there_as_an_image_of_16_bits(tmp_path):
    explanation = make_explanation()
    with Image.open(explanation.save(tmp_path) / "heatmap.png") as image:
        assert image.mode == "I;16"
        values = np.asarray(image)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, np.rint(explanation.heatmap.astype(float) * 65535))
    assert values.max() == 65535


def test_the_same_explanation_is_the_same_bytes(tmp_path):
    first, second = make_explanation().save(tmp_path / "1"), make_explanation().save(tmp_path / "2")
    for name in _FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_baseline_that_is_no_colour_is_saved_and_a_stale_one_removed(tmp_path):
    blurred = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    make_explanation(baseline=blurred).save(tmp_path)
    with Image.open(tmp_path / "baseline.png") as image:
        np.testing.assert_array_equal(np.asarray(image), blurred)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["baseline"] == {"colour": None, "sha256": hashlib.sha256(blurred.tobytes()).hexdigest()}
    make_explanation().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == _FILES


def test_result_json_says_what_the_explanation_says(tmp_path):
    explanation = make_explanation(levels=nested_levels())
    document = json.loads((explanation.save(tmp_path) / "result.json").read_text())
    assert document["schema_minor"] == 7
    assert [level["confidence"] for level in document["levels"]] == [0.9, 0.5, 0]
    assert [level["score"] for level in document["levels"]] == [0.7, 0.5, 0.25]
    assert [level["size"] for level in document["levels"]] == [level.size for level in explanation.levels]
    assert document["levels"][1]["kept_rle"] == document["kept_rle"]
    for key in ("outcome", "label", "name", "score", "explanation_score", "size", "statistics", "provenance"):
        assert document[key] == getattr(explanation, key)
    assert document["notes"] == ["A note."]
    assert document["image"]["path"] == "photos/panda.jpg"
    assert document["image"]["sha256"] == hashlib.sha256(explanation.image.tobytes()).hexdigest()
    assert document["baseline"]["colour"] == [128, 128, 128]
    for name, digest in document["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert sorted([*document["files"], "result.json"]) == _FILES


def _documented_keys():
    """Rows of the tables on result.json: | `key` | type | ... |."""
    text = _DOCUMENT.read_text().partition("## Checking a result")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", text, flags=re.MULTILINE)
    return {key: {kind.strip() for kind in kinds.split(" or ")} for key, kinds in rows}


_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "object": dict,
    "list": list,
}


def test_result_json_has_the_documented_keys_and_types_and_no_others(tmp_path):
    document = json.loads((make_explanation().save(tmp_path) / "result.json").read_text())
    documented = _documented_keys()
    open_objects = {"levels", "baselines", "target", "kind", "statistics", "trees", "provenance", "files"}
    found = dict(document)
    for key, value in document.items():
        if isinstance(value, dict) and key not in open_objects:
            found |= {f"{key}.{inner}": item for inner, item in value.items()}
    found |= {f"image.box.{side}": value for side, value in document["image"]["box"].items()}
    listed = [key for key in documented if key.split(".")[0] not in open_objects or key in open_objects]
    assert sorted(found) == sorted(listed)
    assert [key for key in documented if "." not in key] == list(document)
    for key, value in found.items():
        assert any(isinstance(value, _TYPES[kind]) for kind in documented[key]), key


def test_levels_have_the_documented_keys(tmp_path):
    document = json.loads(
        (make_explanation(levels=nested_levels()).save(tmp_path) / "result.json").read_text()
    )
    documented = {
        key.partition(".")[2]: kinds for key, kinds in _documented_keys().items() if key[:7] == "levels."
    }
    for level in document["levels"]:
        assert list(level) == [key for key in documented if "." not in key]
        for key, value in level.items():
            assert any(isinstance(value, _TYPES[kind]) for kind in documented[key]), key


def test_what_json_does_not_know_is_made_plain(tmp_path):
    statistics = {
        "nan": math.nan,
        "inf": [np.float32(np.inf)],
        "array": np.arange(3),
        "path": Path("a/b"),
        "tuple": (1, np.int64(2), np.bool_(True)),
        5: object,
    }
    folder = make_explanation(score=math.nan, source=_HOSTILE, statistics=statistics).save(tmp_path)
    text = (folder / "result.json").read_bytes().decode("ascii")
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["score"] is None
    assert document["image"]["path"] == _HOSTILE
    assert document["statistics"] == {
        "nan": None,
        "inf": [None],
        "array": [0, 1, 2],
        "path": "a/b",
        "tuple": [1, 2, True],
        "5": str(object),
    }


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        make_explanation().save(tmp_path / "file")
