"""The compositional network of models/make_compositional.py: what it loses under an occluder, and its gradient."""

import json

import numpy as np
import pytest

from dccausal.gradients.cam import grad_cam
from dccausal.gradients.whitebox import WhiteBox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    import make_compositional

    place = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make_compositional.py", str(place)])
        make_compositional.main()
    return place


def test_it_loses_less_under_an_occluder_than_an_ordinary_network(folder):
    found = json.loads((folder / "accuracy.json").read_text())
    lost = {name: one["clear"] - one["occluded"] for name, one in found.items()}
    assert min(one["clear"] for one in found.values()) > 0.95
    assert lost["compositional"] < lost["ordinary"] / 2


@pytest.mark.parametrize("name", ["compositional", "ordinary"])
def test_its_gradient_is_that_of_differences(folder, name):
    box = WhiteBox(folder / f"{name}.onnx")
    random = np.random.default_rng(0)
    x = random.random((1, 3, 32, 32)).astype(np.float32)
    v = random.standard_normal(x.shape).astype(np.float32) * 2e-4
    slope = 2 * float((box.gradient(x, 3).values * v).sum())
    ends = [float(box.gradient(end, 3).logits[0, 3]) for end in (x + v, x - v)]
    assert ends[0] - ends[1] == pytest.approx(slope, rel=0.05, abs=1e-4)
    layer = box.layer()
    answer = box.at_layer(x, 3, layer)
    assert np.isfinite(grad_cam(answer.activation, answer.values)).all()
    assert layer.grid == (13, 13)
