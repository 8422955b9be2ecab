"""What a result says and shows of the sets of a kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from dccausal import InputError, Placement
from dccausal.explanation.kind_words import kind_rows
from dccausal.explanation.kinds import Kind, KindSet
from dccausal.explanation.result import kind_of, result_document
from made_explanation import make_explanation
from result_schema import closed

_DOCUMENT = Path(__file__).parents[2] / "docs" / "result-schema.md"
FIRST, SECOND = np.zeros((24, 32), dtype=bool), np.zeros((24, 32), dtype=bool)
FIRST[4:12, 4:14], SECOND[12:22, 18:30] = True, True


def made(**fields):
    photo = Image.new("RGB", (640, 480), (240, 120, 60))
    placement = Placement(photo_size=(640, 480), box=(0.0, 0.0, 640.0, 480.0))
    first = KindSet(
        pixels=FIRST,
        outcome="minimal",
        score_alone=0.5,
        keeps=True,
        score_without=0.2,
        loses=True,
        label_without=2,
        name_without="otter, river otter",
        top_score_without=0.4,
    )
    kind = {"name": "several", "exists": True, "sets": (first, KindSet(pixels=SECOND, outcome="unfinished"))}
    return make_explanation(photo=photo, placement=placement, kind=Kind(**{**kind, **fields}))


def test_the_sets_are_shown_and_the_rest_is_dark(tmp_path):
    explanation = made()
    drawn = np.asarray(explanation.kind_picture(caption=False)).astype(int)
    assert drawn.shape == (480, 640, 3)
    for (row, column), is_shown in {
        (160, 180): True,
        (340, 480): True,
        (60, 500): False,
        (400, 100): False,
    }.items():
        assert (drawn[row, column] == (240, 120, 60)).all() == is_shown
    assert explanation.kind_picture().size[1] > 480
    explanation.save(tmp_path)
    assert "kind.png" in json.loads((tmp_path / "result.json").read_text())["files"]
    make_explanation().save(tmp_path)
    assert not (tmp_path / "kind.png").exists()
    assert make_explanation().kind_picture() is None


def test_result_json_has_the_sets_and_is_read_again():
    explanation = made()
    document = json.loads(json.dumps(result_document(explanation)))
    properties = closed()["properties"]
    jsonschema.validate(document["kind"], properties["kind"])
    text = _DOCUMENT.read_text()
    for prefix, keys in {"kind": document["kind"], "kind.sets": document["kind"]["sets"][0]}.items():
        assert re.findall(rf"^\| `{prefix}\.(\w+)` ", text, flags=re.MULTILINE) == list(keys)
    again = kind_of(document["kind"], (24, 32))
    assert kind_rows(again) == kind_rows(explanation.kind)
    for one, other in zip(again.sets, explanation.kind.sets, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.outcome == other.outcome
    assert kind_of(None, (24, 32)).name == "sufficient"


def test_the_summary_has_a_line_a_set():
    text = made().summary()
    assert "  kind      several, sufficient sets that lie apart: found\n" in text
    assert (
        "  set 1     10.4 % of the pixels, minimal; alone: the label, 0.50; without: otter (2), 0.40\n"
        in text
    )
    assert "  set 2     15.6 % of the pixels, unfinished\n" in text
    assert "kind" not in make_explanation().summary()
    asked = made(name="why-not", other=2, other_name="otter", sets=(), exists=False).summary()
    assert "why-not, what would have to go for otter (2): there seems to be none, see the notes" in asked


def test_sets_of_another_shape_are_refused():
    one = KindSet(pixels=np.ones((3, 4), dtype=bool), outcome="minimal")
    with pytest.raises(InputError, match=r"sets have pixels of \(3, 4\); \(24, 32\) is needed"):
        made(sets=(one,))
    with pytest.raises(InputError, match="outcome is 'fine'; one of minimal, unfinished, refuted is needed"):
        KindSet(pixels=FIRST, outcome="fine")
    with pytest.raises(InputError, match="kind is 'odd'; one of sufficient, several"):
        Kind(name="odd")


def test_nobody_can_write_to_a_set():
    with pytest.raises(ValueError, match="read-only"):
        made().kind.sets[0].pixels[0, 0] = True
