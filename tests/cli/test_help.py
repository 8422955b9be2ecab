"""Help, version, completion, and packages that are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import RUN, run
from dccausal.cli.options.common import EXPLANATION, MODEL, RUNNING


def test_help_lists_the_commands_and_loads_no_model_runtime(tmp_path):
    code = "import sys; from dccausal.cli import main; main(); print('LOADED', *sys.modules)"
    done = run("--help", cwd=tmp_path, code=code)
    text, _, loaded = done.stdout.partition("LOADED")
    assert "explain" in text
    assert "demo" in text
    assert not {"numpy", "onnxruntime", "PIL", "onnx", "dccausal.cli.commands.explain"} & set(loaded.split())
    assert run(cwd=tmp_path).stdout == text  # no arguments


def test_help_names_every_option(tmp_path):
    text = run("explain", "--help", cwd=tmp_path, COLUMNS="200").stdout
    for option in (*MODEL, *EXPLANATION, *RUNNING):
        for flag in option.flags:
            assert flag.partition("/")[0] in text


def test_version(tmp_path):
    done = run("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("dccausal 0.")


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_one_line_names_it(tmp_path, package):
    done = run("explain", cwd=tmp_path, code=f"import sys; sys.modules['{package}'] = None; {RUN}")
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
    done = run(cwd=tmp_path, _DCCAUSAL_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "dccausal" in done.stdout
    done = run(cwd=tmp_path, _DCCAUSAL_COMPLETE=f"complete_{shell}", **words)
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
    done = run("--install-completion", shell, cwd=tmp_path, HOME=str(tmp_path), **switch)
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
    assert run("--install-completion", "bash", cwd=tmp_path, HOME=str(tmp_path), **switch).returncode == 0
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
