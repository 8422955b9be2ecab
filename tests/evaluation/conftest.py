"""Photographs for evaluations."""

from __future__ import annotations

import pytest

from evaluations import make


@pytest.fixture
def few(tmp_path, planted, monkeypatch):
    make(tmp_path, planted, 4, damaged=(2,))
    monkeypatch.chdir(tmp_path)
    return tmp_path
