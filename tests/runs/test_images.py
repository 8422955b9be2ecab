"""Which photographs a run takes, and how far it is in words."""

from __future__ import annotations

import os

import pytest

from dccausal.cli.run_display import describe_run
from dccausal.errors import ImageError
from dccausal.runs.images import collect, is_many, passed_over


def test_photographs_of_folders_patterns_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.JPG",
        "a.png",
        "notes.txt",
        ".hidden.png",
        "sub/c.webp",
        "sub/run/images/x/overlay.png",
        ".git/d.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    out = tmp_path / "sub" / "run"
    assert collect(["."], out, recursive=False) == ["a.png", "b.JPG"]
    assert collect([".", "./a.png"], out, recursive=True) == ["a.png", "b.JPG", "sub/c.webp"]
    assert collect(["**/*.*"], out, recursive=False) == ["a.png", "b.JPG", "notes.txt", "sub/c.webp"]
    assert collect(["missing.png", "sub"], out, recursive=False) == ["missing.png", "sub/c.webp"]
    with pytest.raises(ImageError, match=r"\*.bmp matches no file"):
        collect(["*.bmp"], out, recursive=False)
    with pytest.raises(ImageError, match=r"holds no photographs; .* \(--recursive"):
        collect(["sub/run"], tmp_path / "o", recursive=False)
    (tmp_path / "[x].png").touch()
    assert [is_many(name) for name in ("sub", "*.png", "a.png", "[x].png", "gone.png")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_folder_that_cannot_be_searched_is_not_passed_over(tmp_path):
    """Its path is too long for the system, which even a superuser is told."""
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=place)
        place, outer = os.open("n" * 250, os.O_RDONLY, dir_fd=place), place
        os.close(outer)
    os.close(os.open("p.png", os.O_CREAT, dir_fd=place))
    os.close(place)
    (tmp_path / "q.png").touch()
    with pytest.raises(ImageError, match=r"cannot be searched .* a folder that may be read is needed"):
        collect([str(tmp_path)], tmp_path / "run", recursive=True)
    assert collect([str(tmp_path)], tmp_path / "run", recursive=False) == [str(tmp_path / "q.png")]
    assert (
        passed_over([str(tmp_path)], tmp_path / "run", recursive=True) == []
    )  # which is asked after the run


def test_how_far_a_run_is_in_words():
    assert describe_run(50, 200, 40, 60) == "50 of 200 photographs, 40.0 a minute, 3 min 45 s left"
    assert describe_run(10, 2000, 0, 5) == "10 of 2,000 photographs"
