"""What the tests of the command line share."""

import shutil

import pytest


@pytest.fixture
def folder(tmp_path, planted):
    """A folder with a model and a photograph that it knows."""
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, tmp_path / "model.onnx")
    shutil.copy(scene.photo, tmp_path / "photo.png")
    return tmp_path
