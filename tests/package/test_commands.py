"""
What the documents name is there: commands, targets of make, files, rooms.

Every ``dccausal ...`` and ``make ...`` that the project writes down is parsed, and not run.
"""

from __future__ import annotations

import os
import re
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from dccausal import PROFILES
from dccausal.methods import METHODS

typer = pytest.importorskip("typer", reason="the command line is not installed")

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    *sorted((ROOT / ".github").rglob("*.yml")),
    *sorted(path for path in (ROOT / ".ci").glob("*") if path.is_file()),
    *(path for path in [ROOT / "Makefile"] if path.is_file()),
]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for room in ("bench", "examples", "models") for path in (ROOT / room).rglob("*.md")),
]
FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
INLINE = re.compile(r"`((?:dccausal|make) [^`]+)`")
SHELLS = {"console", "bash", "sh", "text", ""}
ENDS = {"&&", "||", ";", "|", "&", ">", ">>", "<"}


class Line(NamedTuple):
    """A command as it is written down; only flags are checked where it is shortened."""

    path: Path
    words: tuple[str, ...]
    variables: tuple[str, ...] = ()
    is_short: bool = False


def split(text):
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quotation that ends on another line, or an apostrophe of prose
        return []


def commands_in(path, text, *, is_short=False):
    """The calls of dccausal and of make in one line of a shell, wherever in it they stand."""
    text = re.sub(r"^\s*(- )?(run: )?", "", text).removeprefix("$ ")
    words = [word for word in split(text) if word != "\n"]
    for i, word in enumerate(words):
        is_first = i == 0 or words[i - 1] in ENDS
        is_ours = word.rpartition("/")[2] == "dccausal" and words[i - 1 : i] not in (["from"], ["import"])
        if is_ours or (word == "make" and is_first):
            rest = words[i + 1 :]
            end = next((n for n, part in enumerate(rest) if part in ENDS), len(rest))
            name = word.rpartition("/")[2]
            variables = tuple(part for part in words[:i] if re.match(r"DCCAUSAL_\w+=", part))
            given = rest[:end]
            if given:
                is_synopsis = any(part.startswith("[") or part.endswith("...") for part in given)
                yield Line(path, (name, *given), variables, is_short or is_synopsis)


def found_in(path):
    content = path.read_text().replace("\\\n", " ")
    if path.suffix != ".md":
        for text in content.splitlines():
            yield from commands_in(path, text)
        return
    for fence in FENCE.finditer(content):
        if fence[1] in SHELLS:
            lines = fence[2].splitlines()
            if any(line.startswith("$ ") for line in lines):
                lines = [line for line in lines if line.startswith("$ ")]
            for text in lines:
                yield from commands_in(path, text)
    for match in INLINE.finditer(FENCE.sub("", content)):
        yield from commands_in(path, " ".join(match[1].split()), is_short=True)


@cache
def lines_of(program):
    found = {line for path in (*SCRIPTS, *PAGES) for line in found_in(path) if line.words[0] == program}
    return sorted(found)


def named(program):
    return [
        pytest.param(line, id=f"{line.path.relative_to(ROOT)}: {' '.join(line.words)}"[:120])
        for line in lines_of(program)
    ]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the file of options that the documents speak of, and none of the user's own variables."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("DCCAUSAL_"):
            monkeypatch.delenv(name)
    page = (ROOT / "docs" / "command-line.md").read_text()
    (tmp_path / "run.toml").write_text(next(f[2] for f in FENCE.finditer(page) if f[1] == "toml"))


def command_line():
    from dccausal.cli.app import build_app

    return typer.main.get_command(build_app())


def flags_of(command):
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("line", named("dccausal"))
def test_commands_are_those_of_the_command_line(line, monkeypatch):
    group = command_line()
    name, *rest = line.words[1:]
    if name.startswith("-"):
        assert name in flags_of(group) | {"--help"}
        return
    assert name in group.commands
    command = group.commands[name]
    if line.is_short:
        flags = {flag for word in rest for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", word)}
        assert flags <= flags_of(command) | {"--help"}
        return
    for variable in line.variables:
        monkeypatch.setenv(*variable.split("=", 1))
    above = group.make_context("dccausal", [name, *rest], obj={})
    read = command.make_context(name, rest, parent=above).params
    assert read.get("profile") in (None, *PROFILES)
    for method in (read.get("methods") or "").split(","):
        assert method.partition(":")[0] in ("", *METHODS)


@pytest.mark.parametrize("line", named("make"))
def test_targets_are_those_of_the_makefile(line):
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in line.words[1:] if not word.startswith("-") and "=" not in word} <= set(targets)


def test_links_lead_to_files():
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(FENCE.sub("", page.read_text()))
        if not (page.parent / link).exists()
    ]
    assert not broken


def test_the_printed_trees_have_every_room():
    _, python, rust = (fence[2] for fence in FENCE.finditer((ROOT / "ARCHITECTURE.md").read_text()))
    named = {tree: set(re.findall(r"^ *(\w+)/ ", tree, re.MULTILINE)) for tree in (python, rust)}
    package = ROOT / "python" / "dccausal"
    rooms = {path.name for path in package.rglob("*/") if path.is_dir() and path.name != "__pycache__"}
    assert named[python] == rooms
    core = {path.name for path in (ROOT / "rust").iterdir() if path.is_dir()} - {"benches", "tests"}
    assert core <= named[rust]


def test_wherever_commands_stand_they_are_found():
    """Should a page or a script change its form, this says so before nothing is checked any more."""
    places = {line.path.name for line in lines_of("dccausal")}
    assert {
        "release.yml",
        "check-wheel",
        "README.md",
        "RELEASE.md",
        "command-line.md",
        "evaluate.md",
    } <= places
    assert len(lines_of("dccausal")) >= 40


@pytest.mark.usefixtures("here")
def test_a_wrong_command_is_told():
    """The check itself: what release.yml once had, and a flag that no command has."""
    group = command_line()
    (line,) = commands_in(ROOT / "release.yml", '"$bin/dccausal" demo --quiet --profile quick --out demo')
    above = group.make_context("dccausal", list(line.words[1:]), obj={})
    read = group.commands["demo"].make_context("demo", list(line.words[2:]), parent=above).params
    assert read["profile"] not in PROFILES
    with pytest.raises(Exception, match="No such option"):
        group.commands["demo"].make_context("demo", ["--quick"], parent=above)
