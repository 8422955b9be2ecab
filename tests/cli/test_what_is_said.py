"""What the command line says and where, and how it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import PLAIN, command, explain_in, names_in, run
from dccausal.cli.app import main


def test_json_is_all_that_stdout_holds(folder):
    (folder / "bad.png").write_bytes(b"no image")
    shutil.copy(folder / "photo.png", folder / "second.png")
    images = ["photo.png", "bad.png", "second.png"]
    done = run("explain", *images, "-m", "model.onnx", "--partitions", 2, "--json", cwd=folder)
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
    done = explain_in(folder, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = explain_in(folder, "--quiet", photo="none.png")
    assert done.stdout == ""
    assert done.stderr == "error: none.png does not exist; the path of an image file is needed\n"


def test_one_bad_photograph_does_not_stop_the_others(folder):
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:-40])
    images = ["cut.png", "none.png", "photo.png"]
    done = run("explain", *images, "-m", "model.onnx", "--partitions", 2, cwd=folder)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "cut.png" in errors[0]
    assert "none.png does not exist" in errors[1]
    assert done.stderr.index("error") < done.stderr.index("model.onnx: ")  # told before the work
    assert names_in(folder / "explanations") == ["photo"]
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
def test_bad_options_are_one_line_before_any_work(folder, monkeypatch, capsys, arguments, text):
    before = names_in(folder)
    monkeypatch.chdir(folder)
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)
    photos = ["photo.png", "photo.png"]  # two: told once for both
    assert main(["explain", *photos, "--model", "model.onnx", "--partitions", "8", *map(str, arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    *lines, error = told.err.splitlines()
    assert error.startswith("error: ")
    assert text in error
    assert all(line.startswith(("model.onnx: 64 x 64", "note: ")) for line in lines)
    assert names_in(folder) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["explain"], "Missing argument 'IMAGE...' (dccausal explain --help tells what is possible)"),
        (["explian"], "No such command 'explian'"),
        (["--fast"], "No such option: --fast"),
    ],
)
def test_bad_usage_is_one_line(tmp_path, arguments, text):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert text in done.stderr


def test_a_failing_classifier_is_a_failure_and_debug_shows_where(folder, planted):
    scene = planted("nan_scores")
    done = explain_in(folder, photo=scene.photo, model=scene.path)
    assert done.returncode == 1
    assert "NaN or infinite scores" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "explanations").exists()
    done = explain_in(folder, "--debug", photo=scene.photo, model=scene.path)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "NaN or infinite scores" in done.stderr.splitlines()[-1]


def test_a_failure_outweighs_bad_input(folder, planted):
    scene = planted("nan_scores")
    done = run("explain", "none.png", scene.photo, "-m", scene.path, cwd=folder)
    assert done.returncode == 1


def test_debug_shows_the_traceback_of_what_concerns_all(folder):
    done = explain_in(folder, "--debug", "--target", "9")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: --target is 9; a label from 0 to 1 is needed"


@pytest.mark.parametrize(
    "name", ["with space.png", "-x.png", "[red]x.png", "\udcff\u732b.png", "a\nb\x1b[31m.png"]
)
def test_any_file_name_will_do(folder, monkeypatch, capsys, name):
    (folder / "photo.png").rename(folder / name)
    for arguments in ([], ["--json"]):
        done = run("explain", "-m", "model.onnx", "--partitions", 1, *arguments, "--", name, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["image"]["path"] == name
    assert names_in(folder / "explanations") == [name.removesuffix(".png")]
    monkeypatch.chdir(folder)
    assert main(["explain", "-m", "model.onnx", "--", f"x{name}"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert ("[red]" in error) == ("[red]" in name)


def test_names_that_the_terminal_cannot_show_are_no_error(folder):
    (folder / "photo.png").rename(folder / "\u732b.png")
    done = explain_in(folder, photo="\u732b.png", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\\u732b.png\n")


def test_a_reader_that_has_gone_is_no_traceback(folder):
    process = subprocess.Popen(
        command("explain", "photo.png", "-m", "model.onnx", "--json", "-q"),
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
