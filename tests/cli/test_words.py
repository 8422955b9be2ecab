"""The small parts of which the command line is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from dccausal import (
    ClassifierError,
    DeviceError,
    ImageError,
    OptionError,
    OutputError,
    Progress,
    RuntimeMissingError,
)
from dccausal._shared.text import duration
from dccausal.cli.display import describe_progress
from dccausal.cli.failures import describe_error, exit_code_of
from dccausal.runs.images import plan_folders


def test_folders_are_named_after_photographs_and_never_shared():
    images = ["a/x.jpg", "b/x.png", "X.jpg", "x-2.jpg", "x-2.png", ".png", "y"]
    names = [folder.name for folder in plan_folders(images, Path("out"))]
    assert names == ["x", "x-2", "X-3", "x-2-2", "x-2-3", ".png", "y"]
    assert len({name.casefold() for name in names}) == len(names)
    assert plan_folders(["x.jpg"], Path("out")) == [Path("out/x")]


def test_exit_codes_tell_bad_input_from_failure():
    bad = [ImageError(""), OptionError(""), RuntimeMissingError(""), DeviceError("")]
    assert {exit_code_of(error) for error in bad} == {2}
    assert {exit_code_of(error) for error in (ClassifierError(""), OutputError(""), ValueError(""))} == {1}


def test_what_is_not_an_error_of_ours_is_called_a_bug():
    assert describe_error(KeyError("x")).startswith("KeyError: 'x' (this is a bug in dccausal")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7810, "2 h 10 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_progress_in_words():
    assert describe_progress(Progress("search", 500, 1500, 5.0)) == ("500 calls", "100/s", "10 s left")
    assert describe_progress(Progress("growth", 1500, None, 10.0)) == ("1,500 calls", "150/s", "")
    assert describe_progress(Progress("check", 0, None, 0.0)) == ("0 calls", "", "")
