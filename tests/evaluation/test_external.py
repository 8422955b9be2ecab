"""Results of other programs, read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dccausal.errors import InputError
from dccausal.evaluation.external import ExternalResults


def _external(folder, **line):
    (folder / "r.jsonl").write_text(json.dumps({"file": "a.png", **line}) + "\n\n")
    return ExternalResults(folder / "r.jsonl")


def test_external_results_are_read(tmp_path):
    heat = np.arange(12, dtype=np.float64).reshape(3, 4)
    np.save(tmp_path / "h.npy", heat)
    np.save(tmp_path / "r.npy", np.argsort(-heat.ravel()))
    np.save(tmp_path / "m.npy", heat > 8)
    by_heat = _external(tmp_path, heatmap="h.npy", mask="m.npy", calls=5, calls_search=3).found(
        "a.png", 2, "cat", (3, 4)
    )
    by_rank = _external(tmp_path, ranking="r.npy", label=1).found("a.png", 2, "cat", (3, 4))
    np.testing.assert_array_equal(by_heat.ranking, by_rank.ranking)
    assert by_rank.heatmap.argmax() == 11
    assert by_heat.kept.sum() == 3
    assert by_rank.kept is None
    assert (by_heat.label, by_heat.name, by_rank.label, by_rank.name) == (2, "cat", 1, None)
    assert by_heat.calls == {"all": 5, "search": 3}
    assert "a.png" in _external(tmp_path)
    assert "b.png" not in _external(tmp_path)
    with (tmp_path / "r.jsonl").open("a") as stream:
        stream.write('{"file": "b.png"')  # still being written
    assert "b.png" not in ExternalResults(tmp_path / "r.jsonl")
    with (tmp_path / "r.jsonl").open("a") as stream:
        stream.write("}")  # whole, and the file ends without a new line
    assert "b.png" in ExternalResults(tmp_path / "r.jsonl")


def test_what_another_program_failed_on_is_no_result(tmp_path):
    with pytest.raises(InputError, match=r"a.png ended in 'TypeError: x'; a result is needed"):
        _external(tmp_path, error="TypeError: x", calls=3).found("a.png", 2, "cat", (3, 4))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[]", "names no file"),
        ('{"file": 3}', "names no file"),
        ('{"file": "a", "calls": "x"}', "calls"),
    ],
)
def test_external_lines_that_cannot_be_read(tmp_path, line, said):
    (tmp_path / "r.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=said):
        ExternalResults(tmp_path / "r.jsonl")


def test_external_arrays_that_cannot_be_used(tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((2, 2)))
    np.save(tmp_path / "nan.npy", np.full((3, 4), np.nan))
    np.save(tmp_path / "twice.npy", np.zeros(12, int))
    for key, name, said in (
        ("mask", "gone.npy", "cannot be read"),
        ("heatmap", "small.npy", r"\(2, 2\).*\(3, 4\)"),
        ("heatmap", "nan.npy", "finite"),
        ("ranking", "twice.npy", "each pixel once"),
    ):
        with pytest.raises(InputError, match=said):
            _external(tmp_path, **{key: name}).found("a.png", 2, None, (3, 4))
