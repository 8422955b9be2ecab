"""The documents' examples are run as they stand: Python, commands, and the service."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest

from dccausal.assets.default_model import class_names
from dccausal.assets.photo import demo_photo
from document_model import document_model

ROOT = Path(__file__).parents[2]
# The pages of evaluate and of quality name data sets of others; tests/test_evaluate_run.py has their commands.
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "evaluate.md"})]
PAGES.remove(ROOT / "docs" / "quality.md")
# These two begin with models/make_compositional.py, half a minute; tests/gradients/test_compositional.py runs it.
PAGES.remove(ROOT / "docs" / "paper.md")
PAGES.remove(ROOT / "docs" / "occluded.md")
# Installing, and programs of others.
NOT_OURS = ("pip install", "python3 -m venv", "python -m pytest", "optimum-cli")
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    page: Path
    language: str
    title: str
    text: str
    line: int


def _examples():
    for page in PAGES:
        content = page.read_text()
        for match in FENCE.finditer(content):
            line = content.count("\n", 0, match.start()) + 1
            yield Example(page, match[1], match[2].strip(), match[3], line)


def _of(language):
    found = [example for example in _examples() if example.language == language]
    return [
        pytest.param(
            example,
            id=f"{example.page.name}:{example.line}",
            marks=[pytest.mark.slow] if _is_slow(example) else [],
        )
        for example in found
    ]


def _is_slow(example):
    """Whether an example runs a real network through a whole search: its own model is none of the documents'."""
    runs_demo = "dccausal demo" in example.text or "default_model" in example.text
    return runs_demo or "squeezenet" in example.text


def _commands(example):
    """The commands of a console's fence; where some have a prompt, what has none is what they print."""
    lines = example.text.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith(NOT_OURS)]


def _run(command, folder):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DCCAUSAL_")}
    environment |= {"DCCAUSAL_CACHE": str(folder / "cache"), "DCCAUSAL_MAX_CALLS": "30", "COLUMNS": "160"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def things(tmp_path_factory, default_model_path):
    """What the documents' examples speak of: a model that says how it is fed, photographs, names, results."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "cache").mkdir()
    shutil.copy(default_model_path, folder / "cache")
    onnx.save(document_model(), folder / "model.onnx")
    (folder / "exported").mkdir()
    shutil.copy(folder / "model.onnx", folder / "exported")
    demo_photo().save(folder / "photo.jpg", quality=92)
    (folder / "photos").mkdir()
    for name, box in (("a", (0, 0, 400, 399)), ("b", (100, 0, 600, 399))):
        demo_photo().crop(box).save(folder / "photos" / f"{name}.jpg")
    (folder / "labels.txt").write_text("\n".join(class_names()) + "\n")
    (folder / "truth.csv").write_text("file,label\na.jpg,388\nb.jpg,giant panda\n")
    for example in _examples():
        if example.language == "toml" and example.text.startswith("# run.toml"):
            (folder / "run.toml").write_text(example.text)
    done = _run("dccausal explain photo.jpg --model model.onnx --out explanations --quiet", folder)
    assert done.returncode == 0, done.stderr
    done = _run("dccausal explain photos --model model.onnx --out made-run --quiet", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(things, tmp_path, request):
    """A copy of these things; the run only where it is not the example that makes it."""
    copy = tmp_path / "here"
    shutil.copytree(things, copy, copy_function=os.link)
    text = request.node.callspec.params["example"].text
    if "--out run" not in text and re.search(r"\brun\b", text):
        (copy / "made-run").rename(copy / "run")
    return copy


@pytest.mark.parametrize("example", _of("python"))
def test_python(example, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__", "paths": [Path("photos/a.jpg"), Path("nowhere.jpg")]}
    exec(compile(example.text, f"{example.page}:{example.line}", "exec"), names)  # noqa: S102


@pytest.mark.parametrize("example", _of("console"))
def test_commands(example, folder, request):
    commands = _commands(example)
    for command in commands:
        assert shlex.split(command)[0].partition("=")[0] in (
            "dccausal",
            "DCCAUSAL_PROFILE",
            "DCCAUSAL_CONFIG",
        )
        if "squeezenet" in command:
            given = request.getfixturevalue("shared")
            for name in ("models/squeezenet1.1.onnx", "models/imagenet1k.txt"):
                shutil.copy(given / name, folder)
            shutil.copy(given / "data" / "photos" / "cnnvis_cat_dog.png", folder / "cat_and_dog.png")
        done = _run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if "$ " in example.text:
            shown = re.search(r"(\d\.\d+ [a-z ]+) \(", example.text)[1]
            assert shown in done.stdout


def test_all_kinds_of_examples_are_found():
    assert len(_of("python")) >= 9
    assert sum(len(_commands(param.values[0])) for param in _of("console")) >= 12
