"""Rules of the house that a reader would otherwise have to check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import dccausal

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "dccausal"
MODULES = sorted(PACKAGE.rglob("*.py"))
RUST = sorted((ROOT / "rust").rglob("*.rs"))
LIGHT = {"numpy", "PIL", "dccausal"} | set(sys.stdlib_module_names)

# A file imports from its own room and from lower floors.
FLOORS = (
    {"errors", "_core"},
    {"_shared"},
    {"classifier"},
    {"targets", "inputs"},
    {"assets", "gradients", "metrics"},
    {"onnx", "explanation"},
    {"remote"},
    {"engine"},
    {"methods", "notebook"},
    {"runs"},
    {"evaluation"},
    {"report"},
    {"serving"},
    {"cli"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Of one line each, so that paths of the first versions stay.
SHORT_WAYS = {"default_model", "demo", "image", "many", "plant", "preprocess", "profiles"}
MOST_LINES = 400


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    return module.partition(".")[0]


@cache
def imports():
    """For each module of the package, the modules of the package that it names, wherever it does so."""
    modules = {module_of(path) for path in MODULES} | {"_core"}
    found = {}
    for path in MODULES:
        named = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module, alias.name) for alias in node.names]
            else:
                continue
            for module, name in names:
                if module is None or not (module == "dccausal" or module.startswith("dccausal.")):
                    continue
                inner = module.removeprefix("dccausal").removeprefix(".")
                deeper = f"{inner}.{name}".removeprefix(".")
                named.add(deeper if deeper in modules else inner)
        found[module_of(path)] = named - {module_of(path)}
    return found


def test_every_room_has_a_floor():
    rooms = {room_of(module_of(path)) for path in MODULES} - SHORT_WAYS - {"", "__main__"}
    assert rooms == set(FLOOR) - {"_core"}
    assert len([room for room in rooms if (PACKAGE / room).is_dir()]) <= 15
    assert len(list(PACKAGE.glob("[!_]*.py"))) <= 12


def test_no_import_runs_up():
    running_up = [
        f"{module} imports {other}"
        for module, named in imports().items()
        for other in named
        if room_of(module) in FLOOR
        and room_of(module) != room_of(other)
        and FLOOR.get(room_of(other), len(FLOORS)) >= FLOOR[room_of(module)]
    ]
    assert not sorted(running_up)


def test_no_circle_of_files():
    graph = {module: set(named) for module, named in imports().items() if module != ""}
    faces = {module_of(path) for path in MODULES if path.name == "__init__.py"}
    graph = {module: named - faces for module, named in graph.items() if module not in faces}
    while free := [module for module, named in graph.items() if not named & graph.keys()]:
        for module in free:
            del graph[module]
    assert not {module: sorted(named & graph.keys()) for module, named in graph.items()}


def test_nobody_imports_the_command_line():
    assert not [
        m
        for m, named in imports().items()
        if room_of(m) not in ("cli", "__main__")
        for n in named
        if room_of(n) == "cli"
    ]


def test_the_backends_and_what_opens_them_alone_name_onnx_in_the_engine():
    naming = [
        m for m, named in imports().items() if room_of(m) == "engine" for n in named if n.startswith("onnx")
    ]
    assert set(naming) <= {
        "engine.backend",
        "engine.masking.device",
        "engine.model_backend",
        "engine.opening",
    }


# The same for the core; what is no room is a file of its own.
RUST_FLOORS = (
    {"error", "rng", "scores", "cause"},
    {"pixels", "masks"},
    {"question"},
    {"evidence", "render"},
    {"search", "extraction"},
    {"py"},
)
RUST_FLOOR = {room: floor for floor, rooms in enumerate(RUST_FLOORS) for room in rooms}
CORE = [path for path in RUST if path.parent.name not in ("tests", "benches") and path.name != "lib.rs"]


@cache
def rust_imports():
    """For each file of the core, as "room::file", the files that it names."""
    found = {}
    for path in CORE:
        parts = path.relative_to(ROOT / "rust").with_suffix("").parts
        named = set()
        code = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
        for where, items in re.findall(r"crate::((?:\w+::)+)(\{[^}]*\}|\w+)", code):
            steps = where.rstrip(":").split("::")
            inner = items.strip("{}").partition(",")[0].strip()
            is_room = (ROOT / "rust" / steps[0]).is_dir()
            named.add("::".join([*steps, inner][: 2 if is_room else 1]))
        found["::".join(parts)] = named - {"::".join(parts)}
    return found


def test_no_import_of_the_core_runs_up():
    rooms = {name.partition("::")[0] for name in rust_imports()}
    assert rooms == set(RUST_FLOOR)
    running_up = [
        f"{name} uses {other}"
        for name, named in rust_imports().items()
        for other in named
        if (room := name.partition("::")[0]) != (below := other.partition("::")[0])
        and RUST_FLOOR[below] >= RUST_FLOOR[room]
    ]
    assert not sorted(running_up)


def test_no_circle_of_files_of_the_core():
    # The bindings' own folder file has what they share, and names them.
    graph = {name: set(named) for name, named in rust_imports().items() if not name.endswith("::mod")}
    while free := [name for name, named in graph.items() if not named & graph.keys()]:
        for name in free:
            del graph[name]
    assert not {name: sorted(named & graph.keys()) for name, named in graph.items()}


def test_only_the_bindings_name_python():
    naming = [file for file in RUST if re.search(r"\b(pyo3|numpy)\b", file.read_text())]
    assert {file.parent for file in naming} == {ROOT / "rust" / "py"}


def test_every_public_name_is_there_and_documented():
    assert sorted(dccausal.__all__) == sorted(set(dccausal.__all__))
    for name in dccausal.__all__:
        assert getattr(dccausal, name).__doc__, name


@pytest.mark.parametrize(
    "face",
    ["assets", "engine", "explanation", "inputs", "methods", "onnx", "remote", "report", "serving", "cli"],
)
def test_every_name_of_a_face_is_there(face):
    code = f"import dccausal.{face} as face; assert face.__all__; assert all(getattr(face, n) for n in face.__all__)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_library_neither_asserts_nor_prints_nor_exits():
    offenders = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Assert):
                offenders.append(f"{where} asserts")
            elif isinstance(node, ast.Call) and not {"cli", "__main__"} & {*path.parts, path.stem}:
                called = ast.unparse(node.func)
                if called in {"print", "sys.exit", "exit", "quit"}:
                    offenders.append(f"{where} calls {called}")
            elif isinstance(node, ast.ExceptHandler) and node.type is None:
                offenders.append(f"{where} has a bare except")
    assert not offenders


def test_modules_import_only_what_every_installation_has():
    """Optional packages are imported inside functions."""
    offenders = []
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            offenders += [f"{path}:{node.lineno}" for name in names if name.partition(".")[0] not in LIGHT]
    assert not offenders


def loaded_by(code):
    code += "; import sys; print('LOADED', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.partition("LOADED")[2].split())


def test_importing_is_light():
    """Beyond what Python loads at its start, what loads names; numpy with the first name that needs it."""
    more = loaded_by("import dccausal") - loaded_by("import __future__, importlib, types, typing")
    assert more == {"dccausal", "dccausal._shared", "dccausal._shared.lazy"}
    names = loaded_by("from dccausal import *")
    heavy = {"onnxruntime", "onnx", "typer", "rich", "torch", "matplotlib", "PIL", "importlib.metadata"}
    assert not heavy & names
    assert "numpy" in names


def test_help_loads_neither_numpy_nor_the_library():
    more = loaded_by("from dccausal.cli import main; main(['explain', '--help'])")
    assert not {"numpy", "PIL", "onnxruntime", "dccausal._core", "dccausal.engine.explain"} & more


def test_names_are_there_in_any_order_of_loading():
    """The function ``explain`` is not replaced by a module of its name; what is not there is an AttributeError."""
    code = (
        "import dccausal.many, dccausal.engine.explain, dccausal.report.write, dccausal.methods.by_name, dccausal\n"
        "from dccausal import *\n"
        "assert callable(dccausal.explain) and explain is dccausal.explain\n"
        "assert callable(dccausal.methods.explain_with) and callable(dccausal.report.write_report)\n"
        "assert set(dccausal.__all__) <= set(dir(dccausal)) and not hasattr(dccausal, 'nothing')\n"
        "assert all(getattr(dccausal, name) is globals()[name] for name in dccausal.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_paths_of_the_first_versions_stay():
    code = (
        "from dccausal.default_model import default_model, cache_folder, class_names\n"
        "from dccausal.demo import demo_photo, demo_occluded\n"
        "from dccausal.plant import Occlusion, occlude\n"
        "from dccausal.many import explain_many\n"
        "from dccausal.profiles import PROFILES, Profile\n"
        "from dccausal.image import load_photo\n"
        "from dccausal.preprocess import Preprocess, Placement\n"
        "from dccausal.methods import explain_with, METHODS\n"
        "from dccausal.metrics import insertion_curve\n"
        "from dccausal.report import write_report\n"
        "from dccausal.notebook import explain_many\n"
        "from dccausal.explanation import Explanation\n"
        "from dccausal.onnx import OnnxClassifier\n"
        "from dccausal.cli import main\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_torch_anywhere():
    for path in MODULES:
        assert not re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE), path.name


def test_a_file_has_one_subject():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in [*MODULES, *RUST]}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


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
