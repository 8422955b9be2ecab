"""Class names in files that people write by hand, copy from a program, or have beside them from other tools."""

from __future__ import annotations

import json

import pytest

from dccausal.errors import OptionError
from dccausal.onnx.reading.names import read_labels

NAMES = ("red", "green", "blue, dark", "none")
LISTED = "['red', 'green', 'blue, dark', 'none']"
DIGITS = ("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9")


def _objects(**named):
    return json.dumps({name: {"id": i, **named} for i, name in enumerate(NAMES)})


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dashes.txt", "0 - red\n1 - green\n2 - blue, dark\n3 - none\n"),
        ("bars.txt", "0|red\n1|green\n2|blue, dark\n3|none\n"),
        ("bars_headed.txt", "id|name\n1|green\n0|red\n2|blue, dark\n3|none\n"),
        ("round.txt", "(0) red\n(1) green\n(2) blue, dark\n(3) none\n"),
        ("called.txt", "class 0: red\nclass 1: green\nClass 2: blue, dark\nclass 3: none\n"),
        ("behind.txt", "red 0\nnone 3\ngreen 1\nblue, dark 2\n"),
        ("behind_round.txt", "red (0)\nnone (3)\ngreen (1)\nblue, dark (2)\n"),
        ("commas.txt", "0: red,\n1: green,\n2: blue, dark,\n3: none\n"),
        ("quotes.txt", '"red",\n"green",\n"blue, dark",\n"none",\n'),
        ("quotes_indexed.txt", "0: 'red',\n1: 'green',\n2: 'blue, dark',\n3: 'none'\n"),
        ("one_line.txt", '"red","green","blue, dark","none"\n'),
        ("one_line_tabs.txt", "red\tgreen\tblue, dark\tnone\n"),
        ("one_line_marks.txt", "red; green; blue, dark; none\n"),
        ("bullets.txt", "- red\n- green\n- blue, dark\n- none\n"),
        ("stars.txt", "* red\n* green\n* blue, dark\n* none\n"),
        ("yaml.txt", "names:\n  0: red\n  1: green\n  2: blue, dark\n  3: none\n"),
        ("ini.txt", "[labels]\n0=red\n1=green\n2=blue, dark\n3=none\n"),
        ("typed.py", f"CLASSES: list[str] = {LISTED}\n"),
        ("numpy.py", f"names = np.array({LISTED})\n"),
        ("numpy.txt", f"array({LISTED}, dtype='<U10')"),
        ("pandas.txt", f"Index({LISTED}, dtype='object')\n"),
        ("script.js", "export const CLASSES = {0: 'red', 1: 'green', 2: 'blue, dark', 3: 'none'};\n"),
        ("module.js", f"module.exports = {LISTED};\n"),
        ("edge.h", 'const char* categories[] = { "red", "green", "blue, dark", "none" };\n'),
        ("pairs.json", json.dumps([[i, NAMES[i]] for i in (2, 0, 3, 1)])),
        ("pairs_backwards.json", json.dumps([[NAMES[i], i] for i in (2, 0, 3, 1)])),
        (
            "objects_by_index.json",
            json.dumps({i: {"name": name, "colour": "#f00"} for i, name in enumerate(NAMES)}),
        ),
        ("objects_by_name.json", _objects(count=7)),
        ("data_set.json", json.dumps({"default": {"features": {"image": {}, "label": {"names": NAMES}}}})),
        ("count_first.csv", 'count,name\n120,red\n80,green\n7,"blue, dark"\n3,none\n'),
        ("count_by_chance.csv", 'count,id,name\n3,0,red\n0,1,green\n1,2,"blue, dark"\n2,3,none\n'),
        ("label_is_index.csv", 'name,count,label\nred,3,0\ngreen,0,1\n"blue, dark",1,2\nnone,2,3\n'),
    ],
)
def test_other_forms_of_label_files(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert read_labels(tmp_path / file) == NAMES


def test_folders_that_are_called_by_digits(tmp_path):
    """Keras and torchvision sort them as texts, so that the class after 1 is 10."""
    (tmp_path / "class_indices.json").write_text(json.dumps({name: i for i, name in enumerate(DIGITS)}))
    assert read_labels(tmp_path / "class_indices.json") == DIGITS


@pytest.mark.parametrize(
    "names",
    [
        ("class 0", "class 1", "class 2"),
        ("Boeing 707", "Boeing 737", "Airbus 320"),
        ("red, or so", "green"),
        ("cock's comb", "wolf"),
        ("f(x)", "g(x)"),
    ],
)
def test_what_belongs_to_the_names_stays(tmp_path, names):
    (tmp_path / "names.txt").write_text("\n".join(names))
    assert read_labels(tmp_path / "names.txt") == names


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("red\0\ngreen\0\n", "is no text"),
        ("<labels><label>red</label><label>green</label></labels>", "is XML or HTML"),
        ("CLASSES = [red, green, blue, none]", "begins like a list in a program and is none"),
        ("crane (bird, wading), crane (machine), wolf, fox", "brackets over the marks"),
        ("{'red', 'green', 'none'}", "holds no class names"),  # a set of Python's is in any order
        ("a" * 200_000, "cells that are no names"),
        ("0," + "a" * 200_000 + "\n1,b\n", "cells that are no names"),
    ],
)
def test_texts_that_hold_no_names(tmp_path, text, error):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(OptionError, match=error):
        read_labels(tmp_path / "names.txt")
