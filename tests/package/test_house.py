"""Rules of the house that a reader would otherwise have to check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dccausal

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "dccausal"
MODULES = sorted(PACKAGE.glob("*.py"))
RUST = sorted((ROOT / "rust").rglob("*.rs"))
LIGHT = {"numpy", "PIL", "dccausal"} | set(sys.stdlib_module_names)


def test_only_the_bindings_name_python():
    for file in RUST:
        if file.parent.name != "py":
            assert not re.search(r"\b(pyo3|numpy)\b", file.read_text()), file


def test_every_public_name_is_there_and_documented():
    assert sorted(dccausal.__all__) == sorted(set(dccausal.__all__))
    public = {name for name in vars(dccausal) if not name.startswith("_")}
    modules = {path.stem for path in MODULES}
    assert public - modules - {"TYPE_CHECKING"} <= set(dccausal.__all__)
    for name in dccausal.__all__:
        assert getattr(dccausal, name).__doc__, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_library_neither_asserts_nor_prints_nor_exits(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "sys.exit", "exit", "quit"} or path.stem.startswith(
                ("cli", "_cli", "__main__")
            ), f"{path.name}:{node.lineno} calls {called}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path.name}:{node.lineno} has a bare except"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_import_only_what_every_installation_has(path):
    """Optional packages are imported inside functions."""
    for node in ast.parse(path.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        assert all(name.partition(".")[0] in LIGHT for name in names), f"{path.name}:{node.lineno}"


def loaded_by(code):
    code += "; import sys; print('LOADED', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.partition("LOADED")[2].split())


def test_importing_is_light():
    """Beyond what Python itself loads at its start, hardly a module; numpy with the first name that needs it."""
    more = loaded_by("import dccausal") - loaded_by("import __future__, importlib, types, typing")
    assert more == {"dccausal"}
    names = loaded_by("from dccausal import *")
    heavy = {"onnxruntime", "onnx", "typer", "rich", "torch", "matplotlib", "PIL", "importlib.metadata"}
    assert not heavy & names
    assert "numpy" in names


def test_help_loads_neither_numpy_nor_the_library():
    more = loaded_by("from dccausal.cli import main; main(['explain', '--help'])")
    assert not {"numpy", "PIL", "onnxruntime", "dccausal._core", "dccausal.engine"} & more


def test_names_are_there_in_any_order_of_loading():
    """The function ``explain`` is not replaced by the module of its name; what is not there is an AttributeError."""
    code = (
        "import dccausal.engine.many, dccausal.engine.explain, dccausal\n"
        "from dccausal import *\n"
        "assert callable(dccausal.explain) and explain is dccausal.explain\n"
        "assert set(dccausal.__all__) <= set(dir(dccausal)) and not hasattr(dccausal, 'nothing')\n"
        "assert all(getattr(dccausal, name) is globals()[name] for name in dccausal.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_torch_anywhere():
    for path in MODULES:
        assert not re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE), path.name


@pytest.mark.parametrize("path", [*MODULES, *RUST], ids=lambda path: "/".join(path.parts[-2:]))
def test_a_file_has_one_subject(path):
    assert len(path.read_text().splitlines()) <= 600


def test_the_project_speaks_of_itself_alone():
    words = re.compile(
        "/" + "work/|file" + "s.pythonhosted|index" + r"\.crates|deb" + r"\.debian\.org", re.IGNORECASE
    )
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a checkout")
    for name in tracked.stdout.split("\n"):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".pyi", ".rs", ".md", ".toml", ".yml", ".cff", ""}:
            assert not words.search(path.read_text(errors="ignore")), name
