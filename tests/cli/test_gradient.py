"""The command ``gradient``."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from dccausal.cli import main
from differences import session

FOLDER = Path(__file__).parents[1] / "data" / "whitebox"


def test_a_model_is_written_that_any_runtime_can_run(tmp_path, capsys):
    out = tmp_path / "deep" / "plain.grad.onnx"
    assert main(["gradient", str(FOLDER / "plain" / "model_ts.onnx"), "--out", str(out)]) == 0
    assert "to logits, gradient" in capsys.readouterr().out
    onnx.checker.check_model(out)
    refs = np.load(FOLDER / "plain" / "refs.npz")
    feed = {"input": refs["inputs"], "target": refs["targets"][:, 0].astype(np.int64)}
    logits, gradient = session(onnx.load(out)).run(["logits", "gradient"], feed)
    np.testing.assert_allclose(logits, refs["logits"], atol=2e-5)
    np.testing.assert_allclose(gradient, refs["gradient"][:, 0], atol=1e-4 * np.abs(refs["gradient"]).max())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--layer", "nothing"], "layer is 'nothing'"),
        (["--explained", "scores"], "one of logits, probabilities"),
        (["--size", "big"], "--size is 'big'"),
        (["--input", "nothing"], "input is 'nothing'"),
        (["--output", "nothing"], "output is 'nothing'"),
        (["--out", str(FOLDER / "plain" / "model_ts.onnx")], "which is the model itself"),
    ],
)
def test_bad_input_writes_nothing(more, says, tmp_path, capsys):
    out = tmp_path / "x.onnx"
    arguments = ["gradient", str(FOLDER / "plain" / "model_ts.onnx"), "--out", str(out), *more]
    assert main(arguments) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert not list(tmp_path.iterdir())
