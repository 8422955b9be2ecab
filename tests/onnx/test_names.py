"""Class names from files, sequences and metadata."""

from __future__ import annotations

import json

import pytest

from dccausal.errors import OptionError
from dccausal.onnx.reading.names import Known, names_in_metadata, read_labels

NAMES = ("tench, Tinca tinca", "it's", "Schlüssel")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.txt", "tench, Tinca tinca\n it's \nSchlüssel\n\n\n"),
        ("names.txt", "\ufefftench, Tinca tinca\r\nit's\r\nSchlüssel"),
        ("names", "tench, Tinca tinca\nit's\nSchlüssel\n"),
        ("list.json", json.dumps(NAMES)),
        ("object.JSON", json.dumps({"2": NAMES[2], "0": NAMES[0], "1": NAMES[1]})),
        (
            "config.json",
            json.dumps({"model_type": "vit", "id2label": {str(i): n for i, n in enumerate(NAMES)}}),
        ),
        ("keras.json", json.dumps({str(i): [f"n{i}", n] for i, n in enumerate(NAMES)})),
    ],
)
def test_files(tmp_path, file, text):
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    assert read_labels(tmp_path / file) == NAMES
    assert read_labels(str(tmp_path / file)) == NAMES


@pytest.mark.parametrize("labels", [NAMES, list(NAMES), {2: NAMES[2], 0: NAMES[0], 1: NAMES[1]}])
def test_sequences_and_mappings(labels):
    assert read_labels(labels) == NAMES


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], "labels holds no class names; one name a line, a JSON list"),
        ({}, "labels holds no class names|does not name the classes"),
        (7, "labels holds no class names"),
        (["a", 3], "labels: entry 1 is 3; a class name is needed"),
        (["a", " "], "labels: entry 1 is ' '; a class name is needed"),
        ({0: "a", 2: "c"}, "labels does not name the classes 0 to 1 without gaps"),
        ({"a": "b"}, "labels has a key that is no index"),
    ],
)
def test_what_is_no_list_of_names(labels, text):
    with pytest.raises(OptionError, match=text):
        read_labels(labels)


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("names.txt", b"", r"names\.txt holds no class names"),
        ("names.txt", b"a\n\nb\n", r"names\.txt: entry 1 is ''; a class name is needed"),
        ("names.txt", b"\xff\xfe\x00", r"names\.txt is not UTF-8 text; one name a line"),
        ("names.json", b"{", r"names\.json is not JSON \(.*\); one name a line"),
        ("names.json", b'"name"', r"names\.json holds no class names"),
        ("names.json", b"[" * 100_000, r"names\.json is not JSON"),
        ("names.json", b'{"0": []}', r"names\.json: entry 0 is \[\]; a class name is needed"),
    ],
)
def test_damaged_files(tmp_path, file, content, text):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(OptionError, match=text):
        read_labels(tmp_path / file)


def test_missing_files(tmp_path):
    with pytest.raises(OptionError, match=r"labels: .*none\.txt cannot be read \(No such file"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(OptionError, match=r"cannot be read"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": json.dumps(NAMES)},
        {"names": repr(dict(enumerate(NAMES)))},
        {"names": "an alias", "id2label": json.dumps({str(i): n for i, n in enumerate(NAMES)})},
        {"classes": repr(list(NAMES))},
    ],
)
def test_metadata(metadata):
    assert names_in_metadata(metadata) == NAMES


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"names": ""},
        {"names": "resnet"},
        {"names": "3"},
        {"names": "__import__('os').getcwd()"},
        {"names": "(" * 100_000},
        {"names": "[" * 100_000},
        {"names": "{0: 'a', 5: 'b'}"},
        {"labels": '{"key": 1}'},
    ],
)
def test_metadata_that_means_something_else(metadata):
    assert names_in_metadata(metadata) is None


def test_names_are_brought_in_line_with_the_classes():
    assert Known(None, None).settle(3, is_binary=False) == (None, None)
    assert Known(NAMES, ("x",)).settle(3, is_binary=False) == (NAMES, None)
    assert Known(None, NAMES).settle(3, is_binary=False) == (NAMES, None)
    assert Known(("cat",), None).settle(2, is_binary=True) == (("not cat", "cat"), None)
    assert Known(("no", "yes"), None).settle(2, is_binary=True) == (("no", "yes"), None)
    thousand = tuple(map(str, range(1000)))
    assert Known(thousand, None).settle(1001, is_binary=False) == (("background", *thousand), None)


def test_names_that_do_not_fit():
    with pytest.raises(
        OptionError,
        match=r"1 names \(labels, or prompts\) were given; the model has 2 classes, as many are needed",
    ):
        Known(("cat",), None).settle(2, is_binary=False)
    names, note = Known(None, NAMES).settle(4, is_binary=False)
    assert names is None
    assert note == "the model's metadata names 3 classes, but the model has 4: the names are not used"
