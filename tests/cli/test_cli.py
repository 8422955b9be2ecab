"""The command line, as processes: what it writes, what it says and where, and how it ends."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from dccausal import (
    ClassifierError,
    DeviceError,
    Explanation,
    ImageError,
    OnnxClassifier,
    OptionError,
    OutputError,
    Progress,
    RuntimeMissingError,
    explain,
)
from dccausal._shared.text import duration
from dccausal.cli.commands.demo import covered
from dccausal.cli.display import describe_progress
from dccausal.cli.failures import describe_error, exit_code_of
from dccausal.cli.loading import read_baseline, read_baselines
from dccausal.cli.options.common import DRAWING, EXPLANATION, MODEL, RUNNING
from dccausal.engine.progress import PHASES
from dccausal.runs.images import plan_folders

_FILES = ["explanation.png", "heatmap.npy", "heatmap.png", "kept.png", "overlay.png", "result.json"]
_RUN = "import sys; from dccausal.cli import main; sys.exit(main())"
_PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


def _command(*arguments, code=_RUN):
    return [sys.executable, "-c", code, *map(str, arguments)]


def _run(*arguments, cwd, code=_RUN, **environment):
    return subprocess.run(
        _command(*arguments, code=code),
        cwd=cwd,
        env={**os.environ, **_PLAIN, **environment},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path, planted):
    """A folder with a model and a photograph that it knows."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, tmp_path / "model.onnx")
    shutil.copy(scene.photo, tmp_path / "photo.png")
    return tmp_path


def _explain(folder, *arguments, photo="photo.png", model="model.onnx", **environment):
    return _run("explain", photo, "--model", model, "--partitions", 8, *arguments, cwd=folder, **environment)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


# What it writes


def test_explaining_a_photograph_writes_its_files_and_a_summary(folder):
    done = _explain(folder)
    assert done.returncode == 0
    assert _names(folder / "explanations") == ["photo"]
    assert _names(folder / "explanations" / "photo") == _FILES
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    lines = done.stdout.splitlines()
    assert lines[0] == "photo.png"
    assert f"({result['label']})" in lines[1]
    assert f"{100 * result['size']:.1f} % of the pixels" in lines[2]
    assert lines[-2].split() == ["written", os.path.join("explanations", "photo")]  # noqa: PTH118
    assert "model.onnx: 64 x 64, 2 classes (logits), on cpu" in done.stderr


@pytest.mark.parametrize("model", ["needs_a_and_b", "nhwc", "classes_1001_nhwc_probabilities", "float16"])
def test_the_result_is_confirmed_without_dccausal(tmp_path, planted, model):
    """As docs/result-schema.md tells: from kept.png, result.json and the photograph."""
    scene = planted(model)
    done = _explain(tmp_path, photo=scene.photo, model=scene.path)
    assert done.returncode == 0, done.stderr
    there = tmp_path / "explanations" / scene.photo.stem
    result = json.loads((there / "result.json").read_text())
    classifier = result["provenance"]["classifier"]
    settings = classifier["preprocess"]
    with Image.open(result["image"]["path"]) as photo, Image.open(there / "kept.png") as mask:
        x, kept = np.asarray(photo.convert("RGB")), np.asarray(mask) == 255
    assert hashlib.sha256(x.tobytes()).hexdigest() == result["image"]["sha256"]
    session = onnxruntime.InferenceSession(scene.path)

    def label(shown):
        masked = np.where(shown[..., None], x, np.array(result["baseline"]["colour"], np.uint8))
        tensor = (masked * settings["scale"] - settings["mean"]) / settings["std"]
        tensor = tensor.astype(classifier["precision"])[None]
        tensor = tensor if classifier["layout"] == "NHWC" else tensor.transpose(0, 3, 1, 2)
        return session.run(None, {session.get_inputs()[0].name: tensor})[0][0].argmax()

    assert 0 < kept.mean() < 0.5
    assert label(kept) == label(np.ones_like(kept)) == result["label"]
    assert label(~kept) != result["label"]


