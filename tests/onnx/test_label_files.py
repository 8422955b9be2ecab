"""Class names in every form that files have them in."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest

from dccausal.errors import OptionError, RuntimeMissingError
from dccausal.onnx.reading.label_text import names_in_label_map, names_in_text
from dccausal.onnx.reading.label_values import OneBased
from dccausal.onnx.reading.names import Known, read_labels
from small_models import build, on_cpu

NAMES = ("red", "green", "blue, dark", "none")
PBTXT = "".join(
    f'item {{\n  id: {i + 1}\n  name: "n{i}"\n  display_name: "{name}"\n}}\n' for i, name in enumerate(NAMES)
)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plain.txt", "\n".join(NAMES)),
        ("windows.txt", "\r\n".join(NAMES) + "\r\n"),
        ("shuffled.txt", "3 none\n0 red\n1 green\n2 blue, dark\n"),
        ("colons.txt", "0: red\n1: green\n2: blue, dark\n3: none\n"),
        ("tabs.txt", "0\tred\n1\tgreen\n2\tblue, dark\n3\tnone\n"),
        ("equals.txt", "0 = red\n1 = green\n2 = blue, dark\n3 = none\n"),
        ("wordnet.txt", "n00000001 red\nn00000002 green\nn00000003 blue, dark\nn00000004 none\n"),
        ("python.txt", "{0: 'red',\n 1: 'green', 2: 'blue, dark', 3: 'none'}"),
        ("list.txt", "['red', 'green', 'blue, dark', 'none']"),
        ("tuple.txt", "('red', 'green', 'blue, dark', 'none')\n"),
        ("source.txt", "CLASSES = ['red', 'green',\n 'blue, dark', 'none']\n"),
        ("fastai.txt", "(#4) ['red','green','blue, dark','none']"),
        ("numpy.txt", "['red' 'green' 'blue, dark'\n 'none']"),
        ("lines.txt", "".join(json.dumps({"id": i, "name": name}) + "\n" for i, name in enumerate(NAMES))),
        ("behind.txt", "red: 0\nnone: 3\ngreen: 1\nblue, dark: 2\n"),
        ("behind_equals.txt", "red=0\ngreen=1\nblue, dark=2\nnone=3\n"),
        ("arrows.txt", "0 -> red\n1 -> green\n2 -> blue, dark\n3 -> none\n"),
        ("dots.txt", "0. red\n1. green\n2. blue, dark\n3. none\n"),
        ("brackets.txt", "0) red\n1) green\n2) blue, dark\n3) none\n"),
        ("square.txt", "[0] red\n[1] green\n[2] blue, dark\n[3] none\n"),
        ("comments.txt", "# four classes\nred\ngreen\nblue, dark\nnone\n"),
        ("class_to_idx.json", json.dumps({"class_to_idx": {name: i for i, name in enumerate(NAMES)}})),
        ("vocab.json", json.dumps({"vocab": NAMES})),
        ("objects.yaml", "".join(f"- id: {i}\n  name: {name}\n" for i, name in enumerate(NAMES))),
        ("backwards.yaml", "names:\n" + "".join(f"  {name}: {i}\n" for i, name in enumerate(NAMES))),
        ("quotes.txt", '"red"\n"green"\n"blue, dark"\n"none"\n'),
        ("pairs.csv", '0,red\n1,green\n2,"blue, dark"\n3,none\n'),
        ("shuffled.csv", '2,"blue, dark"\n0,red\n3,none\n1,green\n'),
        ("heading.csv", 'index,name\n0,red\n1,green\n2,"blue, dark"\n3,none\n'),
        ("heading.tsv", "label\tid\nred\t0\nnone\t3\ngreen\t1\nblue, dark\t2\n"),
        ("names.csv", 'name\nred\ngreen\n"blue, dark"\nnone\n'),
        ("list.json", json.dumps(NAMES)),
        ("index.json", json.dumps(dict(enumerate(NAMES)))),
        ("class_indices.json", json.dumps({name: i for i, name in enumerate(NAMES)})),
        ("label2id.json", json.dumps({"label2id": {name: i for i, name in enumerate(NAMES)}})),
        (
            "config.json",
            json.dumps({"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}),
        ),
        (
            "objects.json",
            json.dumps([{"id": i, "name": name} for i, name in reversed(list(enumerate(NAMES)))]),
        ),
        ("unnumbered.json", json.dumps([{"label": name} for name in NAMES])),
        ("coco.json", json.dumps({"categories": [{"id": i, "name": name} for i, name in enumerate(NAMES)]})),
        ("classes.json", json.dumps({"classes": NAMES})),
        ("keras.json", json.dumps({i: [f"n{i}", name] for i, name in enumerate(NAMES)})),
        ("map.yaml", 'names:\n  0: red\n  1: green\n  2: "blue, dark"\n  3: none\n'),
        (
            "dataset.yaml",
            "path: ../data # where\nnc: 4\nnames:\n  - red\n  - green\n  - 'blue, dark'\n  - none\n",
        ),
        ("flow.yaml", "nc: 4\nnames: ['red', 'green', 'blue, dark', 'none']\n"),
        ("bare.yml", "- red\n- green\n- blue, dark\n- none\n"),
        ("map.pbtxt", PBTXT),
        ("wordnet.csv", '0,n00000001,red\n1,n00000002,green\n2,n00000003,"blue, dark"\n3,n00000004,none\n'),
        (
            "wordnet_last.csv",
            'red,n00000001,0\nnone,n00000004,3\ngreen,n00000002,1\n"blue, dark",n00000003,2\n',
        ),
        (
            "wordnet_first.txt",
            "n00000003 2 blue, dark\nn00000001 0 red\nn00000004 3 none\nn00000002 1 green\n",
        ),
        ("deeper.json", json.dumps({"model": {"size": 224, "labels": NAMES}, "version": 3})),
        ("deeper.yaml", "dataset:\n  names: [red, green, 'blue, dark', none]\n"),
    ],
)
def test_files_of_names(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert read_labels(tmp_path / file) == NAMES


def test_arrays_of_texts(tmp_path):
    np.save(tmp_path / "names.npy", np.array(NAMES))
    assert read_labels(tmp_path / "names.npy") == NAMES
    for array in (
        np.arange(4),
        np.array([NAMES, NAMES]),
        np.array(NAMES, object),
    ):  # the last would be unpickled
        np.save(tmp_path / "names.npy", array, allow_pickle=True)
        with pytest.raises(OptionError, match=r"names\.npy is no (list|array) of texts"):
            read_labels(tmp_path / "names.npy")
    heading = b"{'descr': '<U4', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    for content in (b"\x93NUMPY", b"\x93NUMPY\x01\x00\x76\x00" + heading):  # torn; of more than any memory
        (tmp_path / "names.npy").write_bytes(content)
        with pytest.raises(OptionError, match="is no array of texts"):
            read_labels(tmp_path / "names.npy")


def test_names_under_two_keys_are_not_chosen_between(tmp_path):
    (tmp_path / "two.json").write_text(
        json.dumps({"train": {"names": NAMES}, "test": {"names": NAMES[::-1]}})
    )
    with pytest.raises(OptionError, match="has a key that is no index"):
        read_labels(tmp_path / "two.json")


def test_words_that_yaml_has_values_for_stay_names(tmp_path):
    (tmp_path / "names.yaml").write_text("- yes\n- no\n- 012\n- 1e3\n")
    assert read_labels(tmp_path / "names.yaml") == ("yes", "no", "012", "1e3")


def test_yaml_without_its_package_says_how_to_install_it(tmp_path, monkeypatch):
    (tmp_path / "names.yaml").write_text("- a\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(RuntimeMissingError, match=r"PyYAML is not installed; .*dccausal\[yaml\]"):
        read_labels(tmp_path / "names.yaml")


def test_encodings(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "names.txt").write_text("rosé\nvert", encoding=encoding)
        assert read_labels(tmp_path / "names.txt") == ("rosé", "vert")


def test_one_line_with_commas(tmp_path):
    (tmp_path / "names.txt").write_text("red, green, blue, none")
    assert read_labels(tmp_path / "names.txt") == ("red", "green", "blue", "none")
    (tmp_path / "names.txt").write_text("crimson, red")  # one name and its synonym
    assert read_labels(tmp_path / "names.txt") == ("crimson, red",)


def test_numbers_that_belong_to_the_names_stay(tmp_path):
    (tmp_path / "names.txt").write_text("5 euro\n10 euro\n20 euro\n50 euro\n")
    assert read_labels(tmp_path / "names.txt") == ("5 euro", "10 euro", "20 euro", "50 euro")


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("gap.txt", "0: red\n1: green\n3: none\n", "does not name the classes 0 to 2 without gaps"),
        ("from_one.txt", "1 red\n2 green\n3 none\n", r"without gaps \(it begins at 1\)"),
        ("map_clsloc.txt", "n00000001 1 red\nn00000002 2 green\n", r"without gaps \(it begins at 1\)"),
        ("from_one.json", '{"1": "red", "2": "green"}', r"without gaps \(it begins at 1\)"),
        ("twice.csv", "0,red\n0,green\n", "without gaps"),
        ("numbers.json", "[0, 1, 2]", "entry 0 is 0; a class name is needed"),
        ("objects.json", '[{"a": 1}]', "objects without a name"),
        ("empty.yaml", "nc: 4\n", "does not name the classes"),
        ("torn.yaml", "names: [a, b", "is not YAML"),
        ("alias.yaml", "a: &a [x]\nnames: *a\n", "without references is needed"),
        ("deep.yaml", "[" * 60, "nested more than 40 deep"),
        ("pointer.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    ],
)
def test_what_is_not_told_is_refused(tmp_path, file, text, error):
    (tmp_path / file).write_text(text)
    with pytest.raises(OptionError, match=error):
        read_labels(tmp_path / file)


def test_a_label_map_may_leave_out_the_background(tmp_path):
    (tmp_path / "map.pbtxt").write_text(PBTXT)
    names = read_labels(tmp_path / "map.pbtxt")
    assert isinstance(names, OneBased)
    assert Known(names).settle(4, is_binary=False)[0] == NAMES
    assert Known(names).settle(5, is_binary=False)[0] == ("background", *NAMES)


def test_names_from_metadata_in_other_forms():
    for text in (
        "red\ngreen\nblue\nnone",
        "red,green,blue,none",
        '{"red": 0, "green": 1, "blue": 2, "none": 3}',
    ):
        assert on_cpu(build(metadata={"classes": text})).names == ("red", "green", "blue", "none")


@pytest.mark.parametrize(
    "made",
    [lambda n: "{0x" + "f" * n + ": 'a'}", lambda n: "item {" * n, lambda n: "item {" + "a" * n + "}"],
    ids=["hex", "items", "field"],
)
def test_hostile_texts_are_read_in_linear_time(made):
    def seconds(n):
        start = time.process_time()
        with pytest.raises(OptionError):
            _read(made(n))
        return time.process_time() - start

    few, many = min(seconds(4000) for _ in range(3)), seconds(32000)
    assert many < 24 * few + 0.2  # 64 times as long where each letter is a beginning


def _read(text):
    return names_in_label_map(text, "it") if text.startswith("item") else names_in_text(text, "it")
