"""result.json against its JSON Schema, and kept_rle against decoders that are not ours."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dccausal import OnnxClassifier, explain
from dccausal.explanation.result import result_document
from dccausal.explanation.rle import coco_rle, rle_pixels
from result_schema import closed, schema

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def result(planted, tmp_path_factory):
    scene = planted("needs_a_and_b")
    explanation = explain(scene.photo, OnnxClassifier(scene.path, device="cpu"), partitions=2)
    folder = explanation.save(tmp_path_factory.mktemp("result"), cutout=True)
    return explanation, json.loads((folder / "result.json").read_text())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_results_follow_the_schema(result, planted):
    explanation, document = result
    jsonschema.validate(document, closed())
    jsonschema.validate(json.loads(json.dumps(result_document(explanation))), closed())
    scene = planted("needs_a_and_b")
    labels = OnnxClassifier(scene.path, device="cpu")
    unscored = explain(
        scene.photo, lambda images: labels(images).argmax(axis=1), partitions=1, baseline=["blur", "black"]
    )
    jsonschema.validate(result_document(unscored), closed())


def test_trees_follow_the_schema_and_the_document(planted):
    scene = planted("needs_a_and_b")
    classifier = OnnxClassifier(scene.path, device="cpu")
    recorded = json.loads(
        json.dumps(result_document(explain(scene.photo, classifier, partitions=3, trees=2, world="both")))
    )
    strict = closed()
    tree = strict["properties"]["trees"]["items"]
    tree["additionalProperties"] = False
    tree["properties"]["nodes"]["items"]["additionalProperties"] = False
    jsonschema.validate(recorded, strict)
    assert [tree["world"] for tree in recorded["trees"]] == ["contingency", "sufficient"]
    document = (Path(__file__).parents[2] / "docs" / "result-schema.md").read_text()
    rows = re.findall(r"^\| `trees\.nodes\.(\w+)` ", document, flags=re.MULTILINE)
    assert all(list(node) == rows for tree in recorded["trees"] for node in tree["nodes"])
    for wrong in ({"responsibility": 2}, {"parent": "0"}, {"region": [0, 0, 1]}, {"contingency": None}):
        damaged = copy.deepcopy(recorded)
        damaged["trees"][0]["nodes"][-1].update(wrong)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(damaged, schema())


def test_the_schema_allows_more_keys_and_nothing_else(result):
    _, document = result
    jsonschema.validate({**document, "new": 1}, schema())
    wrong = {
        "schema_version": 2,
        "outcome": "fine",
        "score": "high",
        "size": 1.5,
        "kept_rle": {"size": [4], "counts": "0"},
        "baseline": {"colour": [1, 2], "sha256": "0" * 64},
        "files": {"kept.png": "0"},
        "label": None,
        "levels": [{"confidence": 0.5}],
    }
    for key, value in wrong.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, key: value}, schema())
        without = copy.deepcopy(document)
        del without[key]
        if key not in ("files", "levels"):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(without, schema())


def _decode(rle):
    """Written from COCO's description alone: numbers of six bits a character, differences from the fourth on."""
    numbers, at, text = [], 0, rle["counts"]
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            character = ord(text[at]) - 48
            value |= (character & 31) << (5 * shift)
            more, at, shift = bool(character & 32), at + 1, shift + 1
            if not more and character & 16:
                value -= 1 << (5 * shift)
        numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
    flags = np.repeat(np.arange(len(numbers)) % 2 == 1, numbers)
    return flags.reshape(rle["size"], order="F")


SETS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(SETS)
def test_run_lengths_are_read_by_a_naive_decoder(kept):
    rle = json.loads(json.dumps(coco_rle(kept)))
    assert rle["size"] == list(kept.shape)
    np.testing.assert_array_equal(_decode(rle), kept)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, about NumPy 2
@given(SETS)
def test_run_lengths_are_those_of_pycocotools(kept):
    coco = pytest.importorskip("pycocotools.mask")
    assert (
        coco.encode(np.asfortranarray(kept.astype(np.uint8)))["counts"].decode() == coco_rle(kept)["counts"]
    )
    np.testing.assert_array_equal(coco.decode(coco_rle(kept)), kept)


@pytest.mark.parametrize("shape", [(224, 224), (1, 70000), (70000, 1), (384, 512)])
@given(seed=st.integers(0, 5))
def test_long_runs(shape, seed):
    rng = np.random.default_rng(seed)
    kept = np.zeros(shape, bool)
    kept.flat[rng.integers(0, kept.size) : rng.integers(0, kept.size)] = True
    np.testing.assert_array_equal(_decode(coco_rle(kept)), kept)
    np.testing.assert_array_equal(_decode(coco_rle(~kept)), ~kept)


def test_known_run_lengths():
    """By hand: three rows, two columns; the second column is kept but for its last pixel."""
    kept = np.array([[0, 1], [0, 1], [0, 0]], bool)
    assert coco_rle(kept) == {"size": [3, 2], "counts": "321"}
    # 0 out, 3 in, 2 out, then 1 - 3 = -2, whose lowest five bits are 30.
    assert coco_rle(~kept)["counts"] == "032" + chr(48 + 30)


@given(SETS)
def test_run_lengths_are_read_back(kept):
    np.testing.assert_array_equal(rle_pixels(coco_rle(kept), kept.shape), kept)


@pytest.mark.parametrize("counts", ["", "1", "99", "s", "3\x7f", "3P", "04", "\u00e9"])
def test_damaged_run_lengths_are_refused(counts):
    with pytest.raises(ValueError, match="run lengths"):
        rle_pixels({"size": [1, 3], "counts": counts}, (1, 3))


def test_result_json_keeps_what_kept_png_keeps(result):
    explanation, document = result
    np.testing.assert_array_equal(_decode(document["kept_rle"]), explanation.kept)
    assert len(document["levels"]) == len(explanation.levels) > 1
    for level, expected in zip(document["levels"], explanation.levels, strict=True):
        np.testing.assert_array_equal(_decode(level["kept_rle"]), expected.kept)
