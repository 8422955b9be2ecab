"""The command ``demo``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from command_line import FILES, names_in, run
from dccausal import (
    explain,
)
from dccausal.cli.commands.demo import covered


@pytest.mark.slow
def test_the_demo_explains_both_photographs(tmp_path, default_model_path):
    done = run(
        *["demo", "--profile", "fast", "--max-calls", 60],
        cwd=tmp_path,
        DCCAUSAL_CACHE=str(default_model_path.parent),
    )
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "demo") == ["demo.png", "occluded", "occluded.png", "photo", "photo.png"]
    for name in ("photo", "occluded"):
        assert names_in(tmp_path / "demo" / name) == FILES
        result = json.loads((tmp_path / "demo" / name / "result.json").read_text())
        assert result["statistics"]["model_calls"] <= 60
        assert result["provenance"]["min_confidence"] == 0.5
    with Image.open(tmp_path / "demo" / "demo.png") as sheet:
        assert sheet.width > 1000
    assert "of it is in the explanation" in done.stdout


def test_the_demo_checks_its_folder_first(tmp_path):
    (tmp_path / "demo").touch()
    done = run("demo", cwd=tmp_path)
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