def test_statistics_are_as_documented(folder):
    assert _explain(folder).returncode == 0
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    document = (Path(__file__).parents[2] / "docs" / "result-schema.md").read_text()
    rows = re.findall(r"^\| `statistics\.(\w+)` \| ([^|]+) \|", document, flags=re.MULTILINE)
    kinds = {"integer": int, "number": float, "object": dict, "list or null": list, "number or null": float}
    assert len(rows) > 5
    for key, kind in rows:
        assert type(result["statistics"][key]) is kinds[kind.strip()], key
    by_phase = result["statistics"]["model_calls_by_phase"]
    assert list(by_phase) == list(PHASES)
    assert sum(by_phase.values()) == result["statistics"]["model_calls"]


def test_two_runs_give_the_same_heatmap(folder):
    for out in ("one", "two"):
        assert _explain(folder, "--out", out).returncode == 0
    one, two = ((folder / out / "photo" / "heatmap.npy").read_bytes() for out in ("one", "two"))
    assert one == two
    assert np.load(folder / "one" / "photo" / "heatmap.npy").max() == 1


def test_photographs_of_the_same_name_get_folders_of_their_own(folder):
    (folder / "more").mkdir()
    shutil.copy(folder / "photo.png", folder / "more" / "photo.png")
    done = _run(
        *["explain", "photo.png", "more/photo.png", "-m", "model.onnx", "--partitions", 2, "-o", "out"],
        cwd=folder,
    )
    assert done.returncode == 0
    assert _names(folder / "out") == ["photo", "photo-2"]
    paths = [
        json.loads((folder / "out" / n / "result.json").read_text())["image"]["path"]
        for n in _names(folder / "out")
    ]
    assert paths == ["photo.png", "more/photo.png"]
    assert "2 of 2 photographs explained" in done.stdout


def test_an_earlier_result_is_replaced(folder):
    (folder / "explanations" / "photo").mkdir(parents=True)
    for name in (*_FILES, "baseline.png"):
        (folder / "explanations" / "photo" / name).write_text("old")
    (folder / "explanations" / "photo" / "mine.txt").write_text("mine")
    assert _explain(folder).returncode == 0
    assert _names(folder / "explanations" / "photo") == sorted([*_FILES, "mine.txt"])
    assert json.loads((folder / "explanations" / "photo" / "result.json").read_text())["outcome"] == "minimal"


