"""The options have one owner: signature, types, checks and command line are held to it."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import fields
from pathlib import Path

import pytest

from dccausal import OptionError, explain, explain_many
from dccausal.cli.options.common import DECIDING, EXPLAIN, EXPLANATION, RUNNING
from dccausal.engine.option import meanings
from dccausal.engine.options import OPTION_NAMES, SETTING_NAMES, GivenOptions, Options, defaults
from dccausal.engine.profiles import PROFILES, Profile
from dccausal.runs import folder

DOCS = Path(__file__).parents[2] / "docs"


def keywords(function):
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def test_the_signature_of_explain_is_the_options_with_their_defaults():
    found = keywords(explain)
    assert set(found) == set(OPTION_NAMES)
    assert {name: parameter.default for name, parameter in found.items()} == defaults()


def test_the_types_for_other_functions_are_those_of_explain():
    found = {name: parameter.annotation for name, parameter in keywords(explain).items()}
    assert {name: kind.__forward_arg__ for name, kind in GivenOptions.__annotations__.items()} == found


def test_every_option_is_in_the_documentation_of_explain():
    text = inspect.getdoc(explain)
    for name in OPTION_NAMES:
        assert f"\n{name}\n    " in text, name


def test_the_command_line_has_every_option_that_can_be_typed():
    shown = {option.name: option for option in (*EXPLANATION, *RUNNING)}
    for options in (Options, Profile):
        for name, default, meaning in meanings(options):
            if not meaning.is_flag:
                assert name not in shown
                continue
            assert shown[name].help == meaning.help
            assert shown[name].default == (None if options is Profile else default)
    assert set(EXPLAIN) <= set(OPTION_NAMES)


def test_what_decides_a_result_is_what_a_run_is_held_to():
    assert set(DECIDING) == set(folder.DECIDING)
    assert {"threads", "in_flight", "batch_size", "progress"}.isdisjoint(DECIDING)
    assert set(SETTING_NAMES) < set(DECIDING)


@pytest.mark.parametrize("options", [Options, Profile], ids=lambda options: options.__name__)
def test_every_range_is_checked(options):
    def make(name, value):
        kinds = {"n": "several", "overlap": "several", "within": "complete"}
        beside = {"kind": kinds[name]} if name in kinds else {}
        if (name, value) == ("kind", "why-not"):
            beside = {"other": 1}
        return Options.of({**beside, name: value})

    for name, _, meaning in meanings(options):
        if meaning.kind is bool:
            bad = ["yes", 1]
        elif meaning.kind is str:
            bad = ["no such thing"] if meaning.choices else []
        else:
            step = 1 if meaning.kind is int else 0.001
            bad = ["1", True] + [low - step for low in [meaning.low] if low is not None]
            bad += [high + step for high in [meaning.high] if high is not None]
            bad += [meaning.low] if meaning.is_above else []
        for value in bad:
            with pytest.raises(OptionError, match=f"^{name} is .* needed$"):
                make(name, value)
        good = [meaning.low, meaning.high] if meaning.kind in (int, float) else list(meaning.choices)
        for value in good:
            if value is not None and not (meaning.is_above and value == meaning.low):
                make(name, value)


def test_settings_replace_those_of_the_profile():
    options = Options.of({"profile": "fast", "grid": 9})
    assert options.settings.grid == 9
    assert options.settings.partitions == PROFILES["fast"].partitions
    assert len(fields(Profile)) == len(SETTING_NAMES)


def test_what_is_no_option_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected options: partition"):
        explain_many([], lambda images: images, partition=3)


def test_the_page_of_options_is_what_the_library_says():
    spec = importlib.util.spec_from_file_location("options_page", DOCS / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == module.PAGE.read_text(encoding="utf-8")
