"""Options from a file and from the environment say what the command line would say, in a fixed order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dccausal.cli.app import main
from dccausal.cli.failures import describe_error
from dccausal.cli.options.common import EXPLANATION, JSON, MODEL, OUTPUT, RUN, RUNNING
from dccausal.cli.options.config import read_environment, read_file
from dccausal.errors import OptionError

TABLE = (*MODEL, *EXPLANATION, *RUNNING, *RUN, JSON, *OUTPUT)
NAMES = {option.name for option in TABLE}
COMMANDS = ("explain", "inspect", "evaluate", "plant", "demo")
# Another value than the default for every option, as TOML and as Python.
VALUES = {str: ('"text"', "text"), int: ("25", 25), float: ("0.25", 0.25), bool: ("true", True)}


@pytest.fixture
def folder(tmp_path, planted, monkeypatch):
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, tmp_path / "model.onnx")
    (tmp_path / "photos").mkdir()
    shutil.copy(scene.photo, tmp_path / "photos" / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _file(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return str(path)


def _values(path):
    return {name: item.value for name, item in read_file(path, TABLE, NAMES, "explain", COMMANDS).items()}


def _manifest(out, *arguments):
    assert main(["explain", "photos", "--out", out, "--device", "cpu", "-q", *map(str, arguments)]) == 0
    manifest = json.loads((Path(out) / "manifest.json").read_text())
    return manifest["options"]


def test_every_option_can_be_given_by_file_and_by_variable(tmp_path):
    lines = [f"{option.name.replace('_', '-')} = {VALUES[option.kind][0]}" for option in TABLE]
    expected = {
        option.name: [VALUES[str][1]] if option.is_list else VALUES[option.kind][1] for option in TABLE
    }
    assert _values(_file(tmp_path, "\n".join(lines))) == expected
    variables = {
        f"DCCAUSAL_{name.upper()}": ";".join(value) if isinstance(value, list) else str(value)
        for name, value in expected.items()
    }
    found = read_environment(TABLE, NAMES, variables)
    assert {name: item.value for name, item in found.items()} == expected
    assert all(type(item.value) is type(expected[name]) for name, item in found.items())


def test_a_run_is_the_same_wherever_its_options_come_from(folder, monkeypatch):
    given = [
        "--model",
        "model.onnx",
        "--partitions",
        3,
        "--min-side",
        0.5,
        "--seed",
        7,
        "--baseline",
        "9,8,7",
    ]
    by_options = _manifest("one", *given, "--no-refine-equal")
    assert (by_options["partitions"], by_options["seed"], by_options["refine_equal"]) == (3, 7, False)
    text = 'model = "model.onnx"\npartitions = 3\nmin-side = 0.5\nseed = 7\nbaseline = "9,8,7"\n'
    path = _file(folder, text + "refine_equal = false\n")
    assert _manifest("two", "--config", path) == by_options
    monkeypatch.setenv("DCCAUSAL_CONFIG", path)
    assert _manifest("three") == by_options
    monkeypatch.delenv("DCCAUSAL_CONFIG")
    values = {"model": "model.onnx", "partitions": 3, "min_side": 0.5, "seed": 7, "baseline": "9,8,7"}
    for name, value in (values | {"refine_equal": "no"}).items():
        monkeypatch.setenv(f"DCCAUSAL_{name.upper()}", str(value))
    assert _manifest("four") == by_options


def test_the_command_line_comes_before_the_environment_before_the_file_before_the_default(
    folder, monkeypatch
):
    path = _file(folder, "model = 'model.onnx'\nseed = 1\npartitions = 1\nmin_confidence = 0.125\n")
    monkeypatch.setenv("DCCAUSAL_SEED", "2")
    monkeypatch.setenv("DCCAUSAL_PARTITIONS", "2")
    monkeypatch.setenv("DCCAUSAL_GRID", "")  # an empty one says nothing
    options = _manifest("run", "--config", path, "--partitions", 3)
    told = {name: options[name] for name in ("partitions", "seed", "min_confidence", "grid")}
    assert told == {"partitions": 3, "seed": 2, "min_confidence": 0.125, "grid": None}


def test_a_switch_of_the_file_can_be_turned_off_again(folder, capsys):
    path = _file(folder, "model = 'model.onnx'\npartitions = 1\njson = true\nquiet = true\n")
    arguments = ["explain", "photos/photo.png", "--device", "cpu", "--config", path]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("{")
    assert main([*arguments, "--no-json", "--no-quiet"]) == 0
    assert capsys.readouterr().out.startswith("photos/photo.png\n")


def test_a_file_for_several_commands(tmp_path):
    text = "seed = 1\nmethods = 'rise'\n[explain]\nseed = 2\ntarget = 207\n[evaluate]\nseed = 3\n[inspect]\n"
    path = _file(tmp_path, text)
    known = {*NAMES, "methods"}
    read = {
        command: {k: item.value for k, item in read_file(path, TABLE, known, command, COMMANDS).items()}
        for command in ("explain", "evaluate", "plant")
    }
    assert read["explain"] == {"seed": 2, "target": "207"}
    assert (read["evaluate"], read["plant"]) == ({"seed": 3}, {"seed": 1})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("partitons = 3", "run.toml: no option is called 'partitons'; partitions, perhaps, is needed"),
        ("xyzzy = 3", "run.toml: no option is called 'xyzzy'; a name that --help lists is needed"),
        ("[explain]\nshape = 'box'", "run.toml: [explain]: no option is called 'shape'; "),
        ("[explian]\nseed = 1", "run.toml: no option is called 'explian'; "),
        ("seed = 1.5", "run.toml: seed is 1.5; a whole number is needed"),
        ("seed = true", "run.toml: seed is True; a whole number is needed"),
        ("seed = '1'", "run.toml: seed is '1'; a whole number is needed"),
        ("min-confidence = 'half'", "run.toml: min-confidence is 'half'; a number is needed"),
        ("resume = 1", "run.toml: resume is 1; true or false is needed"),
        ("target = ['a']", "run.toml: target is ['a']; a string is needed"),
        (
            "min-side = 0.1\nmin_side = 0.2",
            "run.toml: min_side is there twice, with hyphens and with underscores; ",
        ),
        ("seed = -1", "run.toml: seed is -1; a whole number from 0 to 18446744073709551615 is needed"),
        ("partitions = 0", "run.toml: partitions is 0; a whole number from 1 to 4096 is needed"),
        ("[explain]\ntop-k = 0", "run.toml: [explain]: top-k is 0; a whole number of at least 1 is needed"),
        ("profile = 'quick'", "run.toml: profile is 'quick'; one of "),
        ("labels = 'none.txt'", "run.toml: labels: none.txt cannot be read"),
        ("seed 1", "--config run.toml is not TOML ("),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(folder, capsys, text, error):
    _file(folder, f"{text}\n")
    arguments = ["explain", "photos/photo.png", "-m", "model.onnx", "--device", "cpu", "-q"]
    assert main([*arguments, "--config", "run.toml"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {error}".rstrip())
    assert told.count("\n") == 1
    assert not (folder / "explanations").exists()


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("DCCAUSAL_SED", "1", "DCCAUSAL_SED is set, but no option has that name; DCCAUSAL_SEED, perhaps, "),
        (
            "DCCAUSAL_FOO",
            "1",
            "DCCAUSAL_FOO is set, but no option has that name; a name that --help lists is needed",
        ),
        ("DCCAUSAL_seed", "1", "DCCAUSAL_seed is set, but no option has that name; "),
        ("DCCAUSAL_SEED", "x", "DCCAUSAL_SEED is 'x'; a whole number is needed"),
        ("DCCAUSAL_RESUME", "maybe", "DCCAUSAL_RESUME is 'maybe'; true or false is needed"),
        (
            "DCCAUSAL_WORLD",
            "moon",
            "DCCAUSAL_WORLD is 'moon'; one of intact, contingency, sufficient, both is needed",
        ),
        ("DCCAUSAL_MAX_CALLS", "3", "DCCAUSAL_MAX_CALLS is 3; a whole number of at least 20 is needed"),
        ("DCCAUSAL_CONFIG", "no.toml", "DCCAUSAL_CONFIG: no.toml cannot be read (No such file"),
    ],
)
def test_what_is_wrong_with_the_environment_is_one_line(folder, monkeypatch, capsys, variable, value, error):
    monkeypatch.setenv(variable, value)
    assert main(["explain", "photos/photo.png", "-m", "model.onnx", "-q"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {error}")
    assert told.count("\n") == 1
    assert not (folder / "explanations").exists()


@pytest.mark.usefixtures("folder")
def test_an_error_names_who_really_gave_the_value(monkeypatch, capsys):
    monkeypatch.setenv("DCCAUSAL_SEED", "-1")
    arguments = ["explain", "photos/photo.png", "-m", "model.onnx", "-q"]
    assert main([*arguments, "--seed", "-2"]) == 2
    assert capsys.readouterr().err.startswith("error: --seed is -2; ")
    assert describe_error(OptionError("grid is 0; 1 is needed"), {"seed": "S"}).startswith("--grid is 0")


def test_variables_that_are_no_options_of_this_command_are_passed_over(tmp_path):
    variables = {"DCCAUSAL_CACHE": "/x", "DCCAUSAL_METHODS": "rise", "DCCAUSALITY": "1", "DCCAUSAL_SEED": ""}
    assert read_environment(TABLE, {*NAMES, "methods"}, variables) == {}
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(OptionError, match="is not TOML"):
        _values(str(path))
    with pytest.raises(OptionError, match="cannot be read"):
        _values(str(tmp_path))


@pytest.mark.parametrize("command", ["inspect", "evaluate", "plant", "demo"])
def test_every_command_takes_them(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    arguments = [] if command == "demo" else ["x"]
    monkeypatch.setenv("DCCAUSAL_THREADS", "many")
    assert main([command, *arguments]) == 2
    assert capsys.readouterr().err == "error: DCCAUSAL_THREADS is 'many'; a whole number is needed\n"
    monkeypatch.delenv("DCCAUSAL_THREADS")
    assert main([command, *arguments, "--config", _file(tmp_path, "threads = 'many'")]) == 2
    assert "run.toml: threads is 'many'; a whole number is needed" in " ".join(
        capsys.readouterr().err.split()
    )