def test_every_option_reaches_the_explanation(folder):
    given = {
        "seed": 5,
        "profile": "fast",
        "partitions": 3,
        "world": "intact",
        "weighting": "shares",
        "min_side": 0.2,
        "refine_equal": True,
        "concentration": 2,
        "grid": 16,
        "evidence": "shared",
        "reach": 0.25,
        "audit": 0.5,
        "wave": 2,
        "survey": 1,
        "reestimate": 0.75,
        "target": "1",
        "top_k": 1,
        "min_confidence": 0.25,
        "max_calls": 5000,
        "threads": 1,
        "in_flight": 3,
        "batch_size": 5,
    }
    flags = []
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        flags += [flag] if value is True else [flag, value]
    flags += ["--baseline", "10, 20,30", "--providers", "CPUExecutionProvider", "--scores", "logits"]
    (folder / "names.txt").write_text("nothing\nsomething\n")
    (folder / "pre.json").write_text('{"scale": 0.00392156862745098, "geometry": "crop", "crop_ratio": 1.0}')
    flags += ["--labels", "names.txt", "--preprocess", "pre.json", "--input", "image", "--output", "logits"]
    done = _run("explain", "photo.png", "-m", "model.onnx", *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    provenance = result["provenance"]
    assert {name: provenance[name] for name in given} == given
    assert result["baseline"]["colour"] == provenance["baseline"] == [10, 20, 30]
    assert result["name"] == "something"
    classifier = provenance["classifier"]
    assert classifier["preprocess"]["geometry"] == "crop"
    assert (classifier["input"], classifier["output"], classifier["threads"]) == ("image", "logits", 1)
    assert classifier["provider"] == "CPUExecutionProvider"


def test_the_options_are_those_of_the_library():
    table = {option.name: option for option in (*MODEL, *EXPLANATION, *RUNNING)}
    library = inspect.signature(explain).parameters | inspect.signature(OnnxClassifier).parameters
    # ``many`` follows from whether it is a folder.
    assert set(table) == set(library) - {"image", "classifier", "progress", "on_interrupt", "many"}
    own = {"model": None, "batch_size": None, "providers": None}
    for name, option in table.items():
        assert option.default == own.get(name, library[name].default), name
    saving = inspect.signature(Explanation.save).parameters
    assert {option.name: option.default for option in DRAWING} == {
        name: parameter.default for name, parameter in saving.items() if name not in ("self", "folder")
    }


def test_pictures_are_drawn_as_they_are_told(folder):
    drawing = ["--colormap", "cividis", "--alpha", 0.25, "--contour", "dashed", "--cutout"]
    assert _explain(folder, *drawing).returncode == 0
    assert _explain(folder, "--recursive", *drawing, "--out", "run", photo=".").returncode == 0
    there = folder / "explanations" / "photo"
    assert _names(there) == sorted([*_FILES, "cutout.png"])
    scene = explain(folder / "photo.png", OnnxClassifier(folder / "model.onnx", device="cpu"), partitions=8)
    with Image.open(there / "overlay.png") as image:
        expected = scene.overlay(colormap="cividis", alpha=0.25, contour="dashed")
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    with Image.open(there / "cutout.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(scene.cutout()))
    for name in ("overlay.png", "explanation.png", "cutout.png"):
        assert (folder / "run" / "images" / "photo" / name).read_bytes() == (there / name).read_bytes()


# What it says, and where


def test_json_is_all_that_stdout_holds(folder):
    (folder / "bad.png").write_bytes(b"no image")
    shutil.copy(folder / "photo.png", folder / "second.png")
    images = ["photo.png", "bad.png", "second.png"]
    done = _run("explain", *images, "-m", "model.onnx", "--partitions", 2, "--json", cwd=folder)
    assert done.returncode == 2
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["schema"] for document in documents] == [
        "dccausal.error",
        "dccausal.result",
        "dccausal.result",
    ]
    error, first, second = documents
    assert error["path"] == "bad.png"
    assert error["error"] == "ImageError"
    assert "is not an image" in error["message"]
    written = json.loads((folder / "explanations" / "photo" / "result.json").read_text())
    written.pop("files")
    assert first.pop("folder") == str(Path("explanations", "photo"))
    assert first == written
    assert list(first) == list(written)
    assert second["image"]["path"] == "second.png"


def test_quiet_is_quiet_but_for_errors(folder):
    done = _explain(folder, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = _explain(folder, "--quiet", photo="none.png")
    assert done.stdout == ""
    assert done.stderr == "error: none.png does not exist; the path of an image file is needed\n"


def test_one_bad_photograph_does_not_stop_the_others(folder):
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:-40])
    images = ["cut.png", "none.png", "photo.png"]
    done = _run("explain", *images, "-m", "model.onnx", "--partitions", 2, cwd=folder)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "cut.png" in errors[0]
    assert "none.png does not exist" in errors[1]
    assert done.stderr.index("error") < done.stderr.index("model.onnx: ")  # told before the work
    assert _names(folder / "explanations") == ["photo"]
    assert "1 of 3 photographs explained" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--seed", "-1"], "--seed is -1; a whole number from 0 to 18446744073709551615 is needed"),
        (["--min-confidence", "nan"], "--min-confidence is nan; a finite number is needed"),
        (["--min-confidence", "1.5"], "--min-confidence is 1.5; a share from 0 to 1 is needed"),
        (["--max-calls", "3"], "--max-calls is 3; a whole number of at least 20 is needed"),
        (["--partitions", "0"], "--partitions is 0; a whole number from 1 to 4096 is needed"),
        (["--world", "moon"], "--world is 'moon'; one of intact, contingency, sufficient, both is needed"),
        (["--profile", "quick"], "--profile is 'quick'; one of"),
        (
            ["--colormap", "jet"],
            "--colormap is 'jet'; one of inferno, magma, plasma, viridis, cividis, grey is",
        ),
        (["--alpha", "2"], "--alpha is 2.0; a number from 0 to 1 is needed"),
        (["--contour", "dotted"], "--contour is 'dotted'; one of solid, dashed, none is needed"),
        (["--target", "zebra"], "--target 'zebra' is not a label"),
        (["--target", "9"], "--target is 9; a label from 0 to 1 is needed"),
        (["--baseline", "ultraviolet"], "--baseline is 'ultraviolet', neither a known colour nor"),
        (["--baseline", "1,2,300"], "--baseline is (1, 2, 300); 3 whole numbers from 0 to 255 are needed"),
        (["--preprocess", "none.json"], "--preprocess 'none.json' is no preset and no file"),
        (["--labels", "none.txt"], "--labels none.txt cannot be read"),
        (["--scores", "high"], "--scores is 'high'; one of"),
        (["--device", "gpu"], '--device is \'gpu\'; "auto", "cpu"'),
        (["--device", "cuda:77"], "was asked for"),
        (["--providers", "Abacus"], "providers Abacus were asked for"),
        (["--output", "results"], "(the folder of the results is --out)"),
        (["--model", "none.onnx"], "none.onnx does not exist; the path of an ONNX file is needed"),
        (["--model", "photo.png"], "an ONNX image classifier is needed"),
        (["--out", "model.onnx/x"], "model.onnx is not a folder; a folder is needed"),
        (["--out", "/proc/x"], "/proc/x/photo cannot be written"),
        (["--modle", "x"], "No such option: --modle"),
        (["--grid", "many"], "Invalid value for '--grid'"),
        (["--json=1"], "--json"),
    ],
)
def test_bad_options_are_one_line_before_any_work(folder, arguments, text):
    before = _names(folder)
    done = _explain(folder, "photo.png", *arguments)  # two photographs: told once for both
    assert done.returncode == 2
    assert done.stdout == ""
    *lines, error = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert text in error
    assert all(line.startswith(("model.onnx: 64 x 64", "note: ")) for line in lines)
    assert _names(folder) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["explain"], "Missing argument 'IMAGE...' (dccausal explain --help tells what is possible)"),
        (["explian"], "No such command 'explian'"),
        (["--fast"], "No such option: --fast"),
    ],
)
def test_bad_usage_is_one_line(tmp_path, arguments, text):
    done = _run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert text in done.stderr


def test_a_failing_classifier_is_a_failure_and_debug_shows_where(folder, planted):
    scene = planted("nan_scores")
    done = _explain(folder, photo=scene.photo, model=scene.path)
    assert done.returncode == 1
    assert "NaN or infinite scores" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "explanations").exists()
    done = _explain(folder, "--debug", photo=scene.photo, model=scene.path)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "NaN or infinite scores" in done.stderr.splitlines()[-1]


def test_a_failure_outweighs_bad_input(folder, planted):
    scene = planted("nan_scores")
    done = _run("explain", "none.png", scene.photo, "-m", scene.path, cwd=folder)
    assert done.returncode == 1


def test_debug_shows_the_traceback_of_what_concerns_all(folder):
    done = _explain(folder, "--debug", "--target", "9")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: --target is 9; a label from 0 to 1 is needed"


@pytest.mark.parametrize(
    "name", ["with space.png", "-x.png", "[red]x.png", "\udcff\u732b.png", "a\nb\x1b[31m.png"]
)
def test_any_file_name_will_do(folder, name):
    (folder / "photo.png").rename(folder / name)
    for arguments in ([], ["--json"]):
        done = _run("explain", "-m", "model.onnx", "--partitions", 1, *arguments, "--", name, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["image"]["path"] == name
    assert _names(folder / "explanations") == [name.removesuffix(".png")]
    done = _run("explain", "-m", "model.onnx", "--", f"x{name}", cwd=folder)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert ("[red]" in done.stderr) == ("[red]" in name)


def test_names_that_the_terminal_cannot_show_are_no_error(folder):
    (folder / "photo.png").rename(folder / "\u732b.png")
    done = _explain(folder, photo="\u732b.png", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\\u732b.png\n")


def test_a_reader_that_has_gone_is_no_traceback(folder):
    process = subprocess.Popen(
        _command("explain", "photo.png", "-m", "model.onnx", "--json", "-q"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert error == ""


# Help, version, and what is not there


def test_help_lists_the_commands_and_loads_no_model_runtime(tmp_path):
    code = "import sys; from dccausal.cli import main; main(); print('LOADED', *sys.modules)"
    done = _run("--help", cwd=tmp_path, code=code)
    text, _, loaded = done.stdout.partition("LOADED")
    assert "explain" in text
    assert "demo" in text
    assert not {"numpy", "onnxruntime", "PIL", "onnx", "dccausal.cli.commands.explain"} & set(loaded.split())
    assert _run(cwd=tmp_path).stdout == text  # no arguments


def test_help_names_every_option(tmp_path):
    text = _run("explain", "--help", cwd=tmp_path, COLUMNS="200").stdout
    for option in (*MODEL, *EXPLANATION, *RUNNING):
        for flag in option.flags:
            assert flag.partition("/")[0] in text


def test_version(tmp_path):
    done = _run("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("dccausal 0.")


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_one_line_names_it(tmp_path, package):
    done = _run("explain", cwd=tmp_path, code=f"import sys; sys.modules['{package}'] = None; {_RUN}")
    assert done.returncode == 2
    assert done.stderr == (
        'error: the command line needs the packages typer and rich: pip install "dccausal[cli]"\n'
    )


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "dccausal explain --parti", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "dccausal explain --parti"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "dccausal explain --parti",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_shells_can_complete(tmp_path, shell, words):
    done = _run(cwd=tmp_path, _DCCAUSAL_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "dccausal" in done.stdout
    done = _run(cwd=tmp_path, _DCCAUSAL_COMPLETE=f"complete_{shell}", **words)
    assert "--partitions" in done.stdout


@pytest.mark.parametrize(
    ("shell", "script", "start"),
    [
        ("bash", ".bash_completions/dccausal.sh", ".bashrc"),
        ("zsh", ".zfunc/_dccausal", ".zshrc"),
        ("fish", ".config/fish/completions/dccausal.fish", None),
    ],
)
def test_completion_can_be_installed(tmp_path, shell, script, start):
    # The switch makes Typer take the shell's name in place of finding it out from the process above.
    switch = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = _run("--install-completion", shell, cwd=tmp_path, HOME=str(tmp_path), **switch)
    assert done.returncode == 0, done.stderr
    assert f"complete_{shell}" in (tmp_path / script).read_text()
    if start is not None:
        assert Path(script).parent.name in (tmp_path / start).read_text()


def test_bash_completes_once_it_is_installed(tmp_path):
    """Bash itself loads the script and fills in what it says."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not there")
    switch = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert _run("--install-completion", "bash", cwd=tmp_path, HOME=str(tmp_path), **switch).returncode == 0
    lines = (
        f"source {tmp_path}/.bash_completions/dccausal.sh",
        "COMP_WORDS=(dccausal inspect --che) COMP_CWORD=2",
        "$(complete -p dccausal | sed 's/.* -F \\([^ ]*\\) .*/\\1/') dccausal --che inspect",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # the script looks for the command there
    done = subprocess.run(
        [bash, "--norc", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert "--check" in done.stdout, done.stderr


# A terminal, and Ctrl-C


@contextlib.contextmanager
def _on_terminal(*arguments, cwd):
    """Run with stderr on a terminal; yield the process and a function that reads up to a word."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        _command(*arguments),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(slave)
    seen = b""

    def read_until(word):
        nonlocal seen
        while word is None or word not in seen:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                part = b""
            if not part:
                assert word is None, seen
                break
            seen += part
        return seen.decode()

    try:
        yield process, read_until
    finally:
        process.kill()
        process.communicate()
        os.close(master)


# A search of hundreds of thousands of calls: it does not end before it is interrupted, however fast the machine.
_LONG = ["-m", "model.onnx", "--profile", "paper", "--partitions", 4096]


def test_a_terminal_shows_phase_calls_and_rate(folder):
    with _on_terminal("explain", "photo.png", *_LONG, cwd=folder) as (process, read):
        text = read(b" left")
        process.send_signal(signal.SIGINT)
        read(None)
        assert process.wait() == 130
    assert "photo.png (1/1): search" in text
    assert " calls" in text
    assert "/s" in text


def test_ctrl_c_keeps_the_best_so_far_and_stops(folder):
    shutil.copy(folder / "photo.png", folder / "second.png")
    with _on_terminal("explain", "photo.png", "second.png", *_LONG, "--json", cwd=folder) as (process, read):
        read(b" left")
        process.send_signal(signal.SIGINT)
        text = read(None)
        stdout = process.stdout.read().decode()
        assert process.wait() == 130
    assert "error: interrupted; 1 of 2 photographs were not explained" in text
    assert "Traceback" not in text
    result = json.loads(stdout)
    assert any("nterrupted" in note for note in result["notes"])
    assert _names(folder / "explanations") == ["photo"]
    assert _names(folder / "explanations" / "photo") == _FILES


# The demo


@pytest.mark.slow
def test_the_demo_explains_both_photographs(tmp_path, default_model_path):
    done = _run(
        *["demo", "--profile", "fast", "--max-calls", 60],
        cwd=tmp_path,
        DCCAUSAL_CACHE=str(default_model_path.parent),
    )
    assert done.returncode == 0, done.stderr
    assert _names(tmp_path / "demo") == ["demo.png", "occluded", "occluded.png", "photo", "photo.png"]
    for name in ("photo", "occluded"):
        assert _names(tmp_path / "demo" / name) == _FILES
        result = json.loads((tmp_path / "demo" / name / "result.json").read_text())
        assert result["statistics"]["model_calls"] <= 60
        assert result["provenance"]["min_confidence"] == 0.5
    with Image.open(tmp_path / "demo" / "demo.png") as sheet:
        assert sheet.width > 1000
    assert "of it is in the explanation" in done.stdout


def test_the_demo_checks_its_folder_first(tmp_path):
    (tmp_path / "demo").touch()
    done = _run("demo", cwd=tmp_path)
    assert done.returncode == 2
    assert "demo is not a folder" in done.stderr


def test_how_much_of_a_box_an_explanation_covers():
    photo = np.zeros((20, 40, 3), np.uint8)
    photo[5:10, 5:15] = 255
    explanation = explain(
        photo, lambda images: (images[:, 5:10, 5:15].mean(axis=(1, 2, 3)) > 250).astype(int), grid=8
    )
    kept = explanation.kept
    for box in ((5, 5, 15, 10), (0, 0, 40, 20), (20, 0, 40, 20)):
        left, top, right, bottom = box
        assert covered(explanation, box) == kept[top:bottom, left:right].mean()


# Small parts


def test_folders_are_named_after_photographs_and_never_shared():
    images = ["a/x.jpg", "b/x.png", "X.jpg", "x-2.jpg", "x-2.png", ".png", "y"]
    names = [folder.name for folder in plan_folders(images, Path("out"))]
    assert names == ["x", "x-2", "X-3", "x-2-2", "x-2-3", ".png", "y"]
    assert len({name.casefold() for name in names}) == len(names)
    assert plan_folders(["x.jpg"], Path("out")) == [Path("out/x")]


def test_a_baseline_of_three_numbers_is_a_colour():
    assert read_baseline("124, 116,104") == (124, 116, 104)
    assert read_baseline("blur") == "blur"
    assert read_baseline("1,2") == "1,2"
    assert read_baseline("a,b,c") == "a,b,c"


def test_several_baselines_have_commas_between(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.png").touch()
    assert read_baselines("grey") == "grey"
    assert read_baselines("124, 116,104") == (124, 116, 104)
    assert read_baselines("grey, black,blur") == ["grey", "black", "blur"]
    assert read_baselines("grey,124,116,104,#fff,1,2,3") == ["grey", (124, 116, 104), "#fff", (1, 2, 3)]
    assert read_baselines("1,2,3,4") == [(1, 2, 3), "4"]
    assert read_baselines("a,b.png") == "a,b.png"


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
